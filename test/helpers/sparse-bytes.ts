/** Bytes of a large, mostly empty disk: chunks of 64 KiB, absent ones are zeros. Copies share chunks until they are written. */
const CHUNK = 64 * 1024;
const zeros = Buffer.alloc(CHUNK);

export class SparseBytes {
  constructor(
    public length: number,
    private readonly chunks = new Map<number, Buffer>(),
  ) {}

  copy(length = this.length): SparseBytes {
    const copy = new SparseBytes(length, new Map(this.chunks));
    for (const [index, chunk] of copy.chunks) {
      const inside = length - index * CHUNK;
      if (inside <= 0) copy.chunks.delete(index);
      else if (inside < CHUNK)
        copy.chunks.set(index, Buffer.concat([chunk.subarray(0, inside), zeros.subarray(inside)]));
    }
    return copy;
  }

  write(offset: number, bytes: Buffer): void {
    if (offset + bytes.length > this.length) throw new Error(`write behind the end: ${offset}+${bytes.length}`);
    for (let done = 0; done < bytes.length; ) {
      const index = Math.floor((offset + done) / CHUNK);
      const at = (offset + done) % CHUNK;
      const part = bytes.subarray(done, done + CHUNK - at);
      const chunk = Buffer.from(this.chunks.get(index) ?? zeros);
      part.copy(chunk, at);
      if (chunk.equals(zeros)) this.chunks.delete(index);
      else this.chunks.set(index, chunk);
      done += part.length;
    }
  }

  read(start: number, end: number): Buffer {
    const bytes = Buffer.from(new ArrayBuffer(end - start));
    for (const index of this.filled(start, end)) {
      const from = Math.max(start, index * CHUNK);
      this.chunks.get(index)?.copy(bytes, from - start, from - index * CHUNK, Math.min(end - index * CHUNK, CHUNK));
    }
    return bytes;
  }

  equals(other: SparseBytes): boolean {
    if (this.length !== other.length) return false;
    for (const index of new Set([...this.chunks.keys(), ...other.chunks.keys()])) {
      if (!(this.chunks.get(index) ?? zeros).equals(other.chunks.get(index) ?? zeros)) return false;
    }
    return true;
  }

  /** Chunks of [start, end) that are not all zeros, in order. */
  filled(start: number, end: number): number[] {
    return [...this.chunks.keys()]
      .filter((index) => index * CHUNK < end && (index + 1) * CHUNK > start)
      .sort((a, b) => a - b);
  }
}

export const chunkBytes = CHUNK;
