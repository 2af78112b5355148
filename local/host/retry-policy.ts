/**
 * Function-level retry policies. Azure has them for timers and for event streams, not for HTTP and storage queues
 * (whose retries are the dequeue count), so timers are what they apply to here.
 */
import { z } from 'zod';

export interface RetryPolicy {
  /** Further runs after the first; `Infinity` for -1, which is "without end". */
  readonly retriesMax: number;
  /** Wait before the given retry, counted from 1. */
  delayMs(retry: number): number;
}

/** What `@azure/functions` makes of the `retry` option: durations in whole seconds. */
const duration = z.object({ seconds: z.number().nonnegative() }).optional();
const schema = z.object({
  retryStrategy: z.enum(['fixedDelay', 'exponentialBackoff']),
  maxRetryCount: z.number().int().min(-1),
  delayInterval: duration,
  minimumInterval: duration,
  maximumInterval: duration,
});

/** Undefined when the function has none. Throws when it is malformed. */
export function parseRetryPolicy(retryOptions: unknown): RetryPolicy | undefined {
  if (retryOptions === undefined || retryOptions === null) {
    return undefined;
  }
  const parsed = schema.safeParse(retryOptions);
  if (!parsed.success) {
    throw new Error(`The retry policy is not valid: ${z.prettifyError(parsed.error)}`);
  }
  const { retryStrategy, maxRetryCount, delayInterval, minimumInterval, maximumInterval } = parsed.data;
  const ms = (value: z.infer<typeof duration>): number => 1000 * (value?.seconds ?? 0);
  return {
    retriesMax: maxRetryCount === -1 ? Number.POSITIVE_INFINITY : maxRetryCount,
    delayMs: (retry) =>
      retryStrategy === 'fixedDelay'
        ? ms(delayInterval)
        : Math.min(ms(minimumInterval) * 2 ** (retry - 1), ms(maximumInterval)),
  };
}
