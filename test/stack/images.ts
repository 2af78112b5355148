/** Small disks with known content: seeded, with zeros, repetition and noise, so that every path of the product is taken. */
import { createHash } from 'node:crypto';
import { closeSync, fstatSync, ftruncateSync, openSync, readSync, writeSync } from 'node:fs';

export const MIB = 1024 * 1024;
const STRIPE = 256 * 1024;

/** The same bytes for the same seed. */
export function noise(seed: string, bytes: number): Buffer {
  const out = Buffer.alloc(bytes);
  // One digest a kilobyte is enough to be unlike any other block; more would only cost time.
  for (let at = 0; at < bytes; at += 1024) {
    createHash('sha256').update(`${seed}/${at}`).digest().copy(out, at);
  }
  return out;
}

/** A raw image: a third noise, a third repeated text, a third zeros, in stripes. */
export function makeImage(file: string, bytes: number, seed: string): void {
  const text = Buffer.alloc(STRIPE, `the quick brown fox of ${seed.slice(0, 4)} `);
  const handle = openSync(file, 'w');
  try {
    ftruncateSync(handle, bytes);
    for (let at = 0, stripe = 0; at < bytes; at += STRIPE, stripe++) {
      const length = Math.min(STRIPE, bytes - at);
      if (stripe % 3 === 0) writeSync(handle, noise(`${seed}/${stripe}`, length), 0, length, at);
      else if (stripe % 3 === 1) writeSync(handle, text, 0, length, at);
    }
    // The very last page is where off-by-one errors show.
    writeSync(handle, noise(`${seed}/end`, 512), 0, 512, bytes - 512);
  } finally {
    closeSync(handle);
  }
}

/** Overwrites `bytes` at `at` with noise, or with zeros. */
export function changeImage(file: string, at: number, bytes: number, seed: string | 'zeros'): void {
  const handle = openSync(file, 'r+');
  try {
    writeSync(handle, seed === 'zeros' ? Buffer.alloc(bytes) : noise(seed, bytes), 0, bytes, at);
  } finally {
    closeSync(handle);
  }
}

export function growImage(file: string, bytes: number): void {
  const handle = openSync(file, 'r+');
  try {
    ftruncateSync(handle, bytes);
  } finally {
    closeSync(handle);
  }
}

/** Of the whole file: its size and every megabyte that is not zeros. Equal for equal bytes, and quick over the holes of a big one. */
export function digestOfFile(file: string): string {
  const hash = createHash('sha256');
  const chunk = Buffer.alloc(MIB);
  const zeros = Buffer.alloc(MIB);
  const handle = openSync(file, 'r');
  try {
    const { size } = fstatSync(handle);
    hash.update(`${size}`);
    for (let at = 0; at < size; at += MIB) {
      const filled = chunk.subarray(0, readSync(handle, chunk, 0, MIB, at));
      if (!filled.equals(zeros.subarray(0, filled.length))) hash.update(`/${at}/`).update(filled);
    }
  } finally {
    closeSync(handle);
  }
  return hash.digest('hex');
}
