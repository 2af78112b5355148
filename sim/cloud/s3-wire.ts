/**
 * Stands where the product's S3 client stands: takes the SDK's commands, answers as the SDK does, on a simulated bucket.
 * Everything above it (`S3ObjectStore`, `S3Caller`, retries, deadlines, verdicts on 412) is the product's.
 */
import { crc32 } from 'node:zlib';
import type { FaultKind } from '../kit/faults';
import type { Io } from '../kit/io';
import type { Actor } from '../kit/scheduler';
import { type Bucket, S3Error } from './bucket';

export interface S3WireOptions {
  readonly io: Io;
  readonly actor: Actor;
  readonly buckets: Readonly<Record<string, Bucket>>;
  /** What the role's policy says; throws AccessDenied. */
  readonly authorize: (action: string, bucket: string, key: string) => void;
  /** True while S3 answers nobody. */
  readonly isDown: () => boolean;
}

type Input = Readonly<Record<string, unknown>>;

/** Small pages, so that every list of a run has several. */
const PAGE = 3;

const READ_FAULTS: readonly FaultKind[] = [
  'lost-reply',
  'unreachable',
  'refused',
  'late',
  'slow-reply',
  'expired',
  'short-body',
  'wrong-answer',
  'bit-flip',
];
const LIST_FAULTS: readonly FaultKind[] = [
  'lost-reply',
  'unreachable',
  'refused',
  'slow-reply',
  'expired',
  'wrong-answer',
];
const WRITE_FAULTS: readonly FaultKind[] = [
  'lost-reply',
  'unreachable',
  'refused',
  'late',
  'slow-reply',
  'expired',
  'own-412',
  'conflict-409',
  'lost-reply',
  'own-412',
];

export class S3Wire {
  constructor(private readonly options: S3WireOptions) {}

  send(command: { readonly input: Input }, call: { readonly abortSignal?: AbortSignal } = {}): Promise<unknown> {
    const name = command.constructor.name.replace(/Command$/, '');
    const { input } = command;
    const { io, actor } = this.options;
    const key = String(input['Key'] ?? input['Prefix'] ?? '');
    const bucketName = String(input['Bucket']);
    const isWrite = /^(Put|Delete)/.test(name);
    return io.request({
      actor,
      label: `s3 ${name} ${bucketName} ${key.replace(/^t\/[^/]+\//, '')}`,
      faults: isWrite ? WRITE_FAULTS : name === 'GetObject' ? READ_FAULTS : LIST_FAULTS,
      signal: call.abortSignal,
      failure: failureOf,
      effect: (fault) => {
        if (this.options.isDown()) throw new S3Error('ServiceUnavailable', 503);
        const bucket = this.options.buckets[bucketName];
        if (!bucket) throw new S3Error('NoSuchBucket', 404);
        this.options.authorize(name, bucketName, key);
        return this.answer(name, bucket, key, input, fault);
      },
    });
  }

  private answer(name: string, bucket: Bucket, key: string, input: Input, fault: FaultKind | undefined): unknown {
    switch (name) {
      case 'PutObject':
        return this.put(bucket, key, input, fault);
      case 'GetObject':
        return this.get(bucket, key, input, fault);
      case 'HeadObject': {
        const { body, etag, id } = bucket.get(key, text(input['VersionId']));
        return { ETag: etag, ContentLength: body.length, VersionId: id };
      }
      case 'ListObjectsV2':
        return list(bucket, key, input, fault);
      case 'ListObjectVersions':
        return listVersions(bucket, key, input);
      case 'DeleteObject':
        bucket.delete(key, text(input['VersionId']));
        return {};
      case 'DeleteObjects':
        return deleteMany(bucket, input);
      case 'GetObjectRetention': {
        const { retainUntilMs } = bucket.get(key, text(input['VersionId']));
        if (retainUntilMs === 0) throw new S3Error('NoSuchObjectLockConfiguration', 404);
        return { Retention: { Mode: 'COMPLIANCE', RetainUntilDate: new Date(retainUntilMs) } };
      }
      case 'PutObjectRetention': {
        const wish = input['Retention'] as { readonly RetainUntilDate?: Date } | undefined;
        bucket.retain(key, text(input['VersionId']), wish?.RetainUntilDate?.getTime() ?? 0);
        return {};
      }
      default:
        throw new S3Error('NotImplemented', 501);
    }
  }

  private put(bucket: Bucket, key: string, input: Input, fault: FaultKind | undefined): unknown {
    const condition = { ifNoneMatch: text(input['IfNoneMatch']), ifMatch: text(input['IfMatch']) };
    const body = input['Body'] as Buffer;
    // A buffer that is somebody else's by the time a late request is read: the checksum is of what was meant.
    const sum = Buffer.alloc(4);
    sum.writeUInt32BE(crc32(body));
    if (text(input['ChecksumCRC32']) !== sum.toString('base64')) throw new S3Error('BadDigest', 400);
    const { etag, id } = bucket.put(key, body, condition);
    // The SDK repeats by itself what it got no answer to.
    if (fault === 'own-412' && (condition.ifNoneMatch ?? condition.ifMatch) !== undefined)
      bucket.put(key, body, condition);
    return { ETag: etag, VersionId: id };
  }

  private get(bucket: Bucket, key: string, input: Input, fault: FaultKind | undefined): unknown {
    const { body, etag, id } = bucket.get(key, text(input['VersionId']));
    const range = /^bytes=(\d+)-(\d*)$/.exec(text(input['Range']) ?? '');
    const start = range ? Number(range[1]) : 0;
    if (range && start >= body.length) throw new S3Error('InvalidRange', 416);
    const end = range?.[2] ? Math.min(body.length, Number(range[2]) + 1) : body.length;
    const length = end - start;
    const shift = fault === 'wrong-answer' && range ? 1 : 0;
    let bytes: Buffer = Buffer.from(body.subarray(start, end));
    if (fault === 'short-body') bytes = bytes.subarray(0, Math.floor(length / 2));
    // Of a whole object the SDK checks a checksum; of a range nobody does.
    if (fault === 'bit-flip' && !range) throw new Error('checksum mismatch');
    if (fault === 'bit-flip' && bytes.length > 0) bytes = flipped(bytes, this.options.io.random.int(bytes.length * 8));
    return {
      ETag: etag,
      VersionId: id,
      ContentLength: length,
      ...(range ? { ContentRange: `bytes ${start + shift}-${end - 1 + shift}/${body.length}` } : {}),
      Body: (async function* () {
        yield bytes;
      })(),
    };
  }
}

export function flipped(bytes: Buffer, bit: number): Buffer {
  const copy = Buffer.from(bytes);
  copy[bit >> 3] = (copy[bit >> 3] ?? 0) ^ (1 << (bit & 7));
  return copy;
}

function list(bucket: Bucket, prefix: string, input: Input, fault: FaultKind | undefined): unknown {
  // What a proxy between has been seen to make of it: 200 without a listing.
  if (fault === 'wrong-answer') return {};
  const after = text(input['ContinuationToken'])?.slice('behind:'.length) ?? text(input['StartAfter']) ?? '';
  const max = Math.min(PAGE, Number(input['MaxKeys'] ?? PAGE));
  const found = bucket.list(prefix, after, max + 1);
  const page = found.slice(0, max);
  const truncated = found.length > max;
  return {
    IsTruncated: truncated,
    ...(truncated ? { NextContinuationToken: `behind:${page.at(-1)?.key}` } : {}),
    KeyCount: page.length,
    Contents: page.map(({ key, version }) => ({
      Key: key,
      Size: version.body?.length ?? 0,
      ETag: version.etag,
      LastModified: new Date(version.atMs),
    })),
  };
}

function listVersions(bucket: Bucket, prefix: string, input: Input): unknown {
  const marker = text(input['KeyMarker']);
  const after = marker === undefined ? undefined : { key: marker, versionId: text(input['VersionIdMarker']) ?? '' };
  const found = bucket.listVersions(prefix, after, PAGE + 1);
  const page = found.slice(0, PAGE);
  const last = page.at(-1);
  const entry = ({ key, version, isLatest }: (typeof page)[number]) => ({
    Key: key,
    VersionId: version.id,
    IsLatest: isLatest,
    Size: version.body?.length ?? 0,
    ETag: version.etag,
    LastModified: new Date(version.atMs),
  });
  const truncated = found.length > PAGE;
  return {
    IsTruncated: truncated,
    ...(truncated ? { NextKeyMarker: last?.key, NextVersionIdMarker: last?.version.id } : {}),
    Versions: page.filter(({ version }) => version.body !== undefined).map(entry),
    DeleteMarkers: page.filter(({ version }) => version.body === undefined).map(entry),
  };
}

function deleteMany(bucket: Bucket, input: Input): unknown {
  const wishes =
    (input['Delete'] as { readonly Objects?: readonly { Key?: string; VersionId?: string }[] }).Objects ?? [];
  const failed: { Key: string; VersionId: string | undefined; Code: string }[] = [];
  for (const { Key = '', VersionId } of wishes) {
    try {
      bucket.delete(Key, VersionId);
    } catch (error) {
      failed.push({ Key, VersionId, Code: error instanceof S3Error ? error.name : 'InternalError' });
    }
  }
  return { Errors: failed };
}

function failureOf(fault: FaultKind): Error {
  switch (fault) {
    case 'refused':
      return new S3Error('SlowDown', 503);
    case 'conflict-409':
      return new S3Error('ConditionalRequestConflict', 409);
    case 'expired':
      return new S3Error('ExpiredToken', 400);
    default:
      return Object.assign(new Error('socket hang up'), { code: 'ECONNRESET' });
  }
}

const text = (value: unknown): string | undefined => (typeof value === 'string' ? value : undefined);
