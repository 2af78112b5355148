/** The part of host.json that the embedded host honours, with the defaults of the real host where sensible. */
import { existsSync } from 'node:fs';
import { z } from 'zod';
import { readJson } from './settings';

/** `functionTimeoutMs` is undefined for "no limit". All durations in milliseconds. */
export interface HostConfig {
  readonly functionTimeoutMs: number | undefined;
  readonly routePrefix: string;
  readonly queues: QueueConfig;
  readonly durable: DurableConfig;
}

export interface QueueConfig {
  readonly batchSize: number;
  readonly newBatchThreshold: number;
  readonly maxDequeueCount: number;
  readonly visibilityTimeoutMs: number;
  readonly maxPollingIntervalMs: number;
  readonly encoding: 'base64' | 'none';
}

export interface DurableConfig {
  readonly hubName: string;
  readonly maxActivities: number;
  readonly maxOrchestrators: number;
  readonly maxEntities: number;
  readonly entityBatchSize: number;
  readonly defaultVersion: string | undefined;
}

/** Default of the dedicated plans; the consumption default of five minutes would only surprise at home. */
const FUNCTION_TIMEOUT_DEFAULT = '00:30:00';
/** The real default is a minute, which is for saving storage transactions; Azurite's are free. */
const QUEUE_POLLING_DEFAULT = '00:00:01';
const QUEUE_BATCH_MAX = 32;

const count = z.number().int().positive();
const schema = z.looseObject({
  functionTimeout: z.string().optional(),
  extensions: z
    .looseObject({
      http: z.looseObject({ routePrefix: z.string().optional() }).optional(),
      queues: z
        .looseObject({
          batchSize: count.max(QUEUE_BATCH_MAX).optional(),
          newBatchThreshold: z.number().int().nonnegative().optional(),
          maxDequeueCount: count.optional(),
          visibilityTimeout: z.string().optional(),
          maxPollingInterval: z.string().optional(),
          messageEncoding: z.enum(['base64', 'none']).optional(),
        })
        .optional(),
      durableTask: z
        .looseObject({
          hubName: z.string().optional(),
          maxConcurrentActivityFunctions: count.optional(),
          maxConcurrentOrchestratorFunctions: count.optional(),
          maxConcurrentEntityFunctions: count.optional(),
          maxEntityOperationBatchSize: count.optional(),
          defaultVersion: z.string().optional(),
        })
        .optional(),
    })
    .optional(),
});

/** Reads host.json; a missing file means all defaults, a wrong value is an error that names its place. */
export function loadHostConfig(file: string): HostConfig {
  const document: unknown = existsSync(file) ? readJson(file) : {};
  const parsed = schema.safeParse(document);
  if (!parsed.success) {
    const problems = parsed.error.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`);
    throw new Error(`${file} is not valid: ${problems.join('; ')}`);
  }
  const { functionTimeout, extensions = {} } = parsed.data;
  const { http = {}, queues = {}, durableTask = {} } = extensions;
  const batchSize = queues.batchSize ?? 16;
  const timeout = functionTimeout ?? FUNCTION_TIMEOUT_DEFAULT;
  return {
    functionTimeoutMs: timeout === '-1' || timeout.startsWith('-') ? undefined : parseTimeSpan(timeout),
    routePrefix: (http.routePrefix ?? 'api').replaceAll(/^\/+|\/+$/g, ''),
    queues: {
      batchSize,
      newBatchThreshold: queues.newBatchThreshold ?? Math.floor(batchSize / 2),
      maxDequeueCount: queues.maxDequeueCount ?? 5,
      visibilityTimeoutMs: parseTimeSpan(queues.visibilityTimeout ?? '00:00:00'),
      maxPollingIntervalMs: parseTimeSpan(queues.maxPollingInterval ?? QUEUE_POLLING_DEFAULT),
      encoding: queues.messageEncoding ?? 'base64',
    },
    durable: {
      hubName: durableTask.hubName ?? 'EmbeddedHub',
      maxActivities: durableTask.maxConcurrentActivityFunctions ?? 32,
      maxOrchestrators: durableTask.maxConcurrentOrchestratorFunctions ?? 16,
      maxEntities: durableTask.maxConcurrentEntityFunctions ?? 16,
      entityBatchSize: durableTask.maxEntityOperationBatchSize ?? 50,
      defaultVersion: durableTask.defaultVersion,
    },
  };
}

/** Milliseconds of a .NET time span, `[d.]hh:mm:ss[.fff]`. Throws when the text is none. */
export function parseTimeSpan(text: string): number {
  const match = /^(?:(\d+)\.)?(\d{1,2}):(\d{1,2})(?::(\d{1,2})(?:\.(\d{1,7}))?)?$/.exec(text.trim());
  if (match === null) {
    throw new Error(`"${text}" is not a time span of the form [d.]hh:mm:ss.`);
  }
  const [, days = '0', hours = '0', minutes = '0', seconds = '0', fraction = '0'] = match;
  const wholeSeconds = ((Number(days) * 24 + Number(hours)) * 60 + Number(minutes)) * 60 + Number(seconds);
  return Math.round((wholeSeconds + Number(`0.${fraction}`)) * 1000);
}
