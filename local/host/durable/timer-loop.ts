/** Fires durable timers: one alarm for the earliest, armed again after each change. */
import type { Database } from './database';
import { EventType, event, type RetryState } from './history';
import { send, type TaskRow } from './instances';

/** Longer waits are cut: `setTimeout` overflows at 24.8 days, and a machine that slept should notice soon. */
const ALARM_MS_MAX = 30_000;

export class TimerLoop {
  readonly #db: Database;
  readonly #wake: (instanceId: string) => void;
  #alarm: NodeJS.Timeout | undefined;
  #isStopped = false;

  constructor(db: Database, wake: (instanceId: string) => void) {
    this.#db = db;
    this.#wake = wake;
  }

  /** Call after timers were added; it looks for the earliest itself. */
  arm(): void {
    if (this.#isStopped) {
      return;
    }
    clearTimeout(this.#alarm);
    const row = this.#db.get<{ next: number | null }>("SELECT min(fireAtMs) AS next FROM tasks WHERE kind = 'timer'");
    if (row?.next != null) {
      const delayMs = Math.min(Math.max(row.next - Date.now(), 0), ALARM_MS_MAX);
      this.#alarm = setTimeout(() => this.#fire(), delayMs);
    }
  }

  stop(): void {
    this.#isStopped = true;
    clearTimeout(this.#alarm);
  }

  #fire(): void {
    const now = Date.now();
    const at = new Date(now).toISOString();
    const fired = this.#db.transaction(() => {
      const due = this.#db.all<TaskRow>(
        "SELECT * FROM tasks WHERE kind = 'timer' AND fireAtMs <= ? ORDER BY fireAtMs",
        now,
      );
      for (const timer of due) {
        this.#db.run('DELETE FROM tasks WHERE executionId = ? AND taskId = ?', timer.executionId, timer.taskId);
        const retry = timer.retry === null ? undefined : (JSON.parse(timer.retry) as RetryState);
        const FireAt = new Date(timer.fireAtMs ?? now).toISOString();
        const root = retry === undefined ? {} : { retryRoot: retry.rootId };
        const message = event(EventType.timerFired, at, { TimerId: timer.taskId, FireAt, ...root });
        send(this.#db, timer.instanceId, timer.executionId, message, retry);
      }
      return due;
    });
    for (const { instanceId } of fired) {
      this.#wake(instanceId);
    }
    this.arm();
  }
}
