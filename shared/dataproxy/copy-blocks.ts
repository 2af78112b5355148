/** The inner loop of a backup: reads in disk order, each block to the zeros, to where it already lies, or into a pack. */
import type { PackWriter } from '../blockstore/pack-writer';
import type { WindowMap } from '../blockstore/window-map';
import { idBytes } from '../format/block-id';
import { type ByteRange, totalLength } from '../model/byte-range';
import { limits, MIB } from '../model/limits';
import type { BackupTransfer } from '../model/transfer';
import type { WindowContext } from './backup-window';
import { inOrder } from './in-order';
import type { DiskReader } from './ports';
import { type HashedRead, readHashed } from './read-hashed';
import type { CheckpointKeeper } from './window-checkpoint';
import { statsNow, type WindowStats } from './window-stats';

/** Reads ahead of the one that is worked on: few large ones, more small ones, which are all waiting for the network. */
const AHEAD_BYTES = 32 * MIB;
const AHEAD_MIN = 4;
const AHEAD_MAX = 16;

function readsAhead(reads: readonly ByteRange[]): number {
  const meanBytes = totalLength(reads) / Math.max(1, reads.length);
  return Math.min(AHEAD_MAX, Math.max(AHEAD_MIN, Math.floor(AHEAD_BYTES / Math.max(1, meanBytes))));
}

export interface CopyWork {
  readonly context: WindowContext;
  readonly transfer: BackupTransfer;
  readonly reader: DiskReader;
  readonly map: WindowMap;
  readonly stats: WindowStats;
  readonly writer: PackWriter;
  readonly keeper: CheckpointKeeper;
}

export async function copyBlocks(work: CopyWork, reads: readonly ByteRange[], signal: AbortSignal): Promise<void> {
  const { context, reader, stats, keeper, writer } = work;
  const givenBack = new Set<Promise<void>>();
  const start = (range: ByteRange, inner: AbortSignal) => readHashed({ ...context, reader }, range, inner);
  const discard = (left: HashedRead): void => left.release();
  try {
    for await (const { item: range, result } of inOrder(reads, readsAhead(reads), signal, start, discard)) {
      try {
        await copyRead(work, range, result);
      } finally {
        // Frames are sealed from where their blocks were read to.
        const back = writer.released().then(() => {
          result.release();
          givenBack.delete(back);
        });
        givenBack.add(back);
      }
      stats.readBytes += range.end - range.start;
      await keeper.passed(range);
      context.onProgress(statsNow(stats, context.counts));
    }
  } finally {
    await Promise.all(givenBack);
  }
}

async function copyRead(work: CopyWork, range: ByteRange, read: HashedRead): Promise<void> {
  const { context, transfer, map, stats, writer } = work;
  const { index } = context.index;
  const { blockBytes } = limits;
  const first = (range.start - transfer.window.start) / blockBytes;
  for (let position = 0; position * blockBytes < read.bytes.length; position++) {
    const bytes = read.bytes.subarray(position * blockBytes, (position + 1) * blockBytes);
    if (read.zero[position] === 1) {
      map.setZero(first + position);
      stats.zeroBytes += bytes.length;
      continue;
    }
    const id = read.ids.subarray(position * idBytes, (position + 1) * idBytes);
    const found = context.index.find(context.repository, id);
    const known = found instanceof Promise ? await found : found;
    const location = known ?? (await writer.add(id, bytes));
    if (known) stats.dedupBytes += bytes.length;
    else stats.newBytes += bytes.length;
    map.set(first + position, index.units.nameOf(location.unit), location.slot);
  }
}
