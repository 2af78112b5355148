import { createHash } from 'node:crypto';

/**
 * A stream of pseudo-random bytes: the same seed gives the same stream on every machine.
 * It names things and decides on injected faults; keys come from `node:crypto` instead.
 */
export class SeededRandom {
  private counter = 0;
  private pool: Buffer = Buffer.alloc(0);

  constructor(private readonly seed: string) {}

  /** A number in [0, 1) with 48 random bits. */
  next(): number {
    return this.bytes(6).readUIntBE(0, 6) / 2 ** 48;
  }

  bytes(length: number): Buffer {
    const parts: Buffer[] = [];
    let missingBytes = length;
    while (missingBytes > 0) {
      if (this.pool.length === 0) {
        this.pool = createHash('sha256').update(`${this.seed}\n${this.counter}`).digest();
        this.counter += 1;
      }
      const part = this.pool.subarray(0, missingBytes);
      this.pool = this.pool.subarray(part.length);
      missingBytes -= part.length;
      parts.push(part);
    }
    return Buffer.concat(parts);
  }

  /** A version 4 UUID in lower case. */
  uuid(): string {
    const bytes = this.bytes(16);
    bytes.writeUInt8((bytes.readUInt8(6) & 0x0f) | 0x40, 6);
    bytes.writeUInt8((bytes.readUInt8(8) & 0x3f) | 0x80, 8);
    const hex = bytes.toString('hex');
    return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-');
  }
}
