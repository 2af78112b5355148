/** What the data plane has done for each disk or snapshot; kept on disk, also after the snapshot is gone. */
import type { Database } from '../kit/database';

export const STATS_SCHEMA = `
  CREATE TABLE IF NOT EXISTS transfer_stats (
    target TEXT PRIMARY KEY, read_count INTEGER NOT NULL DEFAULT 0, read_bytes INTEGER NOT NULL DEFAULT 0,
    page_list_count INTEGER NOT NULL DEFAULT 0, diff_count INTEGER NOT NULL DEFAULT 0,
    write_count INTEGER NOT NULL DEFAULT 0, written_bytes INTEGER NOT NULL DEFAULT 0
  ) WITHOUT ROWID;
`;

const COLUMNS = {
  read: ['read_count', 'read_bytes'],
  pageList: ['page_list_count', undefined],
  diff: ['diff_count', undefined],
  write: ['write_count', 'written_bytes'],
} as const;

export interface TransferStats {
  /** Lower-case resource id of the disk, snapshot or disk restore point. */
  readonly target: string;
  readonly readCount: number;
  /** Body bytes of ranged reads that were begun, footer included. */
  readonly readBytes: number;
  readonly pageListCount: number;
  readonly diffCount: number;
  readonly writeCount: number;
  readonly writtenBytes: number;
}

export class TransferStatsStore {
  constructor(private readonly database: Database) {}

  count(target: string, kind: keyof typeof COLUMNS, bytes: number): void {
    const [countColumn, bytesColumn] = COLUMNS[kind];
    this.database.transaction(() => {
      this.database.run('INSERT OR IGNORE INTO transfer_stats (target) VALUES (?)', target);
      this.database.run(`UPDATE transfer_stats SET ${countColumn} = ${countColumn} + 1 WHERE target = ?`, target);
      if (bytesColumn !== undefined) {
        this.database.run(
          `UPDATE transfer_stats SET ${bytesColumn} = ${bytesColumn} + ? WHERE target = ?`,
          bytes,
          target,
        );
      }
    });
  }

  list(): readonly TransferStats[] {
    return this.database.all('SELECT * FROM transfer_stats ORDER BY target').map((row) => ({
      target: String(row['target']),
      readCount: Number(row['read_count']),
      readBytes: Number(row['read_bytes']),
      pageListCount: Number(row['page_list_count']),
      diffCount: Number(row['diff_count']),
      writeCount: Number(row['write_count']),
      writtenBytes: Number(row['written_bytes']),
    }));
  }
}
