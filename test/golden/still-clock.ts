import type { Clock } from '../../shared/base/clock';
import { manualClock } from '../helpers/manual-clock';

/** Goes on only when told; who sleeps on it sleeps until the signal wakes it, so that no watcher spins. */
export function stillClock(startsAt: string): Clock & { advance(ms: number): void } {
  return {
    ...manualClock(startsAt),
    sleep: (_delayMs, signal) =>
      new Promise((_resolve, reject) => {
        const wake = (): void => reject(signal?.reason);
        if (signal?.aborted) wake();
        else signal?.addEventListener('abort', wake, { once: true });
      }),
  };
}
