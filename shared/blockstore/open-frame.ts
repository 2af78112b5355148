/** The blocks of the next frame: where they came in or, once that memory is wanted back, in memory of its own. */
import { KIB, limits } from '../model/limits';
import type { Lent, SharedBuffers } from './shared-buffers';

/** A frame's memory: its blocks, and the ids and the tag that come with them when it is stored raw. */
export const frameMemoryBytes = limits.frameBlocks * limits.blockBytes + 16 * KIB;

export class OpenFrame {
  private readonly idsOfBlocks: Buffer[] = [];
  private readonly partsOfIt: Buffer[] = [];
  private own: Lent | undefined;
  private length = 0;

  constructor(private readonly buffers: SharedBuffers) {}

  /** Bytes of its blocks. */
  get rawBytes(): number {
    return this.length;
  }

  get isFull(): boolean {
    const { frameBlocks, blockBytes } = limits;
    return this.idsOfBlocks.length === frameBlocks || this.length < this.idsOfBlocks.length * blockBytes;
  }

  get ids(): Buffer {
    return Buffer.concat(this.idsOfBlocks);
  }

  /** Its blocks, one behind the other; neighbours in memory are one part. */
  get parts(): readonly Buffer[] {
    return this.partsOfIt;
  }

  /** Memory of its own; some of the blocks may lie in it. */
  get memory(): Lent {
    this.own ??= this.buffers.lend(frameMemoryBytes);
    return this.own;
  }

  /** A copy is made of the id, not of the block. */
  add(id: Buffer, block: Buffer): void {
    const { partsOfIt: parts } = this;
    const last = parts.at(-1);
    const follows = last && last.buffer === block.buffer && last.byteOffset + last.length === block.byteOffset;
    if (!follows) parts.push(block);
    else parts[parts.length - 1] = Buffer.from(last.buffer, last.byteOffset, last.length + block.length);
    this.idsOfBlocks.push(Buffer.from(id));
    this.length += block.length;
  }

  /** Afterwards all of its blocks lie in its own memory. */
  moveIn(): void {
    if (this.length === 0) return;
    const { bytes } = this.memory;
    let at = 0;
    for (const part of this.partsOfIt) {
      // Those that have been moved before lie at the beginning already.
      if (part.buffer !== bytes.buffer) part.copy(bytes, at);
      at += part.length;
    }
    this.partsOfIt.splice(0, this.partsOfIt.length, bytes.subarray(0, at));
  }

  discard(): void {
    this.own?.release();
  }
}
