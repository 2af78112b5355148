/** Open multipart uploads and their parts. */
import type { ChecksumAlgorithm, ChecksumType } from '../wire/checksums';
import type { Segment } from './data-files';
import { type Database, numberOf, optionalText, type Row, textOf } from './database';
import { algorithmOfRow, checksumTypeOfRow, lockOfRow, type ObjectLock } from './versions';

export interface Upload {
  readonly uploadId: string;
  readonly bucket: string;
  readonly key: string;
  readonly initiatedAt: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly storageClass: string;
  readonly checksumAlgorithm: ChecksumAlgorithm | undefined;
  readonly checksumType: ChecksumType | undefined;
  readonly lock: ObjectLock;
}

export interface UploadedPart {
  readonly number: number;
  readonly etag: string;
  readonly sizeBytes: number;
  readonly file: string;
  readonly modifiedAt: number;
  readonly checksum: { readonly algorithm: ChecksumAlgorithm; readonly value: string } | undefined;
}

export interface Uploads {
  create(upload: Upload): void;
  get(uploadId: string): Upload | undefined;
  /** By key and then by age. */
  list(bucket: string | undefined): readonly Upload[];
  parts(uploadId: string): readonly UploadedPart[];
  /** Returns what the replaced part of this number held. */
  putPart(uploadId: string, part: UploadedPart): readonly Segment[];
  /** Forgets the upload and its parts, not their files. */
  remove(uploadId: string): void;
}

export function uploadsIn(database: Database): Uploads {
  const partsOf = (uploadId: string): readonly UploadedPart[] =>
    database.all('SELECT * FROM parts WHERE upload_id = ? ORDER BY part_number', uploadId).map(partOf);
  return {
    create(upload) {
      database.run(
        `INSERT INTO uploads (upload_id, bucket, key, initiated_at, headers, storage_class, checksum_algorithm,
           checksum_type, lock_mode, lock_until, legal_hold) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
        upload.uploadId,
        upload.bucket,
        upload.key,
        upload.initiatedAt,
        JSON.stringify(upload.headers),
        upload.storageClass,
        upload.checksumAlgorithm ?? null,
        upload.checksumType ?? null,
        upload.lock.mode ?? null,
        upload.lock.untilAt ?? null,
        upload.lock.legalHold ? 1 : 0,
      );
    },
    get(uploadId) {
      const row = database.get('SELECT * FROM uploads WHERE upload_id = ?', uploadId);
      return row === undefined ? undefined : uploadOf(row);
    },
    list(bucket) {
      const rows =
        bucket === undefined
          ? database.all('SELECT * FROM uploads ORDER BY bucket, key, initiated_at')
          : database.all('SELECT * FROM uploads WHERE bucket = ? ORDER BY key, initiated_at', bucket);
      return rows.map(uploadOf);
    },
    parts: partsOf,
    putPart(uploadId, part) {
      const replaced = database.get(
        'SELECT * FROM parts WHERE upload_id = ? AND part_number = ?',
        uploadId,
        part.number,
      );
      database.run(
        'INSERT OR REPLACE INTO parts VALUES (?, ?, ?, ?, ?, ?, ?, ?)',
        uploadId,
        part.number,
        part.etag,
        part.sizeBytes,
        part.file,
        part.modifiedAt,
        part.checksum?.algorithm ?? null,
        part.checksum?.value ?? null,
      );
      return replaced === undefined
        ? []
        : [{ file: textOf(replaced, 'file'), sizeBytes: numberOf(replaced, 'size_bytes') }];
    },
    remove(uploadId) {
      database.run('DELETE FROM parts WHERE upload_id = ?', uploadId);
      database.run('DELETE FROM uploads WHERE upload_id = ?', uploadId);
    },
  };
}

function uploadOf(row: Row): Upload {
  const headers: Record<string, string> = JSON.parse(textOf(row, 'headers'));
  return {
    uploadId: textOf(row, 'upload_id'),
    bucket: textOf(row, 'bucket'),
    key: textOf(row, 'key'),
    initiatedAt: numberOf(row, 'initiated_at'),
    headers,
    storageClass: textOf(row, 'storage_class'),
    checksumAlgorithm: algorithmOfRow(row),
    checksumType: checksumTypeOfRow(row),
    lock: lockOfRow(row),
  };
}

function partOf(row: Row): UploadedPart {
  const algorithm = algorithmOfRow(row);
  const value = optionalText(row, 'checksum_value');
  return {
    number: numberOf(row, 'part_number'),
    etag: textOf(row, 'etag'),
    sizeBytes: numberOf(row, 'size_bytes'),
    file: textOf(row, 'file'),
    modifiedAt: numberOf(row, 'modified_at'),
    checksum: algorithm === undefined || value === undefined ? undefined : { algorithm, value },
  };
}
