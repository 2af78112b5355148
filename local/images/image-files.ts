/** Whole image files: copied without writing zeros, compared byte for byte, changed here and there. */
import { type FileHandle, open } from 'node:fs/promises';
import { makeContent } from './sample-content';

const CHUNK_BYTES = 4 * 1024 * 1024;
const HOLE_BYTES = 64 * 1024;

/** Copies the first `diskBytes` of `source` into a new sparse file. Rejects soon after an abort: large disks take minutes. */
export async function copySparse(
  source: string,
  target: string,
  diskBytes: number,
  signal?: AbortSignal,
): Promise<void> {
  await withFiles([source, 'r'], [target, 'wx'], async (from, to) => {
    await to.truncate(diskBytes);
    const chunk = Buffer.alloc(CHUNK_BYTES);
    const zeros = Buffer.alloc(HOLE_BYTES);
    for (let position = 0; position < diskBytes; position += CHUNK_BYTES) {
      signal?.throwIfAborted();
      const length = Math.min(CHUNK_BYTES, diskBytes - position);
      await readFully(from, chunk.subarray(0, length), position);
      for (let start = 0; start < length; start += HOLE_BYTES) {
        const piece = chunk.subarray(start, Math.min(length, start + HOLE_BYTES));
        if (!piece.equals(zeros.subarray(0, piece.length))) await to.write(piece, 0, piece.length, position + start);
      }
    }
  });
}

/**
 * Position of the first byte that differs within the first `diskBytes`; undefined when there is none. The second file
 * has to be exactly that long; of the first (a VHD may have a footer) more is ignored.
 */
export async function firstDifference(
  original: string,
  restored: string,
  diskBytes: number,
): Promise<number | undefined> {
  return withFiles([original, 'r'], [restored, 'r'], async (a, b) => {
    const restoredBytes = (await b.stat()).size;
    if (restoredBytes !== diskBytes) return Math.min(restoredBytes, diskBytes);
    const left = Buffer.alloc(CHUNK_BYTES);
    const right = Buffer.alloc(CHUNK_BYTES);
    for (let position = 0; position < diskBytes; position += CHUNK_BYTES) {
      const length = Math.min(CHUNK_BYTES, diskBytes - position);
      await readFully(a, left.subarray(0, length), position);
      await readFully(b, right.subarray(0, length), position);
      if (left.compare(right, 0, length, 0, length) === 0) continue;
      for (let index = 0; index < length; index++) if (left[index] !== right[index]) return position + index;
    }
    return undefined;
  });
}

/** Overwrites `count` pieces of 4 KiB, spread evenly. For private copies of images whose inside we do not know. */
export async function scribble(image: string, diskBytes: number, count: number, seed: string): Promise<void> {
  const disk = await open(image, 'r+');
  try {
    const step = Math.floor(diskBytes / count / HOLE_BYTES) * HOLE_BYTES || HOLE_BYTES;
    for (let index = 0; index < count && index * step + HOLE_BYTES <= diskBytes; index++) {
      await disk.write(makeContent('media', `${seed}/${index}`, 4096), 0, 4096, index * step + 8192);
    }
  } finally {
    await disk.close();
  }
}

async function readFully(file: FileHandle, into: Buffer, position: number): Promise<void> {
  for (let done = 0; done < into.length; ) {
    const { bytesRead } = await file.read(into, done, into.length - done, position + done);
    if (bytesRead === 0) throw new Error(`an image ended at ${position + done}`);
    done += bytesRead;
  }
}

type Opening = readonly [file: string, flags: string];

async function withFiles<T>(
  first: Opening,
  second: Opening,
  action: (first: FileHandle, second: FileHandle) => Promise<T>,
): Promise<T> {
  const a = await open(...first);
  try {
    const b = await open(...second);
    try {
      return await action(a, b);
    } finally {
      await b.close();
    }
  } finally {
    await a.close();
  }
}
