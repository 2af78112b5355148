import { createHash } from 'node:crypto';
import { assert } from '../base/assert';
import { type RetryHooks, retry } from '../base/retry';
import type { DiskReader } from '../dataproxy/ports';
import { type ByteRange, rangeLength, splitRange } from '../model/byte-range';
import { AppError, isAppError, retryVerdict } from '../model/errors';
import { limits } from '../model/limits';
import type { AccessTarget } from './access-cache';
import { type BlobHttp, headerOf } from './blob-http';
import type { DataPlane } from './disk-access';
import { BLOB_SERVICE_VERSION, listPageRanges } from './page-ranges';
import { isVhdFooter } from './vhd-footer';

/** The footer behind the disk is checked at opening: without it the export is a VHDX, whose offsets are not disk offsets. */
export async function openSnapshotReader(
  plane: DataPlane,
  request: { readonly snapshotId: string; readonly baseSnapshotId?: string },
): Promise<DiskReader> {
  const snapshot: AccessTarget = { type: 'snapshots', id: request.snapshotId };
  const base: AccessTarget | undefined =
    request.baseSnapshotId === undefined ? undefined : { type: 'snapshots', id: request.baseSnapshotId };
  const never = new AbortController().signal;
  const totalBytes = (await readPart(plane, snapshot, { start: 0, end: limits.pageBytes }, never)).totalBytes;
  const sizeBytes = totalBytes - limits.vhdFooterBytes;
  if (sizeBytes <= 0 || sizeBytes % limits.pageBytes !== 0) {
    throw new AppError('disk.unsupported', `the snapshot's export has ${totalBytes} bytes, which is no VHD`);
  }
  const footer = await readPart(plane, snapshot, { start: sizeBytes, end: totalBytes }, never);
  if (!isVhdFooter(footer.bytes)) {
    throw new AppError('disk.unsupported', 'the snapshot is not exported as a fixed VHD (4096-byte sectors give VHDX)');
  }
  return new SnapshotReader(plane, snapshot, base, sizeBytes);
}

class SnapshotReader implements DiskReader {
  constructor(
    private readonly plane: DataPlane,
    private readonly snapshot: AccessTarget,
    private readonly base: AccessTarget | undefined,
    readonly sizeBytes: number,
  ) {}

  async allocatedRanges(within: ByteRange, signal: AbortSignal): Promise<ByteRange[]> {
    return this.list([this.snapshot], within, signal);
  }

  async changedRanges(within: ByteRange, signal: AbortSignal): Promise<ByteRange[]> {
    if (!this.base) throw new AppError('source.bad-ranges', 'the snapshot was opened without a base to compare with');
    try {
      return await this.list([this.snapshot, this.base], within, signal);
    } catch (error) {
      signal.throwIfAborted();
      // Whatever Azure refuses about a diff (base gone, other family, other size) means: read in full.
      const refused = ['access.denied', 'cloud.rejected', 'snapshot.not-found', 'source.bad-ranges'] as const;
      if (error instanceof AppError && refused.some((code) => code === error.code)) {
        const why = error.message.replace(/^\[[\w.-]+\] /, '');
        throw new AppError('source.bad-ranges', why, { context: { ...error.context, cause: error.code } });
      }
      throw error;
    }
  }

  async read(range: ByteRange, signal: AbortSignal, into?: Buffer): Promise<Buffer> {
    assert(range.start >= 0 && range.end <= this.sizeBytes, `range ${range.start}..${range.end} is not in the disk`);
    const bytes = into ?? Buffer.allocUnsafeSlow(rangeLength(range));
    assert(bytes.length === rangeLength(range), 'a buffer as long as the range');
    const stop = new AbortController();
    const inner = AbortSignal.any([signal, stop.signal]);
    const parts = [...splitRange(range, limits.checkedReadBytesMax)].map(async (part) => {
      const place = bytes.subarray(part.start - range.start, part.end - range.start);
      const totalBytes = await fillPart(this.plane, this.snapshot, part, place, inner);
      if (totalBytes !== this.sizeBytes + limits.vhdFooterBytes) {
        throw new AppError('source.short-read', 'the snapshot has another size than when it was opened');
      }
    });
    try {
      await Promise.all(parts);
    } finally {
      // The buffer may be somebody else's next: nothing writes to it any more when this settles.
      stop.abort();
      await Promise.allSettled(parts);
    }
    return bytes;
  }

  private async list(targets: readonly AccessTarget[], within: ByteRange, signal: AbortSignal): Promise<ByteRange[]> {
    assert(
      within.start >= 0 && within.end <= this.sizeBytes,
      `window ${within.start}..${within.end} is not in the disk`,
    );
    return repeated(this.plane, this.snapshot, signal, () =>
      this.plane.accesses.using(targets, signal, ([url = '', previousUrl]) =>
        listPageRanges(this.plane.http, { url, within, signal, ...(previousUrl === undefined ? {} : { previousUrl }) }),
      ),
    );
  }
}

async function readPart(
  plane: DataPlane,
  target: AccessTarget,
  range: ByteRange,
  signal: AbortSignal,
): Promise<{ readonly bytes: Buffer; readonly totalBytes: number }> {
  const bytes = Buffer.alloc(rangeLength(range));
  return { bytes, totalBytes: await fillPart(plane, target, range, bytes, signal) };
}

/** Resolves the size of the whole export. */
async function fillPart(
  plane: DataPlane,
  target: AccessTarget,
  range: ByteRange,
  into: Buffer,
  signal: AbortSignal,
): Promise<number> {
  return repeated(plane, target, signal, () =>
    plane.accesses.using([target], signal, ([url = '']) => fillChecked(plane, url, range, into, signal)),
  );
}

/** Asks for a checksum until the service says that it does not know this wish. */
async function fillChecked(
  plane: DataPlane,
  url: string,
  range: ByteRange,
  into: Buffer,
  signal: AbortSignal,
): Promise<number> {
  const { checksums } = plane;
  const asked = checksums.offered;
  try {
    return await fillOnce(plane.http, { url, range, asked }, into, signal);
  } catch (error) {
    const refused = isAppError(error, 'cloud.rejected') && error.context['status'] === 400;
    if (!refused || !asked) throw error;
    const total = await fillOnce(plane.http, { url, range, asked: false }, into, signal);
    checksums.offered = false;
    return total;
  }
}

/**
 * Length and Content-Range are both checked: the service's answers were seen short, and from other offsets than asked. Of a
 * range up to 4 MiB the service gives an MD5 when asked (Azure REST: Get Blob, x-ms-range-get-content-md5); nothing later
 * could tell a bit that flipped on the way from one that the guest wrote. A service that gives none is believed.
 */
async function fillOnce(
  http: BlobHttp,
  { url, range, asked }: { readonly url: string; readonly range: ByteRange; readonly asked: boolean },
  into: Buffer,
  signal: AbortSignal,
): Promise<number> {
  const length = rangeLength(range);
  const what = `reading bytes ${range.start}..${range.end} of a snapshot`;
  const headers = {
    'x-ms-version': BLOB_SERVICE_VERSION,
    'x-ms-range': `bytes=${range.start}-${range.end - 1}`,
    ...(asked ? { 'x-ms-range-get-content-md5': 'true' } : {}),
  };
  const request = { what, method: 'GET', url, headers, signal, expect: 206, expectBytes: length } as const;
  return http.stream({ ...request, rejectedAs: 'cloud.rejected' }, async (body, replyHeaders) => {
    const shortRead = (why: string): AppError =>
      new AppError('source.short-read', `${what}: ${why}`, { retryable: true });
    const said = /^bytes (\d{1,16})-(\d{1,16})\/(\d{1,16})$/.exec(headerOf(replyHeaders, 'content-range') ?? '');
    if (!said || Number(said[1]) !== range.start || Number(said[2]) !== range.end - 1) {
      throw shortRead('the answer is for another range');
    }
    const md5 = headerOf(replyHeaders, 'content-md5');
    const hash = md5 === undefined ? undefined : createHash('md5');
    let filled = 0;
    for await (const chunk of body) {
      if (filled + chunk.length > length) throw shortRead('the answer is too long');
      hash?.update(chunk);
      filled += chunk.copy(into, filled);
    }
    if (filled !== length) throw shortRead(`the answer has ${filled} bytes`);
    if (hash && hash.digest('base64') !== md5) throw shortRead('the answer does not have its MD5');
    return Number(said[3]);
  });
}

/** Paced per SAS and repeated as the errors themselves say. */
export async function repeated<Result>(
  plane: DataPlane,
  target: AccessTarget,
  signal: AbortSignal,
  work: () => Promise<Result>,
): Promise<Result> {
  const { clock, random, rule, accesses } = plane;
  const hooks: RetryHooks = { clock, random, signal, verdict: retryVerdict };
  return retry(rule, hooks, () => accesses.paceOf(target).run(signal, isComplaint, work));
}

const isComplaint = (error: unknown): boolean =>
  isAppError(error, 'cloud.throttled') || (error instanceof AppError && error.context['status'] === 503);
