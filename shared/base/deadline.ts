/**
 * None of the cloud clients has a deadline of its own that covers a body: a stalled socket hangs a caller for ever. Every
 * call that leaves the process therefore runs in here.
 */
export interface DeadlineRequest {
  readonly deadlineMs: number;
  readonly signal?: AbortSignal | undefined;
  /** The error for a deadline that passed; the caller's own abort is thrown as its own reason: the two are never confused. */
  readonly expired: () => Error;
}

/** Runs with a signal that aborts at the deadline or with the caller's signal, and settles then even if `run` ignores it. */
export async function withDeadline<Result>(
  request: DeadlineRequest,
  run: (signal: AbortSignal) => Promise<Result>,
): Promise<Result> {
  const { signal: callerSignal, deadlineMs } = request;
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
    throw deadline.signal.aborted ? request.expired() : error;
  } finally {
    clearTimeout(timer);
    if (onAbort) signal.removeEventListener('abort', onAbort);
  }
}
