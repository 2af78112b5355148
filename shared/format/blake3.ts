/**
 * BLAKE3 in keyed mode, in plain TypeScript: what a machine without the native package falls back to, and the second
 * opinion that the tests hold against it. Source: the BLAKE3 specification, section 2 (chunks of 1 KiB, blocks of 64 bytes,
 * a binary tree in which each left subtree is the largest power of two of chunks).
 */
import { assert } from '../base/assert';

const IV = Uint32Array.of(
  0x6a09e667,
  0xbb67ae85,
  0x3c6ef372,
  0xa54ff53a,
  0x510e527f,
  0x9b05688c,
  0x1f83d9ab,
  0x5be0cd19,
);
const PERMUTATION = [2, 6, 3, 10, 7, 0, 4, 13, 1, 11, 12, 5, 9, 14, 15, 8];
/** Word order of each of the seven rounds, flattened. */
const SCHEDULE = Uint8Array.from(schedule());
const CHUNK_START = 1;
const CHUNK_END = 2;
const PARENT = 4;
const ROOT = 8;
const KEYED = 16;
const CHUNK_BYTES = 1024;
const BLOCK_BYTES = 64;

/** 32 bytes of BLAKE3 of `bytes` under a 32-byte key. */
export function blake3Keyed(key: Uint8Array, bytes: Uint8Array): Buffer {
  assert(key.length === 32, 'a BLAKE3 key has 32 bytes');
  const keyWords = new Uint32Array(8);
  readWords(key, 0, 32, keyWords);
  const words = new Uint32Array(16);
  const out = new Uint32Array(16);
  const chunks = Math.max(1, Math.ceil(bytes.length / CHUNK_BYTES));

  const chunk = (index: number, rootFlag: number): Uint32Array => {
    const start = index * CHUNK_BYTES;
    const end = Math.min(bytes.length, start + CHUNK_BYTES);
    const blocks = Math.max(1, Math.ceil((end - start) / BLOCK_BYTES));
    const chaining = Uint32Array.from(keyWords);
    for (let block = 0; block < blocks; block++) {
      const from = start + block * BLOCK_BYTES;
      const length = Math.min(BLOCK_BYTES, end - from);
      readWords(bytes, from, length, words);
      const last = block === blocks - 1;
      const flags = KEYED | (block === 0 ? CHUNK_START : 0) | (last ? CHUNK_END | rootFlag : 0);
      compress(chaining, words, index, length, flags, out);
      chaining.set(out.subarray(0, 8));
    }
    return chaining;
  };

  const subtree = (first: number, count: number, rootFlag: number): Uint32Array => {
    if (count === 1) return chunk(first, rootFlag);
    const leftCount = 2 ** Math.floor(Math.log2(count - 1));
    const left = subtree(first, leftCount, 0);
    const right = subtree(first + leftCount, count - leftCount, 0);
    words.set(left);
    words.set(right, 8);
    compress(keyWords, words, 0, BLOCK_BYTES, KEYED | PARENT | rootFlag, out);
    return Uint32Array.from(out.subarray(0, 8));
  };

  const root = subtree(0, chunks, ROOT);
  const digest = Buffer.alloc(32);
  root.forEach((word, index) => {
    digest.writeUInt32LE(word, index * 4);
  });
  return digest;
}

function compress(
  chaining: Uint32Array,
  words: Uint32Array,
  counter: number,
  length: number,
  flags: number,
  out: Uint32Array,
): void {
  const v = STATE;
  v.set(chaining);
  v.set(IV.subarray(0, 4), 8);
  v[12] = counter;
  v[13] = Math.floor(counter / 2 ** 32);
  v[14] = length;
  v[15] = flags;
  for (let at = 0; at < SCHEDULE.length; at += 16) {
    mix(v, words, 0, 4, 8, 12, at);
    mix(v, words, 1, 5, 9, 13, at + 2);
    mix(v, words, 2, 6, 10, 14, at + 4);
    mix(v, words, 3, 7, 11, 15, at + 6);
    mix(v, words, 0, 5, 10, 15, at + 8);
    mix(v, words, 1, 6, 11, 12, at + 10);
    mix(v, words, 2, 7, 8, 13, at + 12);
    mix(v, words, 3, 4, 9, 14, at + 14);
  }
  for (let index = 0; index < 8; index++) out[index] = (v[index] ?? 0) ^ (v[index + 8] ?? 0);
}

/** Scratch of `compress`, which never yields: one state serves all calls. */
const STATE = new Uint32Array(16);

function mix(v: Uint32Array, words: Uint32Array, a: number, b: number, c: number, d: number, scheduleAt: number): void {
  const x = words[SCHEDULE[scheduleAt] ?? 0] ?? 0;
  const y = words[SCHEDULE[scheduleAt + 1] ?? 0] ?? 0;
  let va = v[a] ?? 0;
  let vb = v[b] ?? 0;
  let vc = v[c] ?? 0;
  let vd = v[d] ?? 0;
  va = (va + vb + x) | 0;
  vd = rotateRight(vd ^ va, 16);
  vc = (vc + vd) | 0;
  vb = rotateRight(vb ^ vc, 12);
  va = (va + vb + y) | 0;
  vd = rotateRight(vd ^ va, 8);
  vc = (vc + vd) | 0;
  vb = rotateRight(vb ^ vc, 7);
  v[a] = va;
  v[b] = vb;
  v[c] = vc;
  v[d] = vd;
}

const rotateRight = (word: number, bits: number): number => (word >>> bits) | (word << (32 - bits));

function readWords(bytes: Uint8Array, start: number, length: number, words: Uint32Array): void {
  words.fill(0);
  for (let index = 0; index < length; index++) {
    words[index >> 2] = (words[index >> 2] ?? 0) | ((bytes[start + index] ?? 0) << ((index & 3) * 8));
  }
}

function schedule(): number[] {
  const rounds: number[] = [];
  let order = Array.from({ length: 16 }, (_, index) => index);
  for (let round = 0; round < 7; round++) {
    rounds.push(...order);
    order = PERMUTATION.map((from) => order[from] ?? 0);
  }
  return rounds;
}
