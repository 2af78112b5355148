/**
 * Keeps a big fan-out from being quadratic. Each turn sends the whole history to the SDK and gets all actions back, so
 * a turn for every handful of completions would spend the time on replays. While activities of a long history are
 * still out, the next turn waits in proportion to that history and takes more completions at once.
 */
import type { Database } from './database';

/** Histories below it replay in a few milliseconds. */
const FREE_CHARACTERS = 200_000;
/** About ten times what it takes to replay that much. */
const CHARACTERS_PER_MS = 4_000;
const PAUSE_MS_MAX = 1_000;

export class TurnPace {
  readonly #db: Database;
  readonly #wake: (instanceId: string) => void;
  /** By generation: when its next turn may start. Epoch milliseconds. */
  readonly #notBefore = new Map<string, number>();
  readonly #waiting = new Set<string>();

  constructor(db: Database, wake: (instanceId: string) => void) {
    this.#db = db;
    this.#wake = wake;
  }

  /** Call after a turn that leaves the generation running with a history of so many characters. */
  note(executionId: string, historyCharacters: number): void {
    if (historyCharacters > FREE_CHARACTERS) {
      this.#notBefore.set(executionId, Date.now() + Math.min(historyCharacters / CHARACTERS_PER_MS, PAUSE_MS_MAX));
    }
  }

  forget(executionId: string): void {
    this.#notBefore.delete(executionId);
  }

  /** Whether a turn has to wait; then the instance is woken when it may start. */
  mustWait(instanceId: string, executionId: string): boolean {
    const delayMs = (this.#notBefore.get(executionId) ?? 0) - Date.now();
    if (delayMs <= 0 || !this.#hasActivities(executionId)) {
      return false;
    }
    if (!this.#waiting.has(instanceId)) {
      this.#waiting.add(instanceId);
      setTimeout(() => {
        this.#waiting.delete(instanceId);
        this.#wake(instanceId);
      }, delayMs).unref();
    }
    return true;
  }

  #hasActivities(executionId: string): boolean {
    const sql = "SELECT 1 FROM tasks WHERE executionId = ? AND kind = 'activity' LIMIT 1";
    return this.#db.get(sql, executionId) !== undefined;
  }
}
