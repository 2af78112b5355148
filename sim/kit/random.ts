/** Numbers from a seed text (sfc32). Streams forked by name do not disturb each other: one more fault changes no operation. */
import { createHash } from 'node:crypto';

export class Random {
  private a: number;
  private b: number;
  private c: number;
  private d = 1;

  constructor(private readonly seed: string) {
    const digest = createHash('sha256').update(seed).digest();
    this.a = digest.readUInt32LE(0);
    this.b = digest.readUInt32LE(4);
    this.c = digest.readUInt32LE(8);
    for (let round = 0; round < 8; round++) this.uint32();
  }

  fork(name: string): Random {
    return new Random(`${this.seed}/${name}`);
  }

  uint32(): number {
    const { a, b, c } = this;
    const sum = (a + b + this.d) | 0;
    this.d = (this.d + 1) | 0;
    this.a = b ^ (b >>> 9);
    this.b = (c + (c << 3)) | 0;
    this.c = (((c << 21) | (c >>> 11)) + sum) | 0;
    return sum >>> 0;
  }

  /** In [0, 1). */
  next(): number {
    return this.uint32() / 2 ** 32;
  }

  /** In [0, count). */
  int(count: number): number {
    return Math.floor(this.next() * count);
  }

  /** In [low, high). */
  between(low: number, high: number): number {
    return low + this.int(high - low);
  }

  chance(probability: number): boolean {
    return this.next() < probability;
  }

  pick<Item>(items: readonly Item[]): Item | undefined {
    return items[this.int(items.length)];
  }

  bytes(count: number): Buffer {
    const bytes = Buffer.alloc(count);
    let at = 0;
    for (; at + 4 <= count; at += 4) bytes.writeUInt32LE(this.uint32(), at);
    for (; at < count; at++) bytes[at] = this.uint32() & 255;
    return bytes;
  }
}
