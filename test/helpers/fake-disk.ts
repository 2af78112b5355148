/** A disk in memory with snapshots, page ranges and diffs, and the access port on top of it. */
import type { DiskAccess, DiskReader, DiskWriter } from '../../shared/dataproxy/ports';
import { type ByteRange, intersect, mergeRanges } from '../../shared/model/byte-range';
import { AppError } from '../../shared/model/errors';

const PAGE = 512;

export class FakeDisk {
  bytes: Buffer;

  constructor(sizeBytes: number) {
    this.bytes = Buffer.alloc(sizeBytes);
  }

  write(offset: number, bytes: Buffer): this {
    bytes.copy(this.bytes, offset);
    return this;
  }

  resize(sizeBytes: number): this {
    const next = Buffer.alloc(sizeBytes);
    this.bytes.copy(next, 0, 0, Math.min(sizeBytes, this.bytes.length));
    this.bytes = next;
    return this;
  }
}

export class FakeAccess implements DiskAccess {
  readonly snapshots = new Map<string, Buffer>();
  readonly uploads = new Map<string, Buffer>();
  /** Ranges that were read, as [snapshot, start, end]. */
  readonly reads: [string, number, number][] = [];
  zeroed = 0;
  /** Changes what the diff says: to lie, or to throw. */
  onChanged: (ranges: ByteRange[]) => ByteRange[] = (ranges) => ranges;

  snapshot(id: string, disk: FakeDisk): string {
    this.snapshots.set(id, Buffer.from(disk.bytes));
    return id;
  }

  get readBytes(): number {
    return this.reads.reduce((sum, [, start, end]) => sum + end - start, 0);
  }

  async openSnapshot(request: { readonly snapshotId: string; readonly baseSnapshotId?: string }): Promise<DiskReader> {
    const bytes = this.snapshots.get(request.snapshotId);
    const base = request.baseSnapshotId === undefined ? undefined : this.snapshots.get(request.baseSnapshotId);
    if (!bytes) throw new AppError('snapshot.not-found', `no snapshot ${request.snapshotId}`);
    return {
      sizeBytes: bytes.length,
      allocatedRanges: async (within) => pages(within, (page) => page.some((byte) => byte !== 0), bytes),
      changedRanges: async (within) => {
        if (!base) throw new AppError('source.bad-ranges', 'no base');
        const changed = pages(within, (page, at) => !page.equals(base.subarray(at, at + page.length)), bytes);
        return this.onChanged(changed);
      },
      read: async (range, signal) => {
        signal.throwIfAborted();
        this.reads.push([request.snapshotId, range.start, range.end]);
        return Buffer.from(new Uint8Array(bytes.subarray(range.start, range.end)).buffer);
      },
    };
  }

  async openUpload(request: { readonly diskId: string; readonly diskBytes: number }): Promise<DiskWriter> {
    const target = this.uploads.get(request.diskId) ?? Buffer.alloc(request.diskBytes);
    this.uploads.set(request.diskId, target);
    return {
      write: async (offset, bytes) => {
        bytes.copy(target, offset);
      },
      zero: async (range) => {
        this.zeroed += range.end - range.start;
        target.fill(0, range.start, range.end);
      },
      flush: async () => undefined,
    };
  }
}

function pages(within: ByteRange, keep: (page: Buffer, at: number) => boolean, bytes: Buffer): ByteRange[] {
  const ranges: ByteRange[] = [];
  for (let at = within.start; at < within.end; at += PAGE) {
    const range = intersect({ start: at, end: at + PAGE }, within);
    if (range && keep(bytes.subarray(at, at + PAGE), at)) ranges.push(range);
  }
  return mergeRanges(ranges);
}

/** Bytes that look random but come from a seed: compressible or not. */
export function noise(seed: number, length: number, compressible = false): Buffer {
  const bytes = Buffer.alloc(length);
  let state = (seed * 2_654_435_761 + 1) >>> 0;
  for (let at = 0; at < length; at++) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    bytes[at] = compressible ? 97 + ((state >>> 24) % 4) : state >>> 24;
  }
  return bytes;
}
