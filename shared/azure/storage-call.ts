/** Calls to storage queues and tables: the clients have no deadline, ignore Retry-After and do not repeat a 429. */
import { type Clock, systemClock } from '../base/clock';
import { type RetryRule, retry } from '../base/retry';
import { retryVerdict } from '../model/errors';
import { type FailureMeaning, toAppError } from './azure-error';
import type { AzureCredential } from './credential';
import { withDeadline } from './deadline';

/** A connection string (Azurite), or an endpoint with the managed identity. */
export type StorageConnection =
  | { readonly connectionString: string }
  | { readonly endpoint: string; readonly credential: AzureCredential };

export interface StorageCallOptions {
  readonly clock?: Clock;
  readonly random?: () => number;
  readonly rule?: RetryRule;
  readonly deadlineMs?: number;
}

export interface StorageRequest {
  /** For errors. */
  readonly what: string;
  readonly meaning?: FailureMeaning;
  readonly signal?: AbortSignal | undefined;
}

export type StorageCall = <Result>(
  request: StorageRequest,
  run: (abortSignal: AbortSignal, attempt: number) => Promise<Result>,
) => Promise<Result>;

const RULE: RetryRule = { attemptsMax: 6, firstDelayMs: 200, delayMsMax: 10_000 };

export function storageCall(options: StorageCallOptions): StorageCall {
  const { clock = systemClock, random = Math.random, rule = RULE, deadlineMs = 30_000 } = options;
  return (request, run) => {
    const { what, signal, meaning } = request;
    const hooks = { clock, random, verdict: retryVerdict, ...(signal ? { signal } : {}) };
    return retry(rule, hooks, async (attempt) => {
      try {
        return await withDeadline({ what, deadlineMs, signal }, (abortSignal) => run(abortSignal, attempt));
      } catch (error) {
        if (signal?.aborted) throw signal.reason;
        throw toAppError(error, what, meaning);
      }
    });
  };
}

/** Is this connection string one of an emulator on this machine? Only then may a client speak plain http. */
export const isLocalConnection = (connectionString: string): boolean =>
  /UseDevelopmentStorage=true/i.test(connectionString) ||
  /Endpoint=http:\/\/(127\.0\.0\.1|localhost|\[::1\])[:/]/i.test(connectionString);
