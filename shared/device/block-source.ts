/**
 * A disk that can be read anywhere: what the range endpoint, the NBD server and the file systems stand on. Offsets and lengths
 * are bytes.
 */
import type { ByteRange } from '../model/byte-range';
import { AppError } from '../model/errors';

/** A part of a disk of which it is known without reading whether it is all zeros. */
export interface Extent extends ByteRange {
  readonly zero: boolean;
}

export interface BlockSource {
  readonly sizeBytes: number;
  /** Exactly the bytes [offset, offset + length), which must lie inside. The caller may keep and change them. */
  read(offset: number, length: number, signal?: AbortSignal): Promise<Buffer>;
  /** The range as extents that follow each other without gap, neighbours of one kind joined. Reads no data. */
  extents(range: ByteRange, signal?: AbortSignal): Promise<Extent[]>;
}

/** Of which a device is made that can be written too: a copy-on-write overlay. */
export interface WritableSource extends BlockSource {
  write(offset: number, bytes: Buffer, signal?: AbortSignal): Promise<void>;
  zero(range: ByteRange, signal?: AbortSignal): Promise<void>;
  /** Resolves when all that was written before has reached the medium. */
  flush(signal?: AbortSignal): Promise<void>;
}

/** `request.invalid` for what does not lie inside of the source. */
export function requireInside(source: Pick<BlockSource, 'sizeBytes'>, offset: number, length: number): void {
  const fits = Number.isSafeInteger(offset) && Number.isSafeInteger(length) && offset >= 0 && length >= 0;
  if (fits && offset + length <= source.sizeBytes) return;
  throw new AppError('request.invalid', `bytes ${offset}+${length} do not lie within ${source.sizeBytes}`);
}

/** A part of a source as a source of its own: a partition. */
export function sliceSource(source: BlockSource, range: ByteRange): BlockSource {
  requireInside(source, range.start, range.end - range.start);
  const slice: BlockSource = {
    sizeBytes: range.end - range.start,
    read: async (offset, length, signal) => {
      requireInside(slice, offset, length);
      return source.read(range.start + offset, length, signal);
    },
    extents: async ({ start, end }, signal) => {
      requireInside(slice, start, end - start);
      const found = await source.extents({ start: range.start + start, end: range.start + end }, signal);
      return found.map((extent) => ({ ...extent, start: extent.start - range.start, end: extent.end - range.start }));
    },
  };
  return slice;
}

/** Joins neighbours of one kind. */
export function joinExtents(extents: Iterable<Extent>): Extent[] {
  const joined: Extent[] = [];
  for (const extent of extents) {
    const last = joined.at(-1);
    if (last && last.zero === extent.zero && last.end === extent.start) {
      joined[joined.length - 1] = { ...last, end: extent.end };
    } else if (extent.end > extent.start) {
      joined.push(extent);
    }
  }
  return joined;
}
