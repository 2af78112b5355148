/** A disk in memory with snapshots, page ranges and diffs, and the access port on top of it. */
import { createHash } from 'node:crypto';
import type { DiskAccess, DiskReader, DiskWriter } from '../../shared/dataproxy/ports';
import type { ByteRange } from '../../shared/model/byte-range';
import { AppError } from '../../shared/model/errors';
import { chunkBytes, SparseBytes } from './sparse-bytes';

const PAGE = 512;

export class FakeDisk {
  bytes: SparseBytes;

  constructor(sizeBytes: number) {
    this.bytes = new SparseBytes(sizeBytes);
  }

  write(offset: number, bytes: Buffer): this {
    this.bytes.write(offset, bytes);
    return this;
  }

  resize(sizeBytes: number): this {
    this.bytes = this.bytes.copy(sizeBytes);
    return this;
  }
}

export class FakeAccess implements DiskAccess {
  readonly snapshots = new Map<string, SparseBytes>();
  readonly uploads = new Map<string, SparseBytes>();
  /** Ranges that were read, as [snapshot, start, end]. */
  readonly reads: [string, number, number][] = [];
  zeroed = 0;
  /** Changes what the diff says: to lie, or to throw. */
  onChanged: (ranges: ByteRange[]) => ByteRange[] = (ranges) => ranges;

  snapshot(id: string, disk: FakeDisk): string {
    this.snapshots.set(id, disk.bytes.copy());
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
      allocatedRanges: async (within) => differingPages(within, bytes, new SparseBytes(bytes.length)),
      changedRanges: async (within) => {
        if (!base) throw new AppError('source.bad-ranges', 'no base');
        return this.onChanged(differingPages(within, bytes, base));
      },
      read: async (range, signal) => {
        signal.throwIfAborted();
        this.reads.push([request.snapshotId, range.start, range.end]);
        return bytes.read(range.start, range.end);
      },
    };
  }

  async openUpload(request: { readonly diskId: string; readonly diskBytes: number }): Promise<DiskWriter> {
    const target = this.uploads.get(request.diskId) ?? new SparseBytes(request.diskBytes);
    this.uploads.set(request.diskId, target);
    return {
      write: async (offset, bytes) => target.write(offset, bytes),
      zero: async (range) => {
        this.zeroed += range.end - range.start;
        for (const index of target.filled(range.start, range.end)) {
          const start = Math.max(range.start, index * chunkBytes);
          target.write(start, Buffer.alloc(Math.min(range.end, (index + 1) * chunkBytes) - start));
        }
      },
      flush: async () => undefined,
    };
  }
}

function differingPages(within: ByteRange, one: SparseBytes, other: SparseBytes): ByteRange[] {
  const ranges: { start: number; end: number }[] = [];
  const chunks = new Set([...one.filled(within.start, within.end), ...other.filled(within.start, within.end)]);
  for (const index of [...chunks].sort((a, b) => a - b)) {
    const from = Math.max(within.start, index * chunkBytes);
    const to = Math.min(within.end, (index + 1) * chunkBytes);
    const [a, b] = [one.read(from, to), other.read(from, to)];
    for (let at = from; at < to; at += PAGE) {
      if (a.subarray(at - from, at - from + PAGE).equals(b.subarray(at - from, at - from + PAGE))) continue;
      const last = ranges.at(-1);
      const end = Math.min(to, at + PAGE);
      if (last && last.end === at) last.end = end;
      else ranges.push({ start: at, end });
    }
  }
  return ranges;
}

/** Bytes that come from a seed and differ everywhere: incompressible, or lines of text. */
export function noise(seed: number, length: number, compressible = false): Buffer {
  if (!compressible) return createHash('shake256', { outputLength: length }).update(`${seed}`).digest();
  const bytes = Buffer.alloc(length);
  for (let at = 0; at < length; at += 4096)
    bytes.fill(`line ${seed}/${at} of a log\n`, at, Math.min(length, at + 4096));
  return bytes;
}
