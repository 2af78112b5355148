/** ListObjectsV2 and ListObjectVersions. */
import { AwsError } from '../wire/aws-error';
import { encodeRfc3986 } from '../wire/s3-address';
import { element, textElement, xmlDocument } from '../wire/xml';
import { authorize } from './authorize';
import type { Bucket } from './buckets';
import { requireBucket, S3_NAMESPACE, type S3Call, type S3Reply, wholeNumber } from './call';
import { behind, walkKeys } from './list-walk';
import type { KeyBound, ObjectVersion } from './versions';

const KEYS_MAX = 1000;

interface ListQuery {
  readonly prefix: string;
  readonly delimiter: string | undefined;
  readonly limit: number;
  /** Encodes as the client asked for. */
  readonly show: (text: string) => string;
  readonly encodingType: string | undefined;
}

export function listObjectsV2(call: S3Call): S3Reply {
  const bucket = requireBucket(call);
  const query = listQuery(call, bucket, 's3:ListBucket');
  const startAfter = call.address.query.get('start-after');
  const token = call.address.query.get('continuation-token');
  const { versions } = call.state;
  const start: KeyBound =
    token !== undefined ? { key: keyOfToken(token), inclusive: false } : later(query.prefix, startAfter);
  const result = walkKeys<ObjectVersion, KeyBound>({
    ...query,
    start,
    keyOf: (version) => version.key,
    seekAfterKey: (key) => ({ key, inclusive: false }),
    fetch(from, limit) {
      const items = versions.listCurrent(bucket.name, from, limit);
      const lastKey = items.at(-1)?.key;
      return {
        items,
        next: items.length < limit || lastKey === undefined ? undefined : { key: lastKey, inclusive: false },
      };
    },
  });
  const resumeKey =
    result.last === undefined ? '' : 'item' in result.last ? result.last.item.key : behind(result.last.commonPrefix);
  const xml = xmlDocument(
    'ListBucketResult',
    S3_NAMESPACE,
    textElement('Name', bucket.name),
    textElement('Prefix', query.show(query.prefix)),
    textElement('Delimiter', query.delimiter === undefined ? undefined : query.show(query.delimiter)),
    textElement('StartAfter', startAfter === undefined ? undefined : query.show(startAfter)),
    textElement('ContinuationToken', token),
    textElement('NextContinuationToken', result.isTruncated ? tokenOfKey(resumeKey) : undefined),
    textElement('KeyCount', result.items.length + result.commonPrefixes.length),
    textElement('MaxKeys', query.limit),
    textElement('EncodingType', query.encodingType),
    textElement('IsTruncated', result.isTruncated),
    ...result.items.map((version) => element('Contents', ...objectElements(version, query))),
    ...commonPrefixElements(result.commonPrefixes, query),
  );
  return { status: 200, xml };
}

interface VersionCursor extends KeyBound {
  readonly belowSeq?: number;
}

export function listObjectVersions(call: S3Call): S3Reply {
  const bucket = requireBucket(call);
  const query = listQuery(call, bucket, 's3:ListBucketVersions');
  const keyMarker = call.address.query.get('key-marker');
  const versionMarker = call.address.query.get('version-id-marker');
  if (versionMarker !== undefined && keyMarker === undefined) {
    throw new AwsError('InvalidArgument', 'A version-id marker cannot be specified without a key marker.');
  }
  const { versions } = call.state;
  const result = walkKeys<ObjectVersion, VersionCursor>({
    ...query,
    start: versionStart(call, bucket, query, { keyMarker, versionMarker }),
    keyOf: (version) => version.key,
    seekAfterKey: (key) => ({ key, inclusive: false }),
    fetch(from, limit) {
      const items = versions.listAll(bucket.name, from, limit);
      const last = items.at(-1);
      if (items.length === limit && last !== undefined) {
        return { items, next: { key: last.key, inclusive: false, belowSeq: last.seq } };
      }
      return { items, next: from.belowSeq === undefined ? undefined : { key: from.key, inclusive: false } };
    },
  });
  const { last } = result;
  const nextKey = last === undefined ? undefined : 'item' in last ? last.item.key : last.commonPrefix;
  const nextVersion = last !== undefined && 'item' in last ? last.item.versionId : undefined;
  const xml = xmlDocument(
    'ListVersionsResult',
    S3_NAMESPACE,
    textElement('Name', bucket.name),
    textElement('Prefix', query.show(query.prefix)),
    textElement('KeyMarker', query.show(keyMarker ?? '')),
    textElement('VersionIdMarker', versionMarker ?? ''),
    textElement('NextKeyMarker', result.isTruncated && nextKey !== undefined ? query.show(nextKey) : undefined),
    textElement('NextVersionIdMarker', result.isTruncated ? nextVersion : undefined),
    textElement('MaxKeys', query.limit),
    textElement('Delimiter', query.delimiter === undefined ? undefined : query.show(query.delimiter)),
    textElement('EncodingType', query.encodingType),
    textElement('IsTruncated', result.isTruncated),
    ...result.items.map((version) => versionElement(version, query)),
    ...commonPrefixElements(result.commonPrefixes, query),
  );
  return { status: 200, xml };
}

function versionStart(
  call: S3Call,
  bucket: Bucket,
  query: ListQuery,
  markers: { readonly keyMarker: string | undefined; readonly versionMarker: string | undefined },
): VersionCursor {
  const { keyMarker, versionMarker } = markers;
  if (keyMarker !== undefined && versionMarker !== undefined && versionMarker !== '') {
    const marked = call.state.versions.find(bucket.name, keyMarker, versionMarker);
    if (marked === undefined) throw new AwsError('InvalidArgument', 'Invalid version id specified');
    return { key: keyMarker, inclusive: false, belowSeq: marked.seq };
  }
  const isCommonPrefix = query.delimiter !== undefined && keyMarker?.endsWith(query.delimiter) === true;
  return later(query.prefix, isCommonPrefix && keyMarker !== undefined ? behind(keyMarker) : keyMarker);
}

/** Keys begin at the prefix and come after the marker, whichever is later in byte order. */
function later(prefix: string, marker: string | undefined): KeyBound {
  return marker === undefined || Buffer.compare(Buffer.from(marker), Buffer.from(prefix)) < 0
    ? { key: prefix, inclusive: true }
    : { key: marker, inclusive: false };
}

function listQuery(call: S3Call, bucket: Bucket, action: string): ListQuery {
  const { query } = call.address;
  const prefix = query.get('prefix');
  const delimiter = query.get('delimiter');
  const limitText = query.get('max-keys');
  authorize(call, action, {
    bucket,
    keys: [
      ['s3:prefix', prefix],
      ['s3:delimiter', delimiter],
      ['s3:max-keys', limitText],
    ],
  });
  const encodingType = query.get('encoding-type');
  if (encodingType !== undefined && encodingType !== 'url') {
    throw new AwsError('InvalidArgument', 'Invalid Encoding Method specified in Request');
  }
  const limit = limitText === undefined ? KEYS_MAX : wholeNumber(limitText, 'max-keys', { min: 0, max: 2 ** 31 - 1 });
  return {
    prefix: prefix ?? '',
    delimiter: delimiter === '' ? undefined : delimiter,
    limit: Math.min(limit, KEYS_MAX),
    encodingType,
    show: (text) => (encodingType === 'url' ? encodeRfc3986(text, { keepSlash: true }) : text),
  };
}

function objectElements(version: ObjectVersion, query: ListQuery): readonly string[] {
  return [
    textElement('Key', query.show(version.key)),
    textElement('LastModified', new Date(version.modifiedAt).toISOString()),
    textElement('ETag', `"${version.etag}"`),
    textElement('ChecksumAlgorithm', version.checksum?.algorithm),
    textElement('ChecksumType', version.checksum?.type),
    textElement('Size', version.sizeBytes),
    textElement('StorageClass', version.storageClass),
  ];
}

function versionElement(version: ObjectVersion, query: ListQuery): string {
  const ids = [textElement('VersionId', version.versionId), textElement('IsLatest', version.isCurrent)];
  if (!version.isMarker) return element('Version', ...objectElements(version, query), ...ids);
  return element(
    'DeleteMarker',
    textElement('Key', query.show(version.key)),
    ...ids,
    textElement('LastModified', new Date(version.modifiedAt).toISOString()),
  );
}

function commonPrefixElements(prefixes: readonly string[], query: ListQuery): readonly string[] {
  return prefixes.map((prefix) => element('CommonPrefixes', textElement('Prefix', query.show(prefix))));
}

function tokenOfKey(key: string): string {
  return Buffer.from(`1:${key}`).toString('base64url');
}

function keyOfToken(token: string): string {
  const text = Buffer.from(token, 'base64url').toString('utf8');
  if (!text.startsWith('1:')) throw new AwsError('InvalidArgument', 'The continuation token provided is incorrect');
  return text.slice(2);
}
