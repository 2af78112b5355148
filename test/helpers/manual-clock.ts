import type { Clock } from '../../shared/base/clock';

/** A clock that stands until it is told to go on. `sleep` moves it and returns at once. */
export function manualClock(startsAt = '2026-11-22T12:00:00.000Z'): Clock & { advance(ms: number): void } {
  const startMs = Date.parse(startsAt);
  let elapsedMs = 0;
  return {
    now: () => startMs + elapsedMs,
    monotonicMs: () => elapsedMs,
    sleep: async (delayMs) => {
      elapsedMs += delayMs;
    },
    advance: (ms) => {
      elapsedMs += ms;
    },
  };
}
