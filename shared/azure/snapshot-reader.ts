import { assert } from '../base/assert';
import { type RetryHooks, retry } from '../base/retry';
import type { DiskReader } from '../dataproxy/ports';
import { type ByteRange, rangeLength } from '../model/byte-range';
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

  async read(range: ByteRange, signal: AbortSignal): Promise<Buffer> {
    assert(range.start >= 0 && range.end <= this.sizeBytes, `range ${range.start}..${range.end} is not in the disk`);
    if (range.end <= range.start) return Buffer.alloc(0);
    const { bytes, totalBytes } = await readPart(this.plane, this.snapshot, range, signal);
    if (totalBytes === this.sizeBytes + limits.vhdFooterBytes) return bytes;
    throw new AppError('source.short-read', 'the snapshot has another size than when it was opened');
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
  return repeated(plane, target, signal, () =>
    plane.accesses.using([target], signal, ([url = '']) => readOnce(plane.http, url, range, signal)),
  );
}

/** Length and Content-Range are both checked: the service's answers were seen short, and from other offsets than asked. */
async function readOnce(
  http: BlobHttp,
  url: string,
  range: ByteRange,
  signal: AbortSignal,
): Promise<{ readonly bytes: Buffer; readonly totalBytes: number }> {
  const length = rangeLength(range);
  const what = `reading bytes ${range.start}..${range.end} of a snapshot`;
  const headers = { 'x-ms-version': BLOB_SERVICE_VERSION, 'x-ms-range': `bytes=${range.start}-${range.end - 1}` };
  const request = { what, method: 'GET', url, headers, signal, expect: 206, expectBytes: length } as const;
  return http.stream({ ...request, rejectedAs: 'cloud.rejected' }, async (body, replyHeaders) => {
    const shortRead = (why: string): AppError =>
      new AppError('source.short-read', `${what}: ${why}`, { retryable: true });
    const said = /^bytes (\d{1,16})-(\d{1,16})\/(\d{1,16})$/.exec(headerOf(replyHeaders, 'content-range') ?? '');
    if (!said || Number(said[1]) !== range.start || Number(said[2]) !== range.end - 1) {
      throw shortRead('the answer is for another range');
    }
    const bytes = Buffer.allocUnsafeSlow(length); // not from the shared pool: workers take it over
    let filled = 0;
    for await (const chunk of body) {
      if (filled + chunk.length > length) throw shortRead('the answer is too long');
      filled += chunk.copy(bytes, filled);
    }
    if (filled !== length) throw shortRead(`the answer has ${filled} bytes`);
    return { bytes, totalBytes: Number(said[3]) };
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
