/** Deadlines of calls to AWS (its `requestTimeout` never covers a body): `store.unavailable`, worth another try. */
import { withDeadline as within } from '../base/deadline';
import { AppError } from '../model/errors';

export function withDeadline<Result>(
  request: { readonly what: string; readonly deadlineMs: number; readonly signal?: AbortSignal | undefined },
  run: (signal: AbortSignal) => Promise<Result>,
): Promise<Result> {
  const { what, deadlineMs, signal } = request;
  const expired = (): AppError =>
    new AppError('store.unavailable', `${what}: no complete answer within ${Math.round(deadlineMs)} ms`, {
      retryable: true,
    });
  return within({ deadlineMs, signal, expired }, run);
}
