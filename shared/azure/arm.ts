/**
 * ARM through the real SDK, with what it lacks: a deadline on every request, one retry rule that knows 429 without
 * Retry-After, and errors without request objects. The rule sits in the pipeline, so the polls of a long-running operation
 * are covered as well as its first request.
 */
import type { ComputeManagementClient, ComputeManagementClientOptionalParams } from '@azure/arm-compute';
import type { Clock } from '../base/clock';
import { systemClock } from '../base/clock';
import { type RetryRule, retry } from '../base/retry';
import { AppError, retryVerdict } from '../model/errors';
import { type ArmId, parseArmId } from '../model/ids';
import { type FailureMeaning, failureToError, isNetworkFailure, retryAfterMs, toAppError } from './azure-error';
import { type AzureCredential, scopeOf } from './credential';
import { withDeadline } from './deadline';

export interface ArmOptions {
  readonly credential: AzureCredential;
  /** Such as `https://management.azure.com`. */
  readonly armEndpoint: string;
  readonly armAudience: string;
  /** Pace of polling a long-running operation while ARM names none. */
  readonly pollMs: number;
  readonly clock?: Clock;
  readonly random?: () => number;
  readonly retryRule?: RetryRule;
  /** One HTTP request, body included. */
  readonly requestDeadlineMs?: number;
  /** One call with all its polls and pages. */
  readonly callDeadlineMs?: number;
}

export interface Poller<Result> {
  submitted(): Promise<void>;
  pollUntilDone(options?: { abortSignal?: AbortSignal }): Promise<Result>;
}

/** What a call hands to the SDK: operations take these as their last argument. */
export interface CallParameters {
  readonly abortSignal: AbortSignal;
  readonly updateIntervalInMs: number;
}

type ArmPolicy = NonNullable<ComputeManagementClientOptionalParams['additionalPolicies']>[number]['policy'];

export class Arm {
  private readonly clients = new Map<string, ComputeManagementClient>();
  private readonly clock: Clock;
  private readonly random: () => number;
  private readonly rule: RetryRule;

  constructor(private readonly options: ArmOptions) {
    this.clock = options.clock ?? systemClock;
    this.random = options.random ?? Math.random;
    this.rule = options.retryRule ?? { attemptsMax: 6, firstDelayMs: 500, delayMsMax: 20_000 };
  }

  get endpoint(): string {
    return this.options.armEndpoint;
  }

  /** One call to a subscription. Errors are AppErrors; see FailureMeaning for what 404 and 409 become. */
  async call<Result>(
    request: {
      readonly what: string;
      readonly subscription: string;
      readonly meaning?: FailureMeaning;
      /** For a 409 that may pass; the client's rule when absent. */
      readonly conflictRule?: RetryRule;
      readonly signal?: AbortSignal | undefined;
    },
    run: (client: ComputeManagementClient, parameters: CallParameters) => Promise<Result>,
  ): Promise<Result> {
    const client = this.client(request.subscription);
    const deadlineMs = this.options.callDeadlineMs ?? 10 * 60_000;
    const attempt = async (): Promise<Result> => {
      try {
        return await withDeadline({ what: request.what, deadlineMs, signal: request.signal }, (abortSignal) =>
          run(client, { abortSignal, updateIntervalInMs: this.options.pollMs }),
        );
      } catch (error) {
        if (request.signal?.aborted) throw request.signal.reason;
        throw toAppError(error, request.what, request.meaning);
      }
    };
    // Only conflicts are left to repeat here: throttling, outages and resets were repeated request by request below.
    const verdict = (error: unknown): boolean | number =>
      request.meaning?.conflictRetryable && statusOf(error) === 409 ? retryVerdict(error) : false;
    const hooks = { clock: this.clock, random: this.random, verdict, ...signalOf(request.signal) };
    return retry(request.conflictRule ?? this.rule, hooks, attempt);
  }

  /** Like `call`, for an operation on one resource: its id is vetted and taken apart. */
  async onResource<Result>(
    request: {
      readonly what: string;
      readonly id: string;
      readonly type: string;
      readonly meaning?: FailureMeaning;
      readonly conflictRule?: RetryRule;
      readonly signal?: AbortSignal | undefined;
    },
    run: (client: ComputeManagementClient, id: ArmId, parameters: CallParameters) => Promise<Result>,
  ): Promise<Result> {
    const id = computeIdOf(request.id, request.type);
    const what = `${request.what} ${id.name}`;
    return this.call({ ...request, what, subscription: id.subscription }, (client, parameters) =>
      run(client, id, parameters),
    );
  }

  private client(subscription: string): ComputeManagementClient {
    const known = this.clients.get(subscription);
    if (known) return known;
    const sdk = require('@azure/arm-compute') as typeof import('@azure/arm-compute'); // 0.3 s: only when used
    const client = new sdk.ComputeManagementClient(this.options.credential, subscription, {
      endpoint: this.options.armEndpoint,
      credentials: { scopes: [scopeOf(this.options.armAudience)] },
      retryOptions: { maxRetries: 0 },
      additionalPolicies: [{ policy: this.policy(), position: 'perCall' }],
      userAgentOptions: { userAgentPrefix: 'blockferry' },
    });
    this.clients.set(subscription, client);
    return client;
  }

  private policy(): ArmPolicy {
    return {
      name: 'blockferryRetryPolicy',
      sendRequest: (request, next) => {
        const callSignal = request.abortSignal instanceof AbortSignal ? request.abortSignal : undefined;
        const what = `${request.method} ${new URL(request.url).pathname}`;
        const attempt = async (): Promise<Awaited<ReturnType<typeof next>>> => {
          const deadlineMs = this.options.requestDeadlineMs ?? 60_000;
          let response: Awaited<ReturnType<typeof next>>;
          try {
            response = await withDeadline({ what, deadlineMs, signal: callSignal }, (abortSignal) => {
              request.abortSignal = abortSignal;
              return next(request);
            });
          } catch (error) {
            if (callSignal?.aborted || !isNetworkFailure(error)) throw error;
            throw toAppError(error, what);
          }
          const { status } = response;
          if (status !== 408 && status !== 429 && status < 500) return response;
          throw failureToError(what, {
            status,
            serviceCode: bodyCode(response.bodyAsText),
            retryAfterMs: retryAfterMs(response.headers.get('retry-after'), this.clock.now()),
          });
        };
        const hooks = { clock: this.clock, random: this.random, verdict: shortWait, ...signalOf(callSignal) };
        return retry(this.rule, hooks, attempt);
      },
    };
  }
}

/** Vets a Microsoft.Compute id of the expected type, compared without case as ARM does; `request.invalid` otherwise. */
export function computeIdOf(id: string, type: string): ArmId {
  const parsed = parseArmId(id);
  if (parsed.provider.toLowerCase() !== 'microsoft.compute' || parsed.type.toLowerCase() !== type.toLowerCase()) {
    throw new AppError(
      'request.invalid',
      `not the id of one of Microsoft.Compute/${type}: ${parsed.type}/${parsed.name}`,
    );
  }
  return parsed;
}

/** A longer wait belongs to the orchestration's durable timers: the error carries it there. */
const WAIT_MS_MAX = 30_000;

function shortWait(error: unknown): boolean | number {
  const verdict = retryVerdict(error);
  return typeof verdict === 'number' && verdict > WAIT_MS_MAX ? false : verdict;
}

const signalOf = (signal: AbortSignal | undefined): { signal?: AbortSignal } => (signal ? { signal } : {});

const statusOf = (error: unknown): unknown =>
  typeof error === 'object' && error !== null && 'context' in error
    ? (error.context as Record<string, unknown>)['status']
    : undefined;

function bodyCode(body: string | null | undefined): string | undefined {
  try {
    const parsed: unknown = JSON.parse(body ?? '');
    const code = (parsed as { error?: { code?: unknown } } | null)?.error?.code;
    return typeof code === 'string' ? code : undefined;
  } catch {
    return undefined; // an answer without a JSON body is known by its status alone
  }
}
