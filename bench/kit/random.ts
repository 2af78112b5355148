/** Repeatable bytes and numbers: the same seed gives the same images on every machine. */
import { createCipheriv, createHash } from 'node:crypto';

/** A stream of bytes that no codec can shrink: AES-CTR over zeros, under a key made of the seed. */
export function seededBytes(seed: string): (count: number) => Buffer {
  const material = createHash('sha256').update(seed).digest();
  const cipher = createCipheriv('aes-128-ctr', material.subarray(0, 16), material.subarray(16, 32));
  return (count) => cipher.update(Buffer.alloc(count));
}

/** Whole numbers in [0, limit), limit up to 2^32. */
export function seededNumbers(seed: string): (limit: number) => number {
  const bytes = seededBytes(seed);
  let pool = bytes(64 * 1024);
  let at = 0;
  return (limit) => {
    if (at === pool.length) {
      pool = bytes(pool.length);
      at = 0;
    }
    const value = pool.readUInt32LE(at);
    at += 4;
    return Math.floor((value / 2 ** 32) * limit);
  };
}
