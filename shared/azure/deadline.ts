/**
 * Neither the ARM client nor the storage clients have a deadline of their own: a stalled socket hangs a caller for ever.
 * Every call to Azure therefore goes through here.
 */
import { AppError } from '../model/errors';

export interface DeadlineRequest {
  /** What is being done, for the error: no urls, no tokens. */
  readonly what: string;
  readonly deadlineMs: number;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Runs with a signal that aborts at the deadline or with the caller's signal, and settles then even if `run` ignores it.
 * The caller's abort is thrown as its own reason, ours as `cloud.timeout` (retryable): the two are never confused.
 */
export async function withDeadline<Result>(
  request: DeadlineRequest,
  run: (signal: AbortSignal) => Promise<Result>,
): Promise<Result> {
  const { signal: callerSignal, what, deadlineMs } = request;
  callerSignal?.throwIfAborted();
  const deadline = new AbortController();
  const timer = setTimeout(() => deadline.abort(), deadlineMs);
  const signal = callerSignal ? AbortSignal.any([callerSignal, deadline.signal]) : deadline.signal;
  let onAbort: (() => void) | undefined;
  const aborted = new Promise<never>((_resolve, reject) => {
    onAbort = () => reject(signal.reason);
    signal.addEventListener('abort', onAbort, { once: true });
  });
  try {
    return await Promise.race([run(signal), aborted]);
  } catch (error) {
    if (callerSignal?.aborted) throw callerSignal.reason;
    if (deadline.signal.aborted) {
      throw new AppError('cloud.timeout', `${what}: no answer within ${deadlineMs} ms`, { retryable: true });
    }
    throw error;
  } finally {
    clearTimeout(timer);
    if (onAbort) signal.removeEventListener('abort', onAbort);
  }
}
