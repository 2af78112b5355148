/** One place where S3 requests are sent: deadline, repetition, renewal of a dead session. */
import type { S3Client } from '@aws-sdk/client-s3';
import type { Clock } from '../base/clock';
import type { Pace } from '../base/pace';
import { type RetryRule, retry } from '../base/retry';
import { AppError, isAppError, retryVerdict } from '../model/errors';
import { MIB } from '../model/limits';
import { failureOf, isExpiredSession, toStoreError } from './aws-error';
import { withDeadline } from './deadline';

type S3Sdk = typeof import('@aws-sdk/client-s3');

export interface S3CallerOptions {
  /** Makes a client with fresh credentials. */
  readonly createClient: (sdk: S3Sdk) => S3Client;
  readonly clock: Clock;
  readonly random: () => number;
  readonly rule?: RetryRule;
  readonly deadlineBaseMs?: number;
  /** Requests under way, found by trying; shared by all callers of a process. */
  readonly pace?: Pace;
  /** Slowest transfer that still counts as progress. */
  readonly slowestBytesPerSecond?: number;
}

export interface S3Attempt {
  readonly sdk: S3Sdk;
  readonly client: S3Client;
  readonly abortSignal: AbortSignal;
}

/** Longer than the SDK's three tries: S3 answers SlowDown for minutes while it splits a prefix. */
const RULE: RetryRule = { attemptsMax: 10, firstDelayMs: 200, delayMsMax: 20_000 };

/** What says "less": SlowDown and its kin, and any 503. */
const isComplaint = (error: unknown): boolean =>
  isAppError(error, 'cloud.throttled') || (error instanceof AppError && error.context['status'] === 503);

const never = new AbortController().signal;

export class S3Caller {
  private client: S3Client | undefined;

  constructor(private readonly options: S3CallerOptions) {}

  /** `bytes` is what the request moves, for its deadline. Throws AppErrors and the caller's own abort reason. */
  async call<Result>(
    request: { readonly what: string; readonly bytes: number; readonly signal?: AbortSignal | undefined },
    run: (attempt: S3Attempt) => Promise<Result>,
  ): Promise<Result> {
    const { what, signal } = request;
    const sdk = require('@aws-sdk/client-s3') as S3Sdk; // 0.15 s: only when used
    const slowest = this.options.slowestBytesPerSecond ?? MIB;
    const deadlineMs = (this.options.deadlineBaseMs ?? 60_000) + (request.bytes / slowest) * 1000;
    let renewals = 0;
    const attempt = async (): Promise<Result> => {
      const client = this.client ?? this.options.createClient(sdk);
      this.client = client;
      try {
        return await withDeadline({ what, deadlineMs, signal }, (abortSignal) => run({ sdk, client, abortSignal }));
      } catch (error) {
        if (signal?.aborted) throw signal.reason;
        if (isExpiredSession(failureOf(error)) && this.client === client) this.client = undefined;
        throw toStoreError(error, what);
      }
    };
    const verdict = (error: unknown): boolean | number => {
      if (!(error instanceof AppError) || error.context['status'] === 416) return false;
      if (error.code === 'store.denied' && error.retryable) return renewals++ === 0;
      return retryVerdict(error);
    };
    const hooks = { clock: this.options.clock, random: this.options.random, verdict, ...(signal ? { signal } : {}) };
    const { pace } = this.options;
    const paced = pace ? (): Promise<Result> => pace.run(signal ?? never, isComplaint, attempt) : attempt;
    return retry(this.options.rule ?? RULE, hooks, paced);
  }
}
