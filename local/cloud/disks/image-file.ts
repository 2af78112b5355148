/** Disk contents from and to image files: raw images, or fixed VHDs (whose footer is left out). */
import { closeSync, fstatSync, ftruncateSync, openSync, readSync, renameSync, writeSync } from 'node:fs';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { CHUNK_BYTES, PAGE_BYTES } from './pages';
import { FOOTER_BYTES, isFixedVhdFooter } from './vhd-footer';
import type { VolumeStore } from './volume-store';

const MIB = 2 ** 20;
const ZERO_PAGE = Buffer.alloc(PAGE_BYTES);
const ZERO_CHUNK = Buffer.alloc(CHUNK_BYTES);

export interface ImportResult {
  /** Bytes of the 4 KiB pages that differed and now hold data. */
  readonly changedBytes: number;
  /** Bytes of the pages that held data and are zero now. */
  readonly clearedBytes: number;
}

/** The disk size an image makes: its length without a VHD footer, rounded up to whole MiB as Azure's disks are. */
export function imageSizeBytes(file: string): number {
  const image = openSync(file, 'r');
  try {
    return Math.ceil(contentBytes(image, file) / MIB) * MIB;
  } finally {
    closeSync(image);
  }
}

/**
 * Makes a volume's content equal to the image; bytes behind the image's end become zero. Writes only the pages that
 * differ, so that a later snapshot differs from an earlier one in exactly these. An interrupted import can be repeated.
 */
export async function importImage(volumes: VolumeStore, volumeId: string, file: string): Promise<ImportResult> {
  const image = openSync(file, 'r');
  try {
    const lengthBytes = contentBytes(image, file);
    const { sizeBytes } = volumes.get(volumeId);
    if (lengthBytes > sizeBytes) throw new Error(`${file} has ${lengthBytes} bytes, the disk only ${sizeBytes}`);
    const result = { changedBytes: 0, clearedBytes: 0 };
    const buffer = Buffer.allocUnsafe(CHUNK_BYTES);
    for (let start = 0; start < sizeBytes; start += CHUNK_BYTES) {
      const end = Math.min(start + CHUNK_BYTES, sizeBytes);
      const wanted = buffer.subarray(0, end - start);
      const fromImage = Math.max(0, Math.min(end, lengthBytes) - start);
      readFully(image, wanted.subarray(0, fromImage), start);
      wanted.fill(0, fromImage);
      importChunk(volumes, volumeId, start, wanted, result);
      await nextTurn(); // other requests are served in between
    }
    return result;
  } finally {
    closeSync(image);
  }
}

/** Writes the present bytes of a volume (without footer) to a sparse raw image; the file appears when it is whole. */
export async function exportImage(
  volumes: VolumeStore,
  volumeId: string,
  file: string,
): Promise<{ readonly sizeBytes: number }> {
  const volume = volumes.get(volumeId);
  const partial = `${file}.partial`;
  const target = openSync(partial, 'w');
  try {
    ftruncateSync(target, volume.sizeBytes);
    for (const run of volumes.allocated(volume, 0, volume.sizeBytes)) {
      for (let at = run.start; at < run.end; at += CHUNK_BYTES) {
        const bytes = volumes.read(volume, at, Math.min(at + CHUNK_BYTES, run.end));
        if (!bytes.equals(ZERO_CHUNK.subarray(0, bytes.length))) writeFully(target, bytes, at);
        await nextTurn();
      }
    }
  } finally {
    closeSync(target);
  }
  renameSync(partial, file);
  return { sizeBytes: volume.sizeBytes };
}

function importChunk(
  volumes: VolumeStore,
  volumeId: string,
  start: number,
  wanted: Buffer,
  result: { changedBytes: number; clearedBytes: number },
): void {
  const volume = volumes.get(volumeId);
  const chunkEnd = start + wanted.length;
  const isEmpty = volumes.allocated(volume, start, chunkEnd).next().done === true;
  const present = isEmpty ? ZERO_CHUNK.subarray(0, wanted.length) : volumes.read(volume, start, chunkEnd);
  if (present.equals(wanted)) return;
  const kindOf = (at: number): 'same' | 'data' | 'zero' => {
    const page = wanted.subarray(at, at + PAGE_BYTES);
    if (page.equals(present.subarray(at, at + PAGE_BYTES))) return 'same';
    return page.equals(ZERO_PAGE.subarray(0, page.length)) ? 'zero' : 'data';
  };
  for (let at = 0; at < wanted.length; ) {
    const kind = kindOf(at);
    let end = Math.min(at + PAGE_BYTES, wanted.length);
    while (end < wanted.length && kindOf(end) === kind) end = Math.min(end + PAGE_BYTES, wanted.length);
    if (kind === 'data') {
      volumes.write(volumeId, start + at, wanted.subarray(at, end));
      result.changedBytes += end - at;
    } else if (kind === 'zero') {
      volumes.clear(volumeId, start + at, start + end);
      result.clearedBytes += end - at;
    }
    at = end;
  }
}

function contentBytes(image: number, file: string): number {
  const { size } = fstatSync(image);
  if (size === 0) throw new Error(`${file} is empty`);
  if (size % 512 !== 0) throw new Error(`${file}: ${size} bytes are not a whole number of 512-byte sectors`);
  if (size <= FOOTER_BYTES) return size;
  const footer = Buffer.alloc(FOOTER_BYTES);
  readFully(image, footer, size - FOOTER_BYTES);
  return isFixedVhdFooter(footer, size) ? size - FOOTER_BYTES : size;
}

function readFully(file: number, bytes: Buffer, position: number): void {
  let done = 0;
  while (done < bytes.length) {
    const count = readSync(file, bytes, done, bytes.length - done, position + done);
    if (count === 0) throw new Error('the image became shorter while it was read');
    done += count;
  }
}

function writeFully(file: number, bytes: Buffer, position: number): void {
  let done = 0;
  while (done < bytes.length) done += writeSync(file, bytes, done, bytes.length - done, position + done);
}
