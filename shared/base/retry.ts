import type { Clock } from './clock';

export interface RetryRule {
  readonly attemptsMax: number;
  readonly firstDelayMs: number;
  readonly delayMsMax: number;
}

export interface RetryHooks {
  readonly clock: Clock;
  /** In [0, 1): full jitter, so that many callers that failed together do not come back together. */
  readonly random: () => number;
  readonly signal?: AbortSignal;
  /** false = permanent, rethrown at once; a number = the server's own wish in ms (`Retry-After`), which we never undercut. */
  readonly verdict: (error: unknown) => boolean | number;
}

/** Repeats `run` until it succeeds, its error is permanent, or the attempts are used up; then the last error is thrown. */
export async function retry<Result>(
  rule: RetryRule,
  hooks: RetryHooks,
  run: (attempt: number) => Promise<Result>,
): Promise<Result> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await run(attempt);
    } catch (error) {
      const verdict = hooks.verdict(error);
      if (verdict === false || attempt >= rule.attemptsMax || hooks.signal?.aborted) throw error;
      const ceilingMs = Math.min(rule.delayMsMax, rule.firstDelayMs * 2 ** (attempt - 1));
      const jitterMs = ceilingMs * hooks.random();
      await hooks.clock.sleep(typeof verdict === 'number' ? verdict + jitterMs : jitterMs, hooks.signal);
    }
  }
}
