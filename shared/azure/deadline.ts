/** Deadlines of calls to Azure: `cloud.timeout`, worth another try. */
import { withDeadline as within } from '../base/deadline';
import { AppError } from '../model/errors';

export interface DeadlineRequest {
  /** What is being done, for the error: no urls, no tokens. */
  readonly what: string;
  readonly deadlineMs: number;
  readonly signal?: AbortSignal | undefined;
}

export function withDeadline<Result>(
  { what, deadlineMs, signal }: DeadlineRequest,
  run: (signal: AbortSignal) => Promise<Result>,
): Promise<Result> {
  const expired = (): AppError =>
    new AppError('cloud.timeout', `${what}: no answer within ${deadlineMs} ms`, { retryable: true });
  return within({ deadlineMs, signal, expired }, run);
}
