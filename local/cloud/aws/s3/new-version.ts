/** What PutObject, CopyObject and CompleteMultipartUpload share: permission to write, and the commit. */
import { randomBytes } from 'node:crypto';
import { AwsError } from '../wire/aws-error';
import { hasIntegrityHeader } from '../wire/body';
import { checksumHeader } from '../wire/checksums';
import { authorize } from './authorize';
import type { Bucket } from './buckets';
import { header, type S3Call } from './call';
import { defaultLock, lockHeadersOf, lockKeys, NO_LOCK } from './object-lock';
import { checkWriteCondition, conflict, type WriteCondition } from './preconditions';
import type { NewVersion, ObjectLock } from './versions';
import type { ConflictWatch } from './write-conflicts';

export interface WriteTarget {
  readonly bucket: Bucket;
  readonly key: string;
}

/** Throws AccessDenied. `creates` says whether this request itself makes the object visible. */
export function authorizeWrite(
  call: S3Call,
  target: WriteTarget,
  options: { readonly creates: boolean; readonly lock: ObjectLock | undefined },
): void {
  const ifMatch = header(call, 'if-match');
  const { lock } = options;
  const keys: ReadonlyArray<readonly [string, string | undefined]> = [
    ['s3:objectcreationoperation', String(options.creates)],
    ['s3:if-match', ifMatch],
    ['s3:if-none-match', header(call, 'if-none-match')],
    ...(lock === undefined ? [] : lockKeys(lock, call.nowMs)),
  ];
  authorize(call, 's3:PutObject', { ...target, keys });
  if (ifMatch !== undefined) authorize(call, 's3:GetObject', target);
  if (lock?.mode !== undefined) authorize(call, 's3:PutObjectRetention', { ...target, keys });
  if (lock?.legalHold === true) authorize(call, 's3:PutObjectLegalHold', { ...target, keys });
}

/** The lock headers of a write; in a bucket with locks they (or the default) make an integrity header a must. */
export function requestedLock(
  call: S3Call,
  bucket: Bucket,
  options: { readonly needsIntegrity: boolean },
): ObjectLock | undefined {
  const lock = lockHeadersOf(call, bucket);
  const isLocked = lock !== undefined || bucket.defaultRetention !== undefined;
  if (options.needsIntegrity && isLocked && !hasIntegrityHeader(call.request)) {
    throw new AwsError(
      'InvalidRequest',
      'Content-MD5 OR x-amz-checksum- HTTP header is required for Put Object requests with Object Lock parameters',
    );
  }
  return lock;
}

/** An explicit retention replaces the default; a legal hold alone does not. */
export function effectiveLock(bucket: Bucket, lock: ObjectLock | undefined, nowMs: number): ObjectLock {
  if (lock?.mode !== undefined) return lock;
  const fallback = bucket.objectLock ? defaultLock(bucket, nowMs) : NO_LOCK;
  return { ...fallback, legalHold: lock?.legalHold === true };
}

export interface CommitOptions {
  readonly condition: WriteCondition | undefined;
  readonly watch: ConflictWatch | undefined;
  /** Runs in the same transaction. */
  readonly also?: () => void;
}

/** Checks the precondition and makes the version visible, in one transaction; returns its id. */
export function commitVersion(
  call: S3Call,
  bucket: Bucket,
  version: Omit<NewVersion, 'bucket' | 'versionId' | 'modifiedAt' | 'isMarker'>,
  options: CommitOptions,
): string {
  const { database, versions, files, conflicts } = call.state;
  const versionId = bucket.versioning === 'Enabled' ? newVersionId() : 'null';
  const replaced = database.transaction(() => {
    if (options.condition !== undefined) {
      try {
        checkWriteCondition(options.condition, versions.current(bucket.name, version.key));
      } catch (error) {
        throw options.watch?.hasConflict() === true ? conflict() : error;
      }
    }
    options.also?.();
    return versions.insert({
      ...version,
      bucket: bucket.name,
      versionId,
      modifiedAt: call.nowMs,
      isMarker: false,
    });
  });
  conflicts.changed(bucket.name, version.key);
  files.remove(replaced);
  return versionId;
}

export function newVersionId(): string {
  return randomBytes(24).toString('base64url');
}

/** The headers of a successful write. */
export function writtenHeaders(
  bucket: Bucket,
  written: Pick<NewVersion, 'etag' | 'checksum' | 'versionId'>,
): Record<string, string> {
  const headers: Record<string, string> = { etag: `"${written.etag}"`, 'x-amz-server-side-encryption': 'AES256' };
  if (bucket.versioning === 'Enabled') headers['x-amz-version-id'] = written.versionId;
  if (written.checksum !== undefined) {
    headers[checksumHeader(written.checksum.algorithm)] = written.checksum.value;
    headers['x-amz-checksum-type'] = written.checksum.type;
  }
  return headers;
}
