/**
 * The engine's database: one SQLite file, one connection, one writer.
 *
 * WAL with `synchronous = NORMAL`: a commit is in the operating system's hands before it returns, so
 * `kill -9` of the host loses nothing that was committed. Only a crash of the whole machine could lose the
 * last commits (never corrupt the file), and that is no promise of a development host.
 */

import { DatabaseSync, type SQLInputValue, type StatementSync } from 'node:sqlite';
import { messageOf } from '../log';

/** SQL text is fixed by the code, values are always bound. Rows are typed by the caller, who wrote the query. */
export class Database {
  readonly #connection: DatabaseSync;
  readonly #statements = new Map<string, StatementSync>();
  #inTransaction = false;

  /** Throws when the file is not ours or another host has it open. */
  constructor(file: string) {
    this.#connection = new DatabaseSync(file);
    try {
      // Exclusive: two hosts on one file would both run everything. The lock goes with the process, also on kill -9.
      this.#connection.exec('PRAGMA busy_timeout = 2000; PRAGMA locking_mode = EXCLUSIVE;');
      this.#connection.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;');
      this.#connection.exec(SCHEMA);
    } catch (error) {
      this.#connection.close();
      throw new Error(`${file} cannot be opened: ${messageOf(error)}. Does another host use this state folder?`);
    }
  }

  get<Row>(sql: string, ...values: SQLInputValue[]): Row | undefined {
    return this.#prepare(sql).get(...values) as Row | undefined;
  }

  all<Row>(sql: string, ...values: SQLInputValue[]): readonly Row[] {
    return this.#prepare(sql).all(...values) as Row[];
  }

  /** Returns the number of rows changed. */
  run(sql: string, ...values: SQLInputValue[]): number {
    return Number(this.#prepare(sql).run(...values).changes);
  }

  /** All or nothing. Inside another transaction it simply joins that one. */
  transaction<Result>(action: () => Result): Result {
    if (this.#inTransaction) {
      return action();
    }
    this.#connection.exec('BEGIN IMMEDIATE');
    this.#inTransaction = true;
    try {
      const result = action();
      this.#connection.exec('COMMIT');
      return result;
    } catch (error) {
      this.#connection.exec('ROLLBACK');
      throw error;
    } finally {
      this.#inTransaction = false;
    }
  }

  close(): void {
    this.#connection.close();
  }

  #prepare(sql: string): StatementSync {
    const known = this.#statements.get(sql);
    if (known !== undefined) {
      return known;
    }
    const statement = this.#connection.prepare(sql);
    this.#statements.set(sql, statement);
    return statement;
  }
}

/**
 * - instances: one row an orchestration; `executionId` names one generation (start or continue-as-new),
 *   so that whatever arrives for an older generation is recognized as stale.
 * - history: the current generation's events, as the SDK sees them.
 * - inbox: events that arrived and that no turn has consumed yet.
 * - tasks: what a generation waits for: activities (also the work queue), http calls, timers, children.
 *   A row goes away in the transaction that puts its completion into the inbox.
 * - entities, entityInbox: state and waiting operations of entities.
 * - timers, queueLeases: bookkeeping of the timer and queue triggers.
 */
const SCHEMA = `
CREATE TABLE IF NOT EXISTS instances (
  instanceId TEXT PRIMARY KEY, executionId TEXT NOT NULL, name TEXT NOT NULL, version TEXT,
  status TEXT NOT NULL, input TEXT, output TEXT, customStatus TEXT, failureDetails TEXT,
  createdAt TEXT NOT NULL, updatedAt TEXT NOT NULL,
  handled INTEGER NOT NULL DEFAULT 0, digest TEXT NOT NULL DEFAULT '', nextId INTEGER NOT NULL DEFAULT 0,
  turnAtMs INTEGER NOT NULL DEFAULT 0,
  parentId TEXT, parentExecutionId TEXT, parentTaskId INTEGER
) STRICT;
CREATE INDEX IF NOT EXISTS instancesByCreation ON instances (createdAt, instanceId);
CREATE TABLE IF NOT EXISTS history (
  executionId TEXT NOT NULL, seq INTEGER NOT NULL, event TEXT NOT NULL, PRIMARY KEY (executionId, seq)
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS inbox (
  seq INTEGER PRIMARY KEY AUTOINCREMENT, instanceId TEXT NOT NULL, executionId TEXT, event TEXT NOT NULL, retry TEXT
) STRICT;
CREATE INDEX IF NOT EXISTS inboxByInstance ON inbox (instanceId, seq);
CREATE TABLE IF NOT EXISTS tasks (
  executionId TEXT NOT NULL, taskId INTEGER NOT NULL, instanceId TEXT NOT NULL, kind TEXT NOT NULL,
  name TEXT, input TEXT, fireAtMs INTEGER, position INTEGER, childId TEXT, retry TEXT, PRIMARY KEY (executionId, taskId)
) STRICT;
CREATE INDEX IF NOT EXISTS tasksByKind ON tasks (kind, fireAtMs);
CREATE TABLE IF NOT EXISTS entities (
  entityId TEXT PRIMARY KEY, present INTEGER NOT NULL, state TEXT, lockedBy TEXT, updatedAt TEXT NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS entitiesByOwner ON entities (lockedBy) WHERE lockedBy IS NOT NULL;
CREATE TABLE IF NOT EXISTS entityInbox (
  seq INTEGER PRIMARY KEY AUTOINCREMENT, entityId TEXT NOT NULL, kind TEXT NOT NULL, requestId TEXT NOT NULL,
  name TEXT, input TEXT, callerId TEXT, callerExecutionId TEXT, lockSet TEXT
) STRICT;
CREATE INDEX IF NOT EXISTS entityInboxByEntity ON entityInbox (entityId, seq);
CREATE INDEX IF NOT EXISTS entityInboxLocks ON entityInbox (callerExecutionId) WHERE kind = 'lock';
CREATE TABLE IF NOT EXISTS timers (name TEXT PRIMARY KEY, schedule TEXT NOT NULL, lastAt TEXT, nextAt TEXT NOT NULL, updatedAt TEXT NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS queueLeases (
  connection TEXT NOT NULL, queue TEXT NOT NULL, messageId TEXT NOT NULL, popReceipt TEXT NOT NULL,
  PRIMARY KEY (connection, queue, messageId)
) STRICT;
`;
