/**
 * The id of a block: 32 bytes of keyed BLAKE3 of its plaintext under the tenant's id key (decision 0002). Keyed, so that the
 * bucket never holds a plain digest of a customer's block and another tenant's ids are disjoint.
 */
import { assert } from '../base/assert';
import { blake3Keyed } from './blake3';

export const idBytes = 32;

/** Numbers as they stand in headers. 1 (HMAC-SHA-256) is reserved: this version neither writes nor reads it. */
export const idAlgorithms = { blake3Keyed: 2 } as const;

type Hash = (key: Buffer, bytes: Buffer) => Buffer;

/** The native package runs at memory speed; where it does not load, our own slow one gives the same ids. */
const hash: Hash = loadNative() ?? blake3Keyed;

export function blockId(key: Buffer, bytes: Buffer): Buffer {
  assert(key.length === 32, 'the id key has 32 bytes');
  return hash(key, bytes);
}

/** Position of the first block of `raw` whose id is not the one in `ids`; undefined when all match. */
export function firstWrongBlock(key: Buffer, ids: Buffer, raw: Buffer, blockBytes: number): number | undefined {
  for (let index = 0; index * blockBytes < raw.length; index++) {
    const block = raw.subarray(index * blockBytes, (index + 1) * blockBytes);
    if (!blockId(key, block).equals(ids.subarray(index * idBytes, (index + 1) * idBytes))) return index;
  }
  return undefined;
}

const zeros = Buffer.alloc(64 * 1024);

/** Buffer.equals against zeros is the fastest zero test (facts: 27 GB/s). Longer buffers are taken in pieces. */
export function isZero(bytes: Buffer): boolean {
  for (let start = 0; start < bytes.length; start += zeros.length) {
    const piece = bytes.subarray(start, start + zeros.length);
    if (!piece.equals(piece.length === zeros.length ? zeros : zeros.subarray(0, piece.length))) return false;
  }
  return true;
}

function loadNative(): Hash | undefined {
  try {
    const { Blake3Hasher } = require('@napi-rs/blake-hash') as typeof import('@napi-rs/blake-hash');
    return (key, bytes) => Blake3Hasher.newKeyed(key).update(bytes).digestBuffer();
  } catch {
    return undefined;
  }
}
