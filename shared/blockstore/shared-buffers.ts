/**
 * The buffers of the data path. They are shared memory, so a worker thread works in them where they lie, and they are used
 * again and again: moving fresh ones between threads made the collector stop the main thread for up to 300 ms.
 *
 * Who gives a buffer back must be sure that nothing reads or writes it any more. Should that ever fail, a block no longer
 * matches its id and the pack is refused before it is stored.
 */
import { KIB, limits } from '../model/limits';
import { ByteBudget } from './byte-budget';

export interface Lent {
  /** What is in it is left over from others. */
  readonly bytes: Buffer;
  release(): void;
}

const SIZE_MIN = 64 * KIB;

/** For wishes of all sizes: few sizes find each other again. */
export const roundedBytes = (bytes: number): number =>
  Math.max(SIZE_MIN, 2 ** Math.ceil(Math.log2(Math.max(1, bytes))));

export class SharedBuffers {
  private readonly free = new Map<number, SharedArrayBuffer[]>();
  private keptBytes = 0;
  private lentBytes = 0;

  /** Lent and kept ones together stay below `maxBytes`; lending is bounded by whoever asks. */
  constructor(private readonly maxBytes: number) {}

  lend(size: number): Lent {
    const memory = this.reuse(size) ?? this.make(size);
    this.lentBytes += size;
    let back = false;
    return {
      bytes: Buffer.from(memory),
      release: () => {
        if (back) return;
        back = true;
        this.lentBytes -= size;
        if (this.lentBytes + this.keptBytes + size > this.maxBytes) return;
        this.keptBytes += size;
        const same = this.free.get(size);
        if (same) same.push(memory);
        else this.free.set(size, [memory]);
      },
    };
  }

  private reuse(size: number): SharedArrayBuffer | undefined {
    const memory = this.free.get(size)?.pop();
    if (memory) this.keptBytes -= size;
    return memory;
  }

  private make(size: number): SharedArrayBuffer {
    for (const [other, list] of this.free) {
      while (list.length > 0 && this.lentBytes + this.keptBytes + size > this.maxBytes) {
        list.pop();
        this.keptBytes -= other;
      }
    }
    return new SharedArrayBuffer(size);
  }
}

/** What all windows of a process may use together. A window reserves its packs' part at its start, and each read takes its own. */
export interface Memory {
  readonly reads: ByteBudget;
  readonly windows: ByteBudget;
  readonly buffers: SharedBuffers;
}

export function createMemory(totalBytes: number = limits.memoryBytes): Memory {
  const readBytes = Math.min(limits.readMemoryBytes, Math.floor(totalBytes / 3));
  return {
    reads: new ByteBudget('read memory', readBytes),
    windows: new ByteBudget('window memory', totalBytes - readBytes),
    buffers: new SharedBuffers(totalBytes),
  };
}
