/**
 * What restore points refer to, as a Bloom filter: two bytes a key, whatever the key. It errs to one side only: a key that was
 * added is always found, so nothing reachable is ever called unreachable; some garbage (one in 1,700 when full, next to none
 * in a small repository) is called reachable and stays until a later cycle, whose filter has another salt.
 */
import { createHash } from 'node:crypto';
import { assert } from '../base/assert';

const BITS_PER_KEY = 16;
const HASHES = 8;
/** Half a million keys: below that the filter is as good as exact. */
const LAYER_BYTES_MIN = 1024 * 1024;
/** 2^31 bits: positions stay within exact 32-bit arithmetic. */
const LAYER_BYTES_MAX = 256 * 1024 * 1024;
/** All layers together. Beyond, keys go into the last layer: more garbage stays, nothing is lost. */
export const reachableBytesMax = 320 * 1024 * 1024;

interface Layer {
  readonly words: Uint32Array;
  readonly capacity: number;
  used: number;
}

export class ReachableSet {
  private readonly layers: Layer[] = [];
  private bytes = 0;
  private added = 0;

  /** `salt`: 16 random bytes. `expected`: how many keys there may be, so that it need not grow. */
  constructor(
    private readonly salt: Buffer,
    expected = 0,
  ) {
    assert(salt.length >= 16, 'a salt has 16 bytes');
    this.addLayer((expected * BITS_PER_KEY) / 8);
  }

  /** Keys added that were not there. */
  get size(): number {
    return this.added;
  }

  get memoryBytes(): number {
    return this.bytes;
  }

  add(key: string): void {
    const [first, step] = this.hashesOf(key);
    if (this.layers.some((layer) => isIn(layer, first, step))) return;
    let layer = this.layers.at(-1);
    assert(layer, 'there is a layer');
    if (layer.used >= layer.capacity && this.bytes < reachableBytesMax)
      layer = this.addLayer(layer.words.byteLength * 2);
    for (let hash = 0; hash < HASHES; hash++) {
      const bit = bitOf(layer, first, step, hash);
      layer.words[bit >>> 5] = (layer.words[bit >>> 5] ?? 0) | (1 << (bit & 31));
    }
    layer.used++;
    this.added++;
  }

  /** Never false for a key that was added. */
  has(key: string): boolean {
    const [first, step] = this.hashesOf(key);
    return this.layers.some((layer) => isIn(layer, first, step));
  }

  private addLayer(wantedBytes: number): Layer {
    let bytes = LAYER_BYTES_MIN;
    const most = Math.min(LAYER_BYTES_MAX, Math.max(LAYER_BYTES_MIN, reachableBytesMax - this.bytes));
    while (bytes < wantedBytes && bytes * 2 <= most) bytes *= 2;
    const layer = { words: new Uint32Array(bytes / 4), capacity: Math.floor((bytes * 8) / BITS_PER_KEY), used: 0 };
    this.layers.push(layer);
    this.bytes += bytes;
    return layer;
  }

  /** Names of packs are random already, and hashing a hundred million of them would take minutes. */
  private hashesOf(key: string): readonly [first: number, step: number] {
    const name = /\/([0-9a-f]{32})$/.exec(key)?.[1];
    const bytes =
      name === undefined || !key.startsWith('u/')
        ? createHash('sha256').update(key).digest()
        : Buffer.from(name, 'hex');
    const first = mix(
      bytes.readUInt32LE(0) ^ this.salt.readUInt32LE(0),
      bytes.readUInt32LE(4) ^ this.salt.readUInt32LE(4),
    );
    const step = mix(
      bytes.readUInt32LE(8) ^ this.salt.readUInt32LE(8),
      bytes.readUInt32LE(12) ^ this.salt.readUInt32LE(12),
    );
    return [first, step | 1];
  }
}

function isIn(layer: Layer, first: number, step: number): boolean {
  for (let hash = 0; hash < HASHES; hash++) {
    const bit = bitOf(layer, first, step, hash);
    if (((layer.words[bit >>> 5] ?? 0) & (1 << (bit & 31))) === 0) return false;
  }
  return true;
}

/** Sizes are powers of two. */
const bitOf = (layer: Layer, first: number, step: number, hash: number): number =>
  ((first + Math.imul(step, hash)) >>> 0) & (layer.words.length * 32 - 1);

/** The finalizer of MurmurHash3 over two words: the salt reaches every bit. */
function mix(a: number, b: number): number {
  let value = Math.imul(a ^ (a >>> 16), 0x85ebca6b) ^ b;
  value = Math.imul(value ^ (value >>> 13), 0xc2b2ae35);
  return (value ^ (value >>> 16)) >>> 0;
}
