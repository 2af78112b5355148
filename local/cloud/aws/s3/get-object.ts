/** GetObject and HeadObject. */
import { AwsError } from '../wire/aws-error';
import { isAllowed } from './authorize';
import type { Bucket } from './buckets';
import { header, requireBucket, requireKey, type S3Call, type S3Reply, wholeNumber } from './call';
import { findForRead, READ_OBJECT } from './find-object';
import { objectHeaders } from './object-headers';
import { checkReadCondition } from './preconditions';
import type { ObjectVersion } from './versions';

export function getObject(call: S3Call): S3Reply {
  const reply = readReply(call);
  const overrides = Object.fromEntries(
    call.address.pairs
      .filter(([name]) => name.startsWith('response-'))
      .map(([name, value]) => [name.slice('response-'.length), value]),
  );
  return { ...reply, headers: { ...reply.headers, ...overrides } };
}

/** The same reply; the body is held back because of the method. */
export function headObject(call: S3Call): S3Reply {
  return readReply(call);
}

function readReply(call: S3Call): S3Reply {
  const bucket = requireBucket(call);
  const key = requireKey(call);
  const versionId = call.address.query.get('versionId');
  const version = findForRead(call, { bucket, key, versionId }, [READ_OBJECT]);
  const headers = replyHeaders(call, bucket, version);
  if (checkReadCondition(call, version) === 'not-modified') return { status: 304, headers };
  const range = rangeOf(call, version);
  if (range === undefined) {
    const body = { segments: version.segments, startBytes: 0, endBytes: version.sizeBytes };
    return { status: 200, headers: { ...headers, 'content-length': String(version.sizeBytes) }, body };
  }
  return {
    status: 206,
    headers: {
      // S3 sends no whole-object checksum with a part of it.
      ...withoutChecksum(headers),
      'content-length': String(range.endBytes - range.startBytes),
      'content-range': `bytes ${range.startBytes}-${range.endBytes - 1}/${version.sizeBytes}`,
      ...(range.partCount === undefined ? {} : { 'x-amz-mp-parts-count': String(range.partCount) }),
    },
    body: { segments: version.segments, startBytes: range.startBytes, endBytes: range.endBytes },
  };
}

function replyHeaders(call: S3Call, bucket: Bucket, version: ObjectVersion): Record<string, string> {
  const target = { bucket, key: version.key };
  return objectHeaders(version, {
    versioned: bucket.versioning !== '',
    checksum: header(call, 'x-amz-checksum-mode')?.toUpperCase() === 'ENABLED',
    showLock: bucket.objectLock && isAllowed(call, 's3:GetObjectRetention', target),
  });
}

interface ByteSpan {
  readonly startBytes: number;
  readonly endBytes: number;
  readonly partCount?: number;
}

/** Undefined for the whole object. Throws InvalidRange or InvalidPartNumber. */
function rangeOf(call: S3Call, version: ObjectVersion): ByteSpan | undefined {
  const partText = call.address.query.get('partNumber');
  if (partText !== undefined) return partSpan(version, wholeNumber(partText, 'partNumber', { min: 1, max: 10_000 }));
  // S3 answers a list of ranges, and whatever else it does not understand, with the whole object.
  const match = /^bytes=(\d*)-(\d*)$/.exec(header(call, 'range') ?? '');
  const [, firstText = '', lastText = ''] = match ?? [];
  if (firstText === '' && lastText === '') return undefined;
  const { sizeBytes } = version;
  const startBytes = firstText === '' ? Math.max(0, sizeBytes - Number(lastText)) : Number(firstText);
  const endBytes = firstText === '' || lastText === '' ? sizeBytes : Math.min(sizeBytes, Number(lastText) + 1);
  if (firstText !== '' && lastText !== '' && Number(lastText) < startBytes) return undefined;
  if (startBytes >= sizeBytes || startBytes >= endBytes) {
    throw new AwsError('InvalidRange', 'The requested range is not satisfiable', {
      elements: { RangeRequested: header(call, 'range') ?? '', ActualObjectSize: String(sizeBytes) },
      headers: { 'content-range': `bytes */${sizeBytes}` },
    });
  }
  return { startBytes, endBytes };
}

function partSpan(version: ObjectVersion, wanted: number): ByteSpan | undefined {
  const parts = version.parts;
  if (parts === undefined) {
    if (wanted === 1) return undefined;
    throw new AwsError('InvalidPartNumber', 'The requested partnumber is not satisfiable');
  }
  let startBytes = 0;
  for (const part of parts) {
    if (part.number === wanted) return { startBytes, endBytes: startBytes + part.sizeBytes, partCount: parts.length };
    startBytes += part.sizeBytes;
  }
  throw new AwsError('InvalidPartNumber', 'The requested partnumber is not satisfiable');
}

function withoutChecksum(headers: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).filter(([name]) => !name.startsWith('x-amz-checksum-')));
}
