/**
 * The product as its users reach it: over HTTP. Calls are repeated while the host is away (it may be restarting), which is
 * safe because every POST carries an idempotency key.
 */
import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import { jobPhaseSchema, jobStatusSchema } from '../../shared/model/job';
import { transferStatsSchema } from '../../shared/model/transfer';

const lunSchema = z.union([z.literal('os'), z.number()]);

/** What the demo reads of a job; the API gives more. */
export const jobViewSchema = z.looseObject({
  id: z.string(),
  kind: z.enum(['backup', 'restore']),
  vmId: z.string(),
  vmName: z.string(),
  region: z.string(),
  status: jobStatusSchema,
  phase: jobPhaseSchema,
  createdAt: z.string(),
  endedAt: z.string().optional(),
  pointId: z.string().optional(),
  targets: z.array(z.looseObject({ lun: lunSchema, target: z.string() })).optional(),
  stats: transferStatsSchema.optional(),
  notes: z.array(z.string()),
  error: z.looseObject({ code: z.string(), message: z.string() }).optional(),
  progress: z
    .looseObject({
      bytesTotal: z.number(),
      bytesDone: z.number(),
      percent: z.number(),
      rateBytesPerSecond: z.number(),
      etaSeconds: z.number().nullable(),
    })
    .optional(),
});
export type JobView = z.infer<typeof jobViewSchema>;

const vmsSchema = z.looseObject({
  items: z.array(z.looseObject({ id: z.string(), name: z.string(), region: z.string() })),
});
const jobsSchema = z.looseObject({ items: z.array(jobViewSchema) });
const runSchema = z.looseObject({ selected: z.number(), jobs: z.array(z.looseObject({ id: z.string() })) });
const startedSchema = z.looseObject({ jobId: z.string() });
const pointsSchema = z.looseObject({
  items: z.array(z.looseObject({ id: z.string(), vmId: z.string(), vmName: z.string(), createdAt: z.string() })),
});
export type PointView = z.infer<typeof pointsSchema>['items'][number];

export type RestoreTarget =
  | { readonly kind: 'image' }
  | { readonly kind: 'disk'; readonly resourceGroup: string; readonly namePrefix: string };

const AWAY_MS_MAX = 60_000;
const CALL_MS_MAX = 30_000;

export class ApiClient {
  constructor(
    private readonly url: string,
    private readonly functionKey: string,
    private readonly masterKey: string,
  ) {}

  async vms() {
    return vmsSchema.parse(await this.call('GET', '/api/vms')).items;
  }

  async putPolicy(name: string, policy: unknown): Promise<void> {
    await this.call('PUT', `/api/policies/${name}`, policy);
  }

  /** Ids of the started jobs. */
  async runPolicy(name: string): Promise<readonly string[]> {
    return runSchema.parse(await this.call('POST', `/api/policies/${name}/run`)).jobs.map((job) => job.id);
  }

  async restore(pointId: string, target: RestoreTarget): Promise<string> {
    return startedSchema.parse(await this.call('POST', '/api/restores', { pointId, target })).jobId;
  }

  async jobs(): Promise<readonly JobView[]> {
    return jobsSchema.parse(await this.call('GET', '/api/jobs?limit=100')).items;
  }

  async job(id: string): Promise<JobView> {
    return jobViewSchema.parse(await this.call('GET', `/api/jobs/${id}`));
  }

  /** Newest first. */
  async points(vmId: string): Promise<readonly PointView[]> {
    return pointsSchema.parse(await this.call('GET', `/api/restore-points?vmId=${encodeURIComponent(vmId)}`)).items;
  }

  /** What Azure's portal does under "Test/Run": the timer function now. */
  async runTimer(name: string): Promise<void> {
    await this.call('POST', `/admin/functions/${name}`, { input: '' }, this.masterKey);
  }

  private async call(method: string, path: string, body?: unknown, key = this.functionKey): Promise<unknown> {
    const idempotencyKey = randomUUID();
    const endsAt = Date.now() + AWAY_MS_MAX;
    for (;;) {
      const reply = await fetch(`${this.url}${path}`, {
        method,
        headers: {
          'x-functions-key': key,
          ...(body === undefined ? {} : { 'content-type': 'application/json' }),
          ...(method === 'POST' ? { 'idempotency-key': idempotencyKey } : {}),
        },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
        signal: AbortSignal.timeout(CALL_MS_MAX),
      }).catch((error: unknown) => describe(error));
      const text = typeof reply === 'string' ? reply : await reply.text().catch(describe);
      if (typeof reply !== 'string' && reply.ok) return text === '' ? undefined : JSON.parse(text);
      const away = typeof reply === 'string' || reply.status >= 500;
      if (!away || Date.now() > endsAt) {
        const status = typeof reply === 'string' ? 'no answer' : reply.status;
        throw new Error(`${method} ${path}: ${status} ${text.slice(0, 500)}`);
      }
      await sleep(250);
    }
  }
}

function describe(error: unknown): string {
  const cause = error instanceof Error && error.cause instanceof Error ? `: ${error.cause.message}` : '';
  return `${error instanceof Error ? error.message : String(error)}${cause}`;
}
