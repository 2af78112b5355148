/** An image file as the data plane sees a snapshot: bytes, and the ranges that a cloud would list. */
import { open } from 'node:fs/promises';
import type { DiskReader } from '../../shared/dataproxy/ports';
import { type ByteRange, intersect } from '../../shared/model/byte-range';
import type { Image } from '../images/recipe';
import { readExactly } from './folder-store';

export interface MeteredReader extends DiskReader {
  readonly readBytes: () => number;
  close(): Promise<void>;
}

export async function openImageReader(image: Image): Promise<MeteredReader> {
  const handle = await open(image.file, 'r');
  let readBytes = 0;
  const inside = (ranges: readonly ByteRange[], within: ByteRange): ByteRange[] =>
    ranges.flatMap((range) => intersect(range, within) ?? []);
  return {
    sizeBytes: image.bytes,
    allocatedRanges: async (within) => inside(image.data, within),
    changedRanges: async (within) => inside(image.changed, within),
    read: async ({ start, end }, _signal: AbortSignal, into?: Buffer) => {
      readBytes += end - start;
      return await readExactly(handle, start, into ?? Buffer.allocUnsafeSlow(end - start));
    },
    readBytes: () => readBytes,
    close: () => handle.close(),
  };
}
