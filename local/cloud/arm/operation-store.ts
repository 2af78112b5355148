/**
 * Long-running operations. Their effect happens with the request, in its transaction; only the news of it comes later.
 * So an operation in progress is a row with an instant, and goes on by itself after a restart.
 */
import type { Database } from '../kit/database';

export const OPERATION_SCHEMA = `
  CREATE TABLE IF NOT EXISTS operations (
    id TEXT PRIMARY KEY, started_at INTEGER NOT NULL, ready_at INTEGER NOT NULL, result TEXT
  ) WITHOUT ROWID;
`;

/** ARM forgets the result of an operation after about a day. */
const KEPT_MS = 86_400_000;

export interface Operation {
  readonly id: string;
  readonly startedAt: number;
  readonly readyAt: number;
  /** What `Location` answers in the end; undefined is an answer without body. */
  readonly result: unknown;
}

export class OperationStore {
  constructor(private readonly database: Database) {}

  start(operation: Operation): void {
    const { id, startedAt, readyAt, result } = operation;
    this.database.run('DELETE FROM operations WHERE ready_at < ?', startedAt - KEPT_MS);
    const text = result === undefined ? null : JSON.stringify(result);
    this.database.run('INSERT INTO operations VALUES (?, ?, ?, ?)', id, startedAt, readyAt, text);
  }

  get(id: string): Operation | undefined {
    const row = this.database.first('SELECT * FROM operations WHERE id = ?', id);
    if (row === undefined) return undefined;
    const result: unknown = typeof row['result'] === 'string' ? JSON.parse(row['result']) : undefined;
    return { id, startedAt: Number(row['started_at']), readyAt: Number(row['ready_at']), result };
  }
}
