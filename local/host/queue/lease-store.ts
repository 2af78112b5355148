/**
 * Remembers which messages this host holds. After `kill -9` they would stay invisible until their lease ends; with the
 * receipts on disk the next start makes them visible at once. (Azure's host cannot do that: there one waits.)
 */
import type { QueueClient } from '@azure/storage-queue';
import type { Database } from '../durable/database';

export class QueueLeaseStore {
  readonly #db: Database;
  readonly #connection: string;
  readonly #queue: string;

  constructor(db: Database, connection: string, queue: string) {
    this.#db = db;
    this.#connection = connection;
    this.#queue = queue;
  }

  hold(messageId: string, popReceipt: string): void {
    const sql = 'INSERT OR REPLACE INTO queueLeases (connection, queue, messageId, popReceipt) VALUES (?, ?, ?, ?)';
    this.#db.run(sql, this.#connection, this.#queue, messageId, popReceipt);
  }

  drop(messageId: string): void {
    const sql = 'DELETE FROM queueLeases WHERE connection = ? AND queue = ? AND messageId = ?';
    this.#db.run(sql, this.#connection, this.#queue, messageId);
  }

  /** Gives back what a killed host held. A receipt that is no longer valid is simply forgotten. */
  async releaseLeftOver(client: QueueClient): Promise<void> {
    const sql = 'SELECT messageId, popReceipt FROM queueLeases WHERE connection = ? AND queue = ?';
    for (const row of this.#db.all<{ messageId: string; popReceipt: string }>(sql, this.#connection, this.#queue)) {
      await client.updateMessage(row.messageId, row.popReceipt, undefined, 0).catch(() => undefined);
      this.drop(row.messageId);
    }
  }
}
