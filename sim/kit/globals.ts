/**
 * Timers and abort timeouts of the language itself, moved under the scheduler: the product's deadlines then run on simulated
 * time. They belong to the actor whose code asks for them. Installed once a process; `scheduler` is that of the run under way.
 */
import type { Entry, Scheduler } from './scheduler';

let scheduler: Scheduler | undefined;

interface Timer {
  readonly entry: Entry;
  ref(): Timer;
  unref(): Timer;
  hasRef(): boolean;
  refresh(): Timer;
}

const later = (label: string, delayMs: number, run: () => void): Timer => {
  if (!scheduler) throw new Error('no simulation is under way');
  const timer: Timer = {
    entry: scheduler.post(scheduler.current, label, delayMs, run),
    ref: () => timer,
    unref: () => timer,
    hasRef: () => true,
    refresh: () => timer,
  };
  return timer;
};

export function useScheduler(next: Scheduler | undefined): void {
  scheduler = next;
}

export function installTimers(): void {
  const cancel = (timer: Timer | undefined): void => {
    if (timer?.entry) scheduler?.cancel(timer.entry);
  };
  Object.assign(globalThis, {
    setTimeout: (run: (...values: unknown[]) => void, delayMs = 0, ...values: unknown[]) =>
      later('timer', delayMs, () => run(...values)),
    clearTimeout: cancel,
    setImmediate: (run: (...values: unknown[]) => void, ...values: unknown[]) =>
      later('immediate', 0, () => run(...values)),
    clearImmediate: cancel,
  });
  AbortSignal.timeout = (delayMs: number): AbortSignal => {
    const controller = new AbortController();
    later('abort timeout', delayMs, () => controller.abort(new DOMException('simulated timeout', 'TimeoutError')));
    return controller.signal;
  };
}
