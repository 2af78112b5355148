import { receiveBody } from '../wire/body';
import { requireBucket, requireKey, type S3Call, type S3Reply } from './call';
import type { IncomingFile } from './data-files';
import {
  authorizeWrite,
  type CommitOptions,
  commitVersion,
  effectiveLock,
  requestedLock,
  type WriteTarget,
  writtenHeaders,
} from './new-version';
import { refuseUnsupportedWriteHeaders, storageClassOf, storedHeadersOf } from './object-headers';
import { checkWriteCondition, writeConditionOf } from './preconditions';
import type { ObjectLock } from './versions';

const OBJECT_BYTES_MAX = 5 * 1024 ** 3;

/** PutObject: the object is visible only when its whole body has arrived and all its checksums are right. */
export async function putObject(call: S3Call): Promise<S3Reply> {
  const bucket = requireBucket(call);
  const target: WriteTarget = { bucket, key: requireKey(call) };
  const lock = requestedLock(call, bucket, { needsIntegrity: true });
  authorizeWrite(call, target, { creates: true, lock });
  refuseUnsupportedWriteHeaders(call);
  const condition = writeConditionOf(call);
  if (condition === undefined) return receiveInto(call, target, lock, { condition, watch: undefined });
  checkWriteCondition(condition, call.state.versions.current(bucket.name, target.key));
  const watch = call.state.conflicts.begin(bucket.name, target.key);
  try {
    return await receiveInto(call, target, lock, { condition, watch });
  } finally {
    watch.end();
  }
}

async function receiveInto(
  call: S3Call,
  target: WriteTarget,
  lock: ObjectLock | undefined,
  options: CommitOptions,
): Promise<S3Reply> {
  const { bucket, key } = target;
  const description = { key, headers: storedHeadersOf(call), storageClass: storageClassOf(call) };
  const data = await receiveFile(call, OBJECT_BYTES_MAX);
  const { md5, checksum, sizeBytes } = data.received;
  const version = {
    ...description,
    sizeBytes,
    etag: md5.toString('hex'),
    segments: sizeBytes === 0 ? [] : [{ file: data.file, sizeBytes }],
    parts: undefined,
    checksum: checksum === undefined ? undefined : { ...checksum, type: 'FULL_OBJECT' as const },
    lock: effectiveLock(bucket, lock, call.nowMs),
  };
  try {
    const versionId = commitVersion(call, bucket, version, options);
    if (sizeBytes === 0) call.state.files.remove([{ file: data.file, sizeBytes }]);
    return { status: 200, headers: writtenHeaders(bucket, { ...version, versionId }) };
  } catch (error) {
    call.state.files.remove([{ file: data.file, sizeBytes }]);
    throw error;
  }
}

/** The request's body in a data file of its own; nothing stays behind on an error. */
export async function receiveFile(
  call: S3Call,
  bytesMax: number,
): Promise<{ readonly file: string; readonly received: Awaited<ReturnType<typeof receiveBody>> }> {
  const incoming: IncomingFile = await call.state.files.receive();
  try {
    const received = await receiveBody(call.request, call.auth.payload, {
      bytesMax,
      onData: (piece) => incoming.write(piece),
    });
    return { file: await incoming.keep(), received };
  } catch (error) {
    await incoming.discard();
    throw error;
  }
}
