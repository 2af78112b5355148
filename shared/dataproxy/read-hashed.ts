/** One read of a disk into shared memory, with the ids of its blocks: the first step of everything that reads a snapshot. */
import type { HashResult } from '../blockstore/compute-jobs';
import type { ComputePool } from '../blockstore/compute-pool';
import type { Repository } from '../blockstore/repository';
import { type Memory, roundedBytes } from '../blockstore/shared-buffers';
import type { ByteRange } from '../model/byte-range';
import { AppError } from '../model/errors';
import { limits } from '../model/limits';
import type { DiskReader } from './ports';

export interface ReadContext {
  readonly repository: Repository;
  readonly pool: ComputePool;
  readonly memory: Memory;
  readonly reader: DiskReader;
}

export interface HashedRead extends HashResult {
  readonly bytes: Buffer;
  /** Gives the memory back; `bytes` is not to be used afterwards. Must be called, also when the rest is not needed. */
  release(): void;
}

/** Waits until the memory for it is free. */
export async function readHashed(context: ReadContext, range: ByteRange, signal: AbortSignal): Promise<HashedRead> {
  const { memory, reader, pool, repository } = context;
  const length = range.end - range.start;
  const size = roundedBytes(length);
  const giveBack = await memory.reads.take(size, signal);
  const lent = memory.buffers.lend(size);
  const release = (): void => {
    lent.release();
    giveBack();
  };
  try {
    const bytes = lent.bytes.subarray(0, length);
    const read = await reader.read(range, signal, bytes);
    if (read.length !== length) {
      throw new AppError('source.short-read', `the disk gave ${read.length} bytes at ${range.start}, not ${length}`, {
        retryable: true,
      });
    }
    // A reader may have memory of its own.
    if (read.buffer !== bytes.buffer || read.byteOffset !== bytes.byteOffset) read.copy(bytes);
    const { blockBytes } = limits;
    const hashed = await pool.run({ kind: 'hash', idKey: repository.keys.id, bytes, blockBytes });
    return { ...hashed, bytes, release };
  } catch (error) {
    release();
    throw error;
  }
}
