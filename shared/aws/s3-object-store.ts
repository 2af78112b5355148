/**
 * `ObjectStore` on one S3 bucket. What has to be known here (all measured, see docs):
 *  - a conditional PUT whose reply was lost comes back as 412 when tried again: 412 means "look, compare, decide";
 *  - 409 ConditionalRequestConflict, ExpiredToken and bodies cut in the middle are repeated by nobody but us;
 *  - a GET that ends early but cleanly, and any ranged GET, is checked by nobody but us.
 */
import { createHash } from 'node:crypto';
import { crc32 } from 'node:zlib';
import type { GetObjectCommandOutput, PutObjectCommandInput } from '@aws-sdk/client-s3';
import { assert } from '../base/assert';
import type { CallOptions, GetOptions, ObjectBody, ObjectStore, StoredObject } from '../blockstore/object-store';
import { AppError, isAppError } from '../model/errors';
import { failureOf } from './aws-error';
import type { S3Caller } from './s3-caller';

export interface S3ObjectStoreOptions {
  readonly caller: S3Caller;
  readonly bucket: string;
  /** Account that must own the bucket: refuses a bucket of the same name in foreign hands. */
  readonly accountId?: string | undefined;
}

export class S3ObjectStore implements ObjectStore {
  private readonly caller: S3Caller;
  private readonly common: { readonly Bucket: string; readonly ExpectedBucketOwner?: string };

  constructor(options: S3ObjectStoreOptions) {
    this.caller = options.caller;
    this.common = {
      Bucket: options.bucket,
      ...(options.accountId ? { ExpectedBucketOwner: options.accountId } : {}),
    };
  }

  async putOnce(
    key: string,
    body: Buffer,
    options: CallOptions = {},
  ): Promise<{ readonly outcome: 'created' | 'exists'; readonly etag: string }> {
    const etag = await this.put(key, body, { IfNoneMatch: '*' }, options);
    return etag === undefined ? this.compare(key, body, options) : { outcome: 'created', etag };
  }

  async replace(
    key: string,
    body: Buffer,
    etag: string,
    options: CallOptions = {},
  ): Promise<{ readonly outcome: 'replaced'; readonly etag: string } | { readonly outcome: 'changed' }> {
    const written = await this.put(key, body, { IfMatch: etag }, options);
    if (written !== undefined) return { outcome: 'replaced', etag: written };
    try {
      const present = await this.get(key, options);
      return present.body.equals(body) ? { outcome: 'replaced', etag: present.etag } : { outcome: 'changed' };
    } catch (error) {
      if (isAppError(error, 'store.not-found')) return { outcome: 'changed' };
      throw error;
    }
  }

  /**
   * S3 answers 404 for a missing key only to callers who may list the whole bucket; ours may list their prefix, and get 403
   * (AWS: GetObject, Permissions). So a refusal is looked into: a key that the list does not show is missing.
   */
  async get(key: string, options: GetOptions = {}): Promise<ObjectBody> {
    try {
      return await this.read(key, options);
    } catch (error) {
      if (!isAppError(error, 'store.denied')) throw error;
      const { objects } = await this.page(key, undefined, options);
      // Listed: refused indeed, or written by somebody between the two looks. A second reading tells.
      if (objects.some((object) => object.key === key)) return await this.read(key, options);
      throw new AppError('store.not-found', `there is no object ${key}`, { context: { object: key } });
    }
  }

  private async read(key: string, options: GetOptions): Promise<ObjectBody> {
    const { start, end, signal, into } = options;
    assert(start === undefined || end === undefined || end > start, 'a range to read has at least one byte');
    const Range = start === undefined && end === undefined ? undefined : rangeHeader(start ?? 0, end);
    const wanted = end === undefined ? undefined : end - (start ?? 0);
    const what = `reading object ${key}`;
    return this.caller.call({ what, bytes: wanted ?? 0, signal }, async ({ sdk, client, abortSignal }) => {
      const command = new sdk.GetObjectCommand({ ...this.common, Key: key, ...(Range ? { Range } : {}) });
      let reply: GetObjectCommandOutput;
      try {
        reply = await client.send(command, { abortSignal });
      } catch (error) {
        if (failureOf(error).status === 416) throw wrongLength(what, false);
        throw error;
      }
      const { ETag: etag, ContentLength: length, ContentRange, Body } = reply;
      if (etag === undefined || length === undefined || Body === undefined) {
        throw new AppError('store.unavailable', `${what}: an answer without etag or length`, { retryable: true });
      }
      if (Range !== undefined && !matches(ContentRange, start ?? 0, length)) throw wrongLength(what, true);
      // An object that is too short for the range stays too short; a body shorter than its length is the network's doing.
      if (wanted !== undefined && length !== wanted) throw wrongLength(what, !endsAtObject(ContentRange));
      const room = into && into.length >= length ? into.subarray(0, length) : Buffer.allocUnsafeSlow(length);
      return { body: await collect(Body as AsyncIterable<Uint8Array>, room, what, abortSignal), etag };
    });
  }

  async *list(prefix: string, options: CallOptions = {}): AsyncIterable<StoredObject> {
    let token: string | undefined;
    do {
      const page = await this.page(prefix, token, options);
      for (const object of page.objects) yield object;
      if (page.next !== undefined && page.next === token) {
        throw new AppError('store.unavailable', `listing ${prefix}: the store repeats a page`, { retryable: true });
      }
      token = page.next;
    } while (token !== undefined);
  }

  private async page(
    prefix: string,
    token: string | undefined,
    options: CallOptions,
  ): Promise<{ readonly objects: readonly StoredObject[]; readonly next: string | undefined }> {
    const what = `listing ${prefix}`;
    return this.caller.call({ what, bytes: 0, signal: options.signal }, async ({ sdk, client, abortSignal }) => {
      const continuation = token === undefined ? {} : { ContinuationToken: token };
      const command = new sdk.ListObjectsV2Command({ ...this.common, Prefix: prefix, ...continuation });
      const reply = await client.send(command, { abortSignal });
      const broken = (why: string): AppError =>
        new AppError('store.unavailable', `${what}: ${why}`, { retryable: true });
      if (reply.IsTruncated === undefined) throw broken('the answer is not a listing'); // e.g. 200 with an empty body
      if (reply.IsTruncated && !reply.NextContinuationToken) throw broken('a page without the mark of the next');
      const objects = (reply.Contents ?? []).map(({ Key: key, Size: sizeBytes, ETag: etag }) => {
        if (key === undefined || sizeBytes === undefined || etag === undefined)
          throw broken('an entry without key or size');
        return { key, sizeBytes, etag };
      });
      return { objects, next: reply.IsTruncated ? reply.NextContinuationToken : undefined };
    });
  }

  /** The new etag, or undefined when the condition did not hold (any more, perhaps because of a try whose reply was lost). */
  private async put(
    key: string,
    body: Buffer,
    condition: Pick<PutObjectCommandInput, 'IfNoneMatch' | 'IfMatch'>,
    options: CallOptions,
  ): Promise<string | undefined> {
    const what = `writing object ${key}`;
    const ChecksumCRC32 = crc32Base64(body); // given here, S3 refuses bytes that changed on the way and the SDK sums nothing
    return this.caller.call(
      { what, bytes: body.length, signal: options.signal },
      async ({ sdk, client, abortSignal }) => {
        const command = new sdk.PutObjectCommand({
          ...this.common,
          ...condition,
          Key: key,
          Body: body,
          ContentLength: body.length,
          ChecksumCRC32,
        });
        try {
          const { ETag: etag } = await client.send(command, { abortSignal });
          if (etag) return etag;
        } catch (error) {
          const { status, name } = failureOf(error);
          if (status === 412) return undefined;
          if (condition.IfMatch !== undefined && status === 404 && name !== 'NoSuchBucket') return undefined;
          throw error;
        }
        throw new AppError('store.unavailable', `${what}: an answer without etag`, { retryable: true });
      },
    );
  }

  /**
   * Is what lies there what was to be written? By LIST first, because a writer may not read packs back: the ETag of a single
   * PUT is the MD5 of its bytes, unless the bucket encrypts with KMS. Then by GET, where the role may.
   */
  private async compare(
    key: string,
    body: Buffer,
    options: CallOptions,
  ): Promise<{ readonly outcome: 'created' | 'exists'; readonly etag: string }> {
    const { objects } = await this.page(key, undefined, options);
    const listed = objects.find((object) => object.key === key);
    if (listed) {
      if (listed.sizeBytes !== body.length) return { outcome: 'exists', etag: listed.etag };
      if (bare(listed.etag) === createHash('md5').update(body).digest('hex')) {
        return { outcome: 'created', etag: listed.etag };
      }
    }
    try {
      const present = await this.read(key, options);
      return { outcome: present.body.equals(body) ? 'created' : 'exists', etag: present.etag };
    } catch (error) {
      if (listed && isAppError(error, 'store.denied')) return { outcome: 'exists', etag: listed.etag };
      throw error;
    }
  }
}

const bare = (etag: string): string => etag.replaceAll('"', '').toLowerCase();

const rangeHeader = (start: number, end: number | undefined): string =>
  end === undefined ? `bytes=${start}-` : `bytes=${start}-${end - 1}`;

const CONTENT_RANGE = /^bytes (\d+)-(\d+)\/(\d+)$/;

function matches(contentRange: string | undefined, start: number, length: number): boolean {
  const said = CONTENT_RANGE.exec(contentRange ?? '');
  return said !== null && Number(said[1]) === start && Number(said[2]) === start + length - 1;
}

function endsAtObject(contentRange: string | undefined): boolean {
  const said = CONTENT_RANGE.exec(contentRange ?? '');
  return said !== null && Number(said[2]) === Number(said[3]) - 1;
}

function wrongLength(what: string, mayPass: boolean): AppError {
  const context = { status: mayPass ? 206 : 416 };
  return new AppError('store.unavailable', `${what}: the answer is not the range asked for`, {
    retryable: true,
    context,
  });
}

async function collect(
  body: AsyncIterable<Uint8Array>,
  bytes: Buffer,
  what: string,
  signal: AbortSignal,
): Promise<Buffer> {
  let filled = 0;
  for await (const chunk of body) {
    // Whoever waits has been told of the end: the room may be somebody else's by now.
    signal.throwIfAborted();
    if (filled + chunk.length > bytes.length) throw wrongLength(what, true);
    bytes.set(chunk, filled);
    filled += chunk.length;
  }
  if (filled !== bytes.length) throw wrongLength(what, true);
  return bytes;
}

function crc32Base64(body: Buffer): string {
  const sum = Buffer.alloc(4);
  sum.writeUInt32BE(crc32(body));
  return sum.toString('base64');
}
