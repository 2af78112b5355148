/**
 * AWS SDK errors as AppErrors, by name and status only: the error objects carry the session token of the failed request
 * (`$response.body.req`), so they end here.
 */
import { AppError } from '../model/errors';

export interface AwsFailure {
  readonly name: string;
  readonly status: number | undefined;
  readonly retryAfterMs: number | undefined;
}

export function failureOf(error: unknown): AwsFailure {
  const status = field(field(error, '$metadata'), 'httpStatusCode');
  const name = field(error, 'name');
  const header = field(field(field(error, '$response'), 'headers'), 'retry-after');
  const seconds = typeof header === 'string' ? Number(header) : Number.NaN;
  return {
    name: typeof name === 'string' && /^[\w.:-]{1,80}$/.test(name) ? name.replace(/:.*/, '') : 'UnknownError',
    status: typeof status === 'number' ? status : undefined,
    retryAfterMs: Number.isFinite(seconds) && seconds >= 0 ? seconds * 1000 : undefined,
  };
}

/** Names that mean the session's credentials have died: neither refreshed nor retried by the SDK. */
export const isExpiredSession = (failure: AwsFailure): boolean =>
  ['ExpiredToken', 'ExpiredTokenException', 'TokenRefreshRequired', 'InvalidToken', 'RequestExpired'].includes(
    failure.name,
  );

const THROTTLING = [
  'SlowDown',
  'Throttling',
  'ThrottlingException',
  'TooManyRequestsException',
  'RequestLimitExceeded',
];
/** Answers with a 4xx status that pass when tried again. */
const PASSING = [
  'RequestTimeout',
  'RequestTimeTooSkewed',
  'ConditionalRequestConflict',
  'OperationAborted',
  'IDPCommunicationError',
  'IDPCommunicationErrorException',
];

/** `what` names the operation and the object's key, nothing that came back. */
export function toStoreError(error: unknown, what: string): AppError {
  if (error instanceof AppError) return error;
  const failure = failureOf(error);
  const { name, status } = failure;
  const context = { name, ...(status === undefined ? {} : { status }) };
  const said = status === undefined ? name : `${status} ${name}`;
  const make = (code: AppError['code'], retryable: boolean, advice = ''): AppError =>
    new AppError(code, `${what}: the store answered ${said}${advice}`, {
      retryable,
      context,
      ...(retryable && failure.retryAfterMs !== undefined ? { retryAfterMs: failure.retryAfterMs } : {}),
    });
  if (name === 'NoSuchKey' || name === 'NotFound') return make('store.not-found', false);
  if (name === 'NoSuchBucket') return make('store.denied', false, '; check the bucket name in the settings');
  if (isExpiredSession(failure)) return make('store.denied', true);
  if (THROTTLING.includes(name) || status === 429) return make('cloud.throttled', true);
  if (name === 'BadDigest' || name === 'XAmzContentSHA256Mismatch') return make('store.mismatch', true);
  if (PASSING.includes(name)) return make('store.unavailable', true);
  if (status === 501) return make('store.denied', false, '; it lacks a feature that Blockferry needs');
  if (status !== undefined && status >= 500) return make('store.unavailable', true);
  if (status !== undefined && status >= 400) {
    return make('store.denied', false, '; check the role, its trust and the bucket policy');
  }
  // No status: the connection failed, the reply could not be parsed, or its checksum was wrong. All worth another try.
  return make('store.unavailable', true);
}

function field(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>)[name] : undefined;
}
