/**
 * Object versions. A key has at most one current version, the newest; it may be a delete marker. Callers that
 * check something first (preconditions, locks) do so in the same transaction.
 */
import { type Checksum, type ChecksumAlgorithm, type ChecksumType, parseChecksumAlgorithm } from '../wire/checksums';
import { type LockMode, lockModeOf } from './buckets';
import type { Segment } from './data-files';
import { type Database, numberOf, optionalNumber, optionalText, type Row, textOf } from './database';

export interface ObjectLock {
  readonly mode: LockMode | undefined;
  /** Epoch milliseconds; set together with the mode. */
  readonly untilAt: number | undefined;
  readonly legalHold: boolean;
}

export interface ObjectPart {
  readonly number: number;
  readonly sizeBytes: number;
  readonly checksum: string | undefined;
}

export interface NewVersion {
  readonly bucket: string;
  readonly key: string;
  /** `null` for a bucket without versioning. */
  readonly versionId: string;
  readonly isMarker: boolean;
  readonly sizeBytes: number;
  /** Without quotes. */
  readonly etag: string;
  readonly modifiedAt: number;
  readonly segments: readonly Segment[];
  /** Only for objects from a multipart upload. */
  readonly parts: readonly ObjectPart[] | undefined;
  /** Stored reply headers: content-type and its relatives, x-amz-meta-*. */
  readonly headers: Readonly<Record<string, string>>;
  readonly storageClass: string;
  readonly checksum: Checksum | undefined;
  readonly lock: ObjectLock;
}

export interface ObjectVersion extends NewVersion {
  readonly seq: number;
  readonly isCurrent: boolean;
}

export interface Versions {
  /** The newest version, markers included. */
  current(bucket: string, key: string): ObjectVersion | undefined;
  find(bucket: string, key: string, versionId: string): ObjectVersion | undefined;
  /** Becomes current; replaces a version of the same id and returns what that held. */
  insert(version: NewVersion): readonly Segment[];
  /** The next newest becomes current. */
  remove(version: ObjectVersion): readonly Segment[];
  setLock(version: ObjectVersion, lock: ObjectLock): void;
  /** Current versions that are no markers, in byte order of keys, from `fromKey` on (inclusive when told). */
  listCurrent(bucket: string, from: KeyBound, limit: number): readonly ObjectVersion[];
  /** All versions, by key and then newest first. */
  listAll(bucket: string, from: KeyBound & { readonly belowSeq?: number }, limit: number): readonly ObjectVersion[];
  isKnownFile(file: string): boolean;
}

export interface KeyBound {
  readonly key: string;
  readonly inclusive: boolean;
}

export function versionsIn(database: Database): Versions {
  const one = (sql: string, ...values: readonly string[]): ObjectVersion | undefined => {
    const row = database.get(sql, ...values);
    return row === undefined ? undefined : versionOf(row);
  };
  const removeRow = (version: ObjectVersion): void => {
    database.run('DELETE FROM versions WHERE seq = ?', version.seq);
    database.run(
      `UPDATE versions SET is_current = 1 WHERE seq =
         (SELECT seq FROM versions WHERE bucket = ? AND key = ? ORDER BY seq DESC LIMIT 1)`,
      version.bucket,
      version.key,
    );
  };
  const find = (bucket: string, key: string, versionId: string): ObjectVersion | undefined =>
    one('SELECT * FROM versions WHERE bucket = ? AND key = ? AND version_id = ?', bucket, key, versionId);
  return {
    current: (bucket, key) =>
      one('SELECT * FROM versions WHERE bucket = ? AND key = ? AND is_current = 1', bucket, key),
    find,
    insert(version) {
      const replaced = find(version.bucket, version.key, version.versionId);
      if (replaced !== undefined) removeRow(replaced);
      database.run(
        'UPDATE versions SET is_current = 0 WHERE bucket = ? AND key = ? AND is_current = 1',
        version.bucket,
        version.key,
      );
      insertRow(database, version);
      return replaced?.segments ?? [];
    },
    remove(version) {
      removeRow(version);
      return version.segments;
    },
    setLock(version, lock) {
      database.run(
        'UPDATE versions SET lock_mode = ?, lock_until = ?, legal_hold = ? WHERE seq = ?',
        lock.mode ?? null,
        lock.untilAt ?? null,
        lock.legalHold ? 1 : 0,
        version.seq,
      );
    },
    listCurrent(bucket, from, limit) {
      const sql = `SELECT * FROM versions WHERE bucket = ? AND key ${from.inclusive ? '>=' : '>'} ? AND is_current = 1
        AND is_marker = 0 ORDER BY key LIMIT ?`;
      return database.all(sql, bucket, from.key, limit).map(versionOf);
    },
    listAll(bucket, from, limit) {
      if (from.belowSeq !== undefined) {
        const rest = 'SELECT * FROM versions WHERE bucket = ? AND key = ? AND seq < ? ORDER BY seq DESC LIMIT ?';
        return database.all(rest, bucket, from.key, from.belowSeq, limit).map(versionOf);
      }
      const sql = `SELECT * FROM versions WHERE bucket = ? AND key ${from.inclusive ? '>=' : '>'} ?
        ORDER BY key, seq DESC LIMIT ?`;
      return database.all(sql, bucket, from.key, limit).map(versionOf);
    },
    isKnownFile: knownFiles(database),
  };
}

/** Reads all names once: it serves the clean-up at the start only. */
function knownFiles(database: Database): (file: string) => boolean {
  let names: Set<string> | undefined;
  return (file) => {
    if (names === undefined) {
      const segments = database.all('SELECT segments FROM versions').flatMap((row) => segmentsOf(row));
      const parts = database.all('SELECT file FROM parts').map((row) => textOf(row, 'file'));
      names = new Set([...segments.map((segment) => segment.file), ...parts]);
    }
    return names.has(file);
  };
}

function insertRow(database: Database, version: NewVersion): void {
  database.run(
    `INSERT INTO versions (bucket, key, version_id, is_current, is_marker, size_bytes, etag, modified_at, segments, parts,
       headers, storage_class, checksum_algorithm, checksum_value, checksum_type, lock_mode, lock_until, legal_hold)
     VALUES (?, ?, ?, 1, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    version.bucket,
    version.key,
    version.versionId,
    version.isMarker ? 1 : 0,
    version.sizeBytes,
    version.etag,
    version.modifiedAt,
    JSON.stringify(version.segments),
    version.parts === undefined ? null : JSON.stringify(version.parts),
    JSON.stringify(version.headers),
    version.storageClass,
    version.checksum?.algorithm ?? null,
    version.checksum?.value ?? null,
    version.checksum?.type ?? null,
    version.lock.mode ?? null,
    version.lock.untilAt ?? null,
    version.lock.legalHold ? 1 : 0,
  );
}

function versionOf(row: Row): ObjectVersion {
  const parts = optionalText(row, 'parts');
  const headers: Record<string, string> = JSON.parse(textOf(row, 'headers'));
  return {
    seq: numberOf(row, 'seq'),
    bucket: textOf(row, 'bucket'),
    key: textOf(row, 'key'),
    versionId: textOf(row, 'version_id'),
    isCurrent: numberOf(row, 'is_current') === 1,
    isMarker: numberOf(row, 'is_marker') === 1,
    sizeBytes: numberOf(row, 'size_bytes'),
    etag: textOf(row, 'etag'),
    modifiedAt: numberOf(row, 'modified_at'),
    segments: segmentsOf(row),
    parts: parts === undefined ? undefined : (JSON.parse(parts) as readonly ObjectPart[]),
    headers,
    storageClass: textOf(row, 'storage_class'),
    checksum: checksumOfRow(row),
    lock: lockOfRow(row),
  };
}

function segmentsOf(row: Row): readonly Segment[] {
  const segments: readonly Segment[] = JSON.parse(textOf(row, 'segments'));
  return segments;
}

function checksumOfRow(row: Row): Checksum | undefined {
  const algorithm = algorithmOfRow(row);
  const type = checksumTypeOfRow(row);
  return algorithm === undefined || type === undefined
    ? undefined
    : { algorithm, value: textOf(row, 'checksum_value'), type };
}

export function algorithmOfRow(row: Row): ChecksumAlgorithm | undefined {
  return parseChecksumAlgorithm(textOf(row, 'checksum_algorithm'));
}

export function checksumTypeOfRow(row: Row): ChecksumType | undefined {
  const type = textOf(row, 'checksum_type');
  return type === 'COMPOSITE' || type === 'FULL_OBJECT' ? type : undefined;
}

export function lockOfRow(row: Row): ObjectLock {
  return {
    mode: lockModeOf(optionalText(row, 'lock_mode')),
    untilAt: optionalNumber(row, 'lock_until'),
    legalHold: numberOf(row, 'legal_hold') === 1,
  };
}
