/** A disk of any size that holds no bytes: what is read is made up from the position, out of so many different blocks. */
import type { DiskReader } from '../../shared/dataproxy/ports';
import { type ByteRange, intersect } from '../../shared/model/byte-range';
import { limits } from '../../shared/model/limits';
import { FakeAccess } from './fake-disk';
import { SparseBytes } from './sparse-bytes';

export class SyntheticAccess extends FakeAccess {
  constructor(
    readonly diskBytes: number,
    private readonly allocated: (within: ByteRange) => readonly ByteRange[],
    /** Different blocks on the disk: the others repeat them. */
    private readonly distinct = Number.POSITIVE_INFINITY,
  ) {
    super();
    this.snapshots.set('s1', new SparseBytes(diskBytes));
  }

  override async openSnapshot(): Promise<DiskReader> {
    const list = async (within: ByteRange): Promise<ByteRange[]> =>
      this.allocated(within).flatMap((range) => intersect(range, within) ?? []);
    return {
      sizeBytes: this.diskBytes,
      allocatedRanges: list,
      changedRanges: list,
      read: async (range, signal, into) => {
        signal.throwIfAborted();
        this.reads.push(['s1', range.start, range.end]);
        const bytes = into ?? Buffer.alloc(range.end - range.start);
        const { blockBytes } = limits;
        for (let at = 0; at < bytes.length; at += blockBytes) {
          const block = ((range.start + at) / blockBytes) % this.distinct;
          bytes.fill(block % 251, at, at + blockBytes);
          bytes.writeDoubleLE(block + 1, at);
        }
        return bytes;
      },
    };
  }
}
