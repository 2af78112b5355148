/** The AWS SDK has no deadline by default, and its `requestTimeout` never covers a body: only a signal does. */
import { AppError } from '../model/errors';

/**
 * Runs with a signal that aborts at the deadline or with the caller's, and settles then even if `run` ignores it. The
 * caller's abort is thrown as its own reason, ours as `store.unavailable` (retryable).
 */
export async function withDeadline<Result>(
  request: { readonly what: string; readonly deadlineMs: number; readonly signal?: AbortSignal | undefined },
  run: (signal: AbortSignal) => Promise<Result>,
): Promise<Result> {
  request.signal?.throwIfAborted();
  const deadline = new AbortController();
  const timer = setTimeout(() => deadline.abort(), request.deadlineMs);
  const signal = request.signal ? AbortSignal.any([request.signal, deadline.signal]) : deadline.signal;
  let onAbort: (() => void) | undefined;
  const aborted = new Promise<never>((_resolve, reject) => {
    onAbort = () => reject(signal.reason);
    signal.addEventListener('abort', onAbort, { once: true });
  });
  try {
    return await Promise.race([run(signal), aborted]);
  } catch (error) {
    if (request.signal?.aborted) throw request.signal.reason;
    if (!deadline.signal.aborted) throw error;
    const message = `${request.what}: no complete answer within ${Math.round(request.deadlineMs)} ms`;
    throw new AppError('store.unavailable', message, { retryable: true });
  } finally {
    clearTimeout(timer);
    if (onAbort) signal.removeEventListener('abort', onAbort);
  }
}
