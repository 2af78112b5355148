/**
 * One error type with a closed set of codes. SDK errors become an AppError in the adapter, once, by code: the original
 * object never leaves it, because its request fields hold SAS urls and tokens. Nobody branches on a message.
 */
export type ErrorCode =
  | 'request.invalid'
  | 'request.not-found'
  | 'request.conflict'
  | 'caller.unknown'
  | 'job.canceled'
  | 'job.stalled'
  | 'vm.not-found'
  | 'vm.unsupported'
  | 'disk.not-found'
  | 'disk.unsupported'
  | 'disk.unreadable'
  | 'snapshot.not-found'
  | 'snapshot.not-ready'
  | 'snapshot.stale'
  | 'snapshot.failed'
  | 'access.denied'
  | 'access.expired'
  | 'access.limit'
  | 'source.short-read'
  | 'source.bad-ranges'
  | 'cloud.throttled'
  | 'cloud.unavailable'
  | 'cloud.denied'
  | 'cloud.rejected'
  | 'cloud.timeout'
  | 'store.not-found'
  | 'store.unavailable'
  | 'store.denied'
  | 'store.mismatch'
  | 'store.conflict'
  | 'session.fenced'
  | 'session.not-found'
  | 'block.corrupt'
  | 'pack.corrupt'
  | 'manifest.corrupt'
  | 'manifest.incomplete'
  | 'format.unknown'
  | 'key.missing'
  | 'key.wrong'
  | 'key.disabled'
  | 'key.corrupt'
  | 'record.conflict'
  | 'record.not-found'
  | 'config.invalid'
  | 'restore.target-exists'
  | 'restore.target-invalid';

export interface ErrorDetails {
  /** May the same call succeed later, unchanged? Throttling, timeouts, resets: yes. */
  readonly retryable?: boolean;
  /** The server's own wish, in ms. */
  readonly retryAfterMs?: number;
  /** Ids, counts and codes only: this is logged and stored. */
  readonly context?: Readonly<Record<string, string | number | boolean>>;
  readonly cause?: unknown;
}

export class AppError extends Error {
  override readonly name = 'AppError';
  readonly retryable: boolean;
  readonly retryAfterMs: number | undefined;
  readonly context: Readonly<Record<string, string | number | boolean>>;

  /** `message` says what was being done, to what, and what the operator can do. No secrets. */
  constructor(
    readonly code: ErrorCode,
    message: string,
    details: ErrorDetails = {},
  ) {
    super(`[${code}] ${message}`, details.cause === undefined ? undefined : { cause: details.cause });
    this.retryable = details.retryable ?? false;
    this.retryAfterMs = details.retryAfterMs;
    this.context = details.context ?? {};
  }
}

export function isAppError(error: unknown, code?: ErrorCode): error is AppError {
  return error instanceof AppError && (code === undefined || error.code === code);
}

/** Verdict for `retry`: our own errors say it themselves; unknown ones are our bugs and are not repeated. */
export function retryVerdict(error: unknown): boolean | number {
  if (!(error instanceof AppError) || !error.retryable) return false;
  return error.retryAfterMs ?? true;
}
