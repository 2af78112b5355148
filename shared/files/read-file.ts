/** The bytes of a file, from where they lie on the volume; what is not stored reads as zeros. */
import type { BlockSource } from '../device/block-source';
import type { ByteRange } from '../model/byte-range';
import { MIB } from '../model/limits';
import { type FileExtent, type FileNode, type FileSystem, fileLimits, unreadable } from './file-system';

const PIECE_BYTES = MIB;

/** All of it is known to be readable before the first byte comes: as far as the file system goes. */
export async function extentsOf(system: FileSystem, file: FileNode, signal?: AbortSignal): Promise<FileExtent[]> {
  const extents: FileExtent[] = [];
  for await (const extent of system.extents(file, signal)) {
    if (extents.length >= fileLimits.extentsMax) throw unreadable(`file ${file.id}`, 'it has too many pieces');
    extents.push(extent);
  }
  return extents;
}

/** `range` of the file, cut to its size. */
export async function* readFile(
  source: BlockSource,
  file: FileNode,
  extents: readonly FileExtent[],
  range: ByteRange = { start: 0, end: file.sizeBytes },
  signal?: AbortSignal,
): AsyncGenerator<Buffer> {
  const end = Math.min(file.sizeBytes, range.end);
  let at = range.start;
  for (const extent of extents) {
    if (extent.end <= at) continue;
    if (extent.start >= end) break;
    if (extent.start > at) yield* zeros(extent.start - at);
    at = Math.max(at, extent.start);
    while (at < Math.min(end, extent.end)) {
      signal?.throwIfAborted();
      const until = Math.min(end, extent.end, at + PIECE_BYTES);
      yield await pieceOf(source, extent, at, until, signal);
      at = until;
    }
  }
  if (at < end) yield* zeros(end - at);
}

async function pieceOf(
  source: BlockSource,
  extent: FileExtent,
  start: number,
  end: number,
  signal?: AbortSignal,
): Promise<Buffer> {
  if (extent.bytes) return extent.bytes.subarray(start - extent.start, end - extent.start);
  if (extent.at === undefined) return Buffer.alloc(end - start);
  const place = extent.at + start - extent.start;
  if (place < 0 || place + end - start > source.sizeBytes) {
    throw unreadable('a file', `it lies at byte ${place} of a volume of ${source.sizeBytes}`);
  }
  return source.read(place, end - start, signal);
}

function* zeros(length: number): Generator<Buffer> {
  for (let left = length; left > 0; left -= PIECE_BYTES) yield Buffer.alloc(Math.min(left, PIECE_BYTES));
}
