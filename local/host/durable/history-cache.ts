/** Histories of living generations as JSON text, so that a turn appends instead of reading all of it again. */
import type { Database } from './database';
import type { HistoryEvent } from './history';

const CACHED_COUNT_MAX = 256;

export class HistoryCache {
  readonly #db: Database;
  readonly #texts = new Map<string, string>();

  constructor(db: Database) {
    this.#db = db;
  }

  /** The events of a generation, comma-separated, without brackets; empty before its first turn. */
  get(executionId: string): string {
    const known = this.#texts.get(executionId);
    if (known !== undefined) {
      return known;
    }
    const sql = 'SELECT event FROM history WHERE executionId = ? ORDER BY seq';
    const text = this.#db
      .all<{ event: string }>(sql, executionId)
      .map(({ event }) => event)
      .join(',');
    this.#keep(executionId, text);
    return text;
  }

  /** Call after the events are committed. Returns the length of the history in characters, 0 when it is not held. */
  append(executionId: string, events: readonly HistoryEvent[]): number {
    const known = this.#texts.get(executionId);
    if (known === undefined) {
      return 0;
    }
    const added = events.map((item) => JSON.stringify(item)).join(',');
    const text = known === '' ? added : `${known},${added}`;
    this.#keep(executionId, text);
    return text.length;
  }

  forget(executionId: string): void {
    this.#texts.delete(executionId);
  }

  #keep(executionId: string, text: string): void {
    this.#texts.delete(executionId);
    this.#texts.set(executionId, text);
    if (this.#texts.size > CACHED_COUNT_MAX) {
      const [oldest] = this.#texts.keys();
      if (oldest !== undefined) {
        this.#texts.delete(oldest);
      }
    }
  }
}
