/**
 * Turns what Azure's SDKs and endpoints answer into an AppError. Only a status and a service code are taken over: the
 * objects themselves hold SAS urls and tokens in their request fields, and messages of a service may quote what was sent.
 */
import { AppError, type ErrorCode } from '../model/errors';

export interface AzureFailure {
  readonly status?: number | undefined;
  /** The service's code, such as `Conflict` or `PreviousSnapshotNotFound`. */
  readonly serviceCode?: string | undefined;
  readonly retryAfterMs?: number | undefined;
}

export interface FailureMeaning {
  /** Code for 404; `cloud.rejected` when absent. */
  readonly notFound?: ErrorCode;
  /** Code for 409 and 412; `cloud.rejected` when absent. */
  readonly conflict?: ErrorCode;
  /** May a 409 pass when tried again? ARM says 409 while another operation changes the resource. */
  readonly conflictRetryable?: boolean;
}

export function failureToError(what: string, failure: AzureFailure, meaning: FailureMeaning = {}): AppError {
  const { status, retryAfterMs } = failure;
  const serviceCode = cleanCode(failure.serviceCode);
  const said = [status, serviceCode].filter((part) => part !== undefined).join(' ');
  const context = {
    ...(status === undefined ? {} : { status }),
    ...(serviceCode === undefined ? {} : { serviceCode }),
  };
  const error = (code: ErrorCode, retryable: boolean, advice = ''): AppError =>
    new AppError(code, `${what}: Azure answered ${said || 'nothing'}${advice}`, {
      retryable,
      context,
      ...(retryable && retryAfterMs !== undefined ? { retryAfterMs } : {}),
    });

  if (status === undefined) return error('cloud.unavailable', true);
  if (status === 408) return error('cloud.timeout', true);
  if (status === 429) return error('cloud.throttled', true);
  if (status === 503 && /busy|throttl|ratelimit|exceeded/i.test(serviceCode ?? ''))
    return error('cloud.throttled', true);
  if (status === 501 || status === 505) return error('cloud.rejected', false);
  if (status >= 500) return error('cloud.unavailable', true);
  if (status === 401 || status === 403) {
    return error('cloud.denied', false, '; check the role assignments of the managed identity and Azure policies');
  }
  if (status === 404) return error(meaning.notFound ?? 'cloud.rejected', false);
  if (status === 409 || status === 412) {
    return error(meaning.conflict ?? 'cloud.rejected', status === 409 && (meaning.conflictRetryable ?? false));
  }
  return error('cloud.rejected', false);
}

/** An AppError passes; everything else is reduced to its status and code. */
export function toAppError(error: unknown, what: string, meaning: FailureMeaning = {}): AppError {
  if (error instanceof AppError) return error;
  const failure = failureOf(error);
  if (failure.status !== undefined || isNetworkFailure(error)) return failureToError(what, failure, meaning);
  if (nameOf(error) === 'CredentialUnavailableError' || nameOf(error) === 'AuthenticationRequiredError') {
    return new AppError('cloud.denied', `${what}: no managed identity is available here`, { retryable: true });
  }
  const suffix = failure.serviceCode === undefined ? nameOf(error) : cleanCode(failure.serviceCode);
  return new AppError('cloud.rejected', `${what}: the operation failed (${suffix ?? 'unknown error'})`);
}

export function failureOf(error: unknown): AzureFailure {
  const status = numberOf(field(error, 'statusCode')) ?? numberOf(field(error, 'status'));
  const details = field(error, 'details');
  const code =
    textOf(field(field(details, 'error'), 'code')) ??
    textOf(field(details, 'errorCode')) ??
    textOf(field(error, 'code'));
  const headers = field(field(error, 'response'), 'headers');
  const get = field(headers, 'get');
  const retryAfter = typeof get === 'function' ? textOf(get.call(headers, 'retry-after')) : undefined;
  return { status, serviceCode: code ?? lroCode(error), retryAfterMs: retryAfterMs(retryAfter, Date.now()) };
}

/** `Retry-After` as seconds or as a date; undefined when absent or nonsense. */
export function retryAfterMs(header: string | undefined, nowMs: number): number | undefined {
  if (header === undefined) return undefined;
  const seconds = Number(header);
  if (Number.isFinite(seconds) && seconds >= 0) return Math.ceil(seconds * 1000);
  const at = Date.parse(header);
  return Number.isNaN(at) ? undefined : Math.max(0, at - nowMs);
}

const NETWORK_CODES =
  /^(ECONN|EPIPE|EAI_AGAIN|ENOTFOUND|ETIMEDOUT|ESOCKETTIMEDOUT|EHOSTUNREACH|ENETUNREACH|UND_ERR|ERR_STREAM_PREMATURE_CLOSE|ERR_TLS|CERT_|REQUEST_SEND_ERROR|PARSE_ERROR)/;

/** Socket errors, and bodies that ended early: the SDKs show those as aborts or parse errors without a status. */
export function isNetworkFailure(error: unknown): boolean {
  const code = textOf(field(error, 'code')) ?? textOf(field(field(error, 'cause'), 'code'));
  if (code !== undefined && NETWORK_CODES.test(code)) return true;
  return ['AbortError', 'SocketError', 'TypeError', 'SyntaxError'].includes(nameOf(error) ?? '') && code === undefined
    ? nameOf(error) !== 'TypeError' || field(error, 'cause') !== undefined
    : false;
}

/** core-lro puts the code of a failed operation into its message only: "... has failed. <code>. <message>". */
function lroCode(error: unknown): string | undefined {
  const message = textOf(field(error, 'message'));
  return message === undefined ? undefined : /long-running operation has failed\. (\w{1,80})\./.exec(message)?.[1];
}

const cleanCode = (code: string | undefined): string | undefined =>
  code !== undefined && /^[\w.-]{1,80}$/.test(code) ? code : undefined;

const nameOf = (error: unknown): string | undefined => textOf(field(error, 'name'));
const textOf = (value: unknown): string | undefined => (typeof value === 'string' ? value : undefined);
const numberOf = (value: unknown): number | undefined => (typeof value === 'number' ? value : undefined);

function field(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>)[name] : undefined;
}
