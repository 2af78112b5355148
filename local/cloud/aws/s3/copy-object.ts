import { AwsError } from '../wire/aws-error';
import { checksumElement } from '../wire/checksums';
import { textElement, xmlDocument } from '../wire/xml';
import { header, requireBucket, requireKey, S3_NAMESPACE, type S3Call, type S3Reply } from './call';
import type { Segment } from './data-files';
import { findForRead, READ_OBJECT } from './find-object';
import { authorizeWrite, commitVersion, effectiveLock, requestedLock, writtenHeaders } from './new-version';
import { refuseUnsupportedWriteHeaders, storageClassOf, storedHeadersOf } from './object-headers';
import { checkWriteCondition, etagMatches, preconditionFailed, writeConditionOf } from './preconditions';
import type { ObjectVersion } from './versions';

/** CopyObject within the account. The ETag and checksum of the source are kept, as its parts are. */
export async function copyObject(call: S3Call): Promise<S3Reply> {
  const bucket = requireBucket(call);
  const key = requireKey(call);
  const source = findSource(call);
  const lock = requestedLock(call, bucket, { needsIntegrity: false });
  authorizeWrite(call, { bucket, key }, { creates: true, lock });
  refuseUnsupportedWriteHeaders(call);
  const replaces = header(call, 'x-amz-metadata-directive') === 'REPLACE';
  const isSelf = source.bucket === bucket.name && source.key === key;
  if (isSelf && !replaces && header(call, 'x-amz-storage-class') === undefined && source.isCurrent) {
    throw new AwsError(
      'InvalidRequest',
      "This copy request is illegal because it is trying to copy an object to itself without changing the object's metadata, storage class, website redirect location or encryption attributes.",
    );
  }
  const condition = writeConditionOf(call);
  if (condition !== undefined) checkWriteCondition(condition, call.state.versions.current(bucket.name, key));
  const watch = condition === undefined ? undefined : call.state.conflicts.begin(bucket.name, key);
  const segments: Segment[] = [];
  try {
    await copySegments(call, source, segments);
    const version = {
      key,
      headers: replaces ? storedHeadersOf(call) : source.headers,
      storageClass: storageClassOf(call),
      sizeBytes: source.sizeBytes,
      etag: source.etag,
      segments,
      parts: source.parts,
      checksum: source.checksum,
      lock: effectiveLock(bucket, lock, call.nowMs),
    };
    const versionId = commitVersion(call, bucket, version, { condition, watch });
    return {
      status: 200,
      headers: {
        ...writtenHeaders(bucket, { ...version, versionId }),
        ...(source.versionId === 'null' ? {} : { 'x-amz-copy-source-version-id': source.versionId }),
      },
      xml: xmlDocument(
        'CopyObjectResult',
        S3_NAMESPACE,
        textElement('LastModified', new Date(call.nowMs).toISOString()),
        textElement('ETag', `"${version.etag}"`),
        ...(version.checksum === undefined
          ? []
          : [textElement(checksumElement(version.checksum.algorithm), version.checksum.value)]),
      ),
    };
  } catch (error) {
    call.state.files.remove(segments);
    throw error;
  } finally {
    watch?.end();
  }
}

/** Fills `into` as it goes, so that the caller can remove what was copied before an error. */
async function copySegments(call: S3Call, source: ObjectVersion, into: Segment[]): Promise<void> {
  const unpin = call.state.files.pin(source.segments);
  try {
    for (const { file, sizeBytes } of source.segments)
      into.push({ file: await call.state.files.copy(file), sizeBytes });
  } finally {
    unpin();
  }
}

function findSource(call: S3Call): ObjectVersion {
  const text = header(call, 'x-amz-copy-source') ?? '';
  const [path = '', query] = text.split('?versionId=');
  const decoded = decodeSource(path).replace(/^\//, '');
  const slashAt = decoded.indexOf('/');
  const bucket = call.state.buckets.get(decoded.slice(0, Math.max(0, slashAt)));
  if (slashAt < 1 || slashAt === decoded.length - 1) {
    throw new AwsError('InvalidArgument', 'Copy Source must mention the source bucket and key: sourcebucket/sourcekey');
  }
  if (bucket === undefined) throw new AwsError('NoSuchBucket', 'The specified bucket does not exist');
  const owner = header(call, 'x-amz-source-expected-bucket-owner');
  if (owner !== undefined && owner !== call.state.account.accountId)
    throw new AwsError('AccessDenied', 'Access Denied');
  const source = findForRead(call, { bucket, key: decoded.slice(slashAt + 1), versionId: query }, [READ_OBJECT]);
  const ifMatch = header(call, 'x-amz-copy-source-if-match');
  const ifNoneMatch = header(call, 'x-amz-copy-source-if-none-match');
  if (ifMatch !== undefined && !etagMatches(ifMatch, source.etag))
    throw preconditionFailed('x-amz-copy-source-If-Match');
  if (ifNoneMatch !== undefined && etagMatches(ifNoneMatch, source.etag)) {
    throw preconditionFailed('x-amz-copy-source-If-None-Match');
  }
  return source;
}

function decodeSource(path: string): string {
  try {
    return decodeURIComponent(path);
  } catch {
    throw new AwsError('InvalidArgument', 'The copy source is not valid percent-encoding.');
  }
}
