/**
 * The metadata of buckets, object versions and multipart uploads. One commit makes an object visible, after its
 * data file is complete; WAL without a sync per commit survives the death of the process (not of the machine).
 */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync, type SQLInputValue, type SQLOutputValue, type StatementSync } from 'node:sqlite';

export type Row = Readonly<Record<string, SQLOutputValue>>;

export interface Database {
  all(sql: string, ...values: readonly SQLInputValue[]): readonly Row[];
  get(sql: string, ...values: readonly SQLInputValue[]): Row | undefined;
  run(sql: string, ...values: readonly SQLInputValue[]): void;
  /** All or nothing; the function must not await. */
  transaction<Result>(work: () => Result): Result;
  close(): void;
}

const SCHEMA = `
  CREATE TABLE IF NOT EXISTS buckets (
    name TEXT PRIMARY KEY, region TEXT NOT NULL, created_at INTEGER NOT NULL,
    versioning TEXT NOT NULL DEFAULT '', object_lock INTEGER NOT NULL DEFAULT 0,
    lock_mode TEXT, lock_days INTEGER, lock_years INTEGER, policy TEXT, lifecycle TEXT
  ) STRICT;
  CREATE TABLE IF NOT EXISTS versions (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    bucket TEXT NOT NULL, key TEXT NOT NULL, version_id TEXT NOT NULL,
    is_current INTEGER NOT NULL, is_marker INTEGER NOT NULL,
    size_bytes INTEGER NOT NULL, etag TEXT NOT NULL, modified_at INTEGER NOT NULL,
    segments TEXT NOT NULL, parts TEXT, headers TEXT NOT NULL, storage_class TEXT NOT NULL,
    checksum_algorithm TEXT, checksum_value TEXT, checksum_type TEXT,
    lock_mode TEXT, lock_until INTEGER, legal_hold INTEGER NOT NULL DEFAULT 0,
    UNIQUE (bucket, key, version_id)
  ) STRICT;
  CREATE INDEX IF NOT EXISTS versions_by_age ON versions (bucket, key, seq DESC);
  CREATE UNIQUE INDEX IF NOT EXISTS current_versions ON versions (bucket, key) WHERE is_current = 1;
  CREATE TABLE IF NOT EXISTS uploads (
    upload_id TEXT PRIMARY KEY, bucket TEXT NOT NULL, key TEXT NOT NULL, initiated_at INTEGER NOT NULL,
    headers TEXT NOT NULL, storage_class TEXT NOT NULL, checksum_algorithm TEXT, checksum_type TEXT,
    lock_mode TEXT, lock_until INTEGER, legal_hold INTEGER NOT NULL DEFAULT 0
  ) STRICT;
  CREATE INDEX IF NOT EXISTS uploads_by_key ON uploads (bucket, key);
  CREATE TABLE IF NOT EXISTS parts (
    upload_id TEXT NOT NULL, part_number INTEGER NOT NULL, etag TEXT NOT NULL, size_bytes INTEGER NOT NULL,
    file TEXT NOT NULL, modified_at INTEGER NOT NULL, checksum_algorithm TEXT, checksum_value TEXT,
    PRIMARY KEY (upload_id, part_number)
  ) STRICT;
`;

export function openDatabase(directory: string): Database {
  mkdirSync(directory, { recursive: true });
  const connection = new DatabaseSync(join(directory, 's3.sqlite'));
  connection.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA busy_timeout = 5000;');
  connection.exec(SCHEMA);
  const statements = new Map<string, StatementSync>();
  const prepared = (sql: string): StatementSync => {
    const known = statements.get(sql);
    if (known !== undefined) return known;
    const statement = connection.prepare(sql);
    statements.set(sql, statement);
    return statement;
  };
  return {
    all: (sql, ...values) => prepared(sql).all(...values),
    get: (sql, ...values) => prepared(sql).get(...values),
    run: (sql, ...values) => void prepared(sql).run(...values),
    transaction(work) {
      connection.exec('BEGIN IMMEDIATE');
      try {
        const result = work();
        connection.exec('COMMIT');
        return result;
      } catch (error) {
        connection.exec('ROLLBACK');
        throw error;
      }
    },
    close: () => connection.close(),
  };
}

export function textOf(row: Row, column: string): string {
  const value = row[column];
  return typeof value === 'string' ? value : '';
}

export function optionalText(row: Row, column: string): string | undefined {
  const value = row[column];
  return typeof value === 'string' ? value : undefined;
}

export function numberOf(row: Row, column: string): number {
  return Number(row[column] ?? 0);
}

export function optionalNumber(row: Row, column: string): number | undefined {
  const value = row[column];
  return typeof value === 'number' || typeof value === 'bigint' ? Number(value) : undefined;
}
