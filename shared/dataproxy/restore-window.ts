/**
 * One window of a restore point's disk to its target. Work is ordered by pack: each pack's range is read once, its frames
 * are opened and every block is checked against its id before a byte of it is written.
 */
import { boundedMap } from '../base/bounded-map';
import { loadRoot, readLeaves } from '../blockstore/disk-manifest';
import {
  type FrameRead,
  type OpenedPack,
  openPack,
  planFrameReads,
  rawBytesMax,
  rawBytesOf,
  readFrames,
} from '../blockstore/pack-reader';
import { loadRestorePoint } from '../blockstore/points';
import { located } from '../blockstore/repository';
import { requirePending } from '../blockstore/session';
import { roundedBytes } from '../blockstore/shared-buffers';
import { markBegun, readWindowFact, writeWindowFact } from '../blockstore/window-facts';
import type { UnitRef } from '../format/unit-table';
import type { ByteRange } from '../model/byte-range';
import { AppError } from '../model/errors';
import { limits } from '../model/limits';
import type { RestoreTransfer, TransferStats } from '../model/transfer';
import type { WindowContext } from './backup-window';
import { inOrder } from './in-order';
import type { DiskWriter } from './ports';
import { startStats, statsNow, type WindowStats } from './window-stats';

/** Reads under way: while one is fetched and one is written, every thread has one to open. */
const READS_AT_ONCE = 4;
/** Packs whose directories are fetched before it is their turn. */
const PACKS_AHEAD = 3;

/** The most that one window has in its hands: stored bytes of a read, what they unfold to, and one write put together. */
export const restoreBytes = READS_AT_ONCE * (limits.readBytesMax + rawBytesMax + limits.putPageBytesMax);

/** What a window takes from one pack: slot and block of the disk, pairwise, ascending by block. */
interface PackUse {
  readonly unit: UnitRef;
  readonly slots: number[];
  readonly blocks: number[];
}

/** Repeatable: a finished window answers with its fact. Damage is a typed error naming pack, slot, disk and block. */
export async function restoreWindow(
  context: WindowContext,
  transfer: RestoreTransfer,
  openTarget: () => Promise<DiskWriter & { close?(): Promise<void> }>,
  signal: AbortSignal,
): Promise<TransferStats> {
  const { repository, counts } = context;
  const { jobId, lun, window } = transfer;
  const place = { lun, index: window.index };
  const finished = await readWindowFact(repository, jobId, place, signal);
  if (finished) return finished.stats;
  await requirePending(repository, jobId, signal);
  const { uses, zeros } = await planRestore(context, transfer, signal);
  const stats = startStats(window.end - window.start);
  const isFirst = await markBegun(repository, jobId, place, signal);
  const writer = await openTarget();
  try {
    // A fresh target reads as zeros; one that an earlier attempt has touched is not trusted to.
    for (const range of zeros) {
      if (!isFirst) await writer.zero(range, signal);
      stats.zeroBytes += range.end - range.start;
    }
    const restore = { context, transfer, writer, stats, signal };
    await boundedMap(readsOf(restore, uses), READS_AT_ONCE, (read) => restoreRead(restore, read));
    await writer.flush(signal);
  } finally {
    await writer.close?.();
  }
  const now = statsNow(stats, counts);
  const fact = await writeWindowFact(
    repository,
    jobId,
    {
      version: 1,
      kind: 'RESTORE',
      lun,
      index: window.index,
      start: window.start,
      end: window.end,
      diskBytes: transfer.diskBytes,
      stats: { ...now, storeWrites: now.storeWrites + 1 },
      refs: [],
      packs: [],
    },
    signal,
  );
  return fact.stats;
}

async function planRestore(
  context: WindowContext,
  transfer: RestoreTransfer,
  signal: AbortSignal,
): Promise<{ readonly uses: readonly PackUse[]; readonly zeros: readonly ByteRange[] }> {
  const { repository } = context;
  const { window, lun } = transfer;
  const point = await loadRestorePoint(repository, transfer.vmKey, transfer.pointId, signal);
  const disk = point.disks.find((candidate) => candidate.lun === lun);
  if (!disk || disk.sizeBytes !== transfer.diskBytes) {
    throw new AppError(
      'restore.target-invalid',
      `restore point ${point.id} has no disk ${lun} of ${transfer.diskBytes} bytes`,
    );
  }
  const root = await loadRoot(repository, point, disk, signal);
  const uses = new Map<string, PackUse>();
  const zeros: ByteRange[] = [];
  const firstLeaf = Math.floor(window.start / root.leafBytes);
  const leafCount = Math.ceil(window.end / root.leafBytes) - firstLeaf;
  for await (const placed of readLeaves(repository, root, firstLeaf, leafCount, signal)) {
    const leafStart = placed.index * root.leafBytes;
    const leafEnd = Math.min(window.end, leafStart + root.leafBytes);
    if (!placed.leaf) zeros.push({ start: leafStart, end: leafEnd });
    let block = leafStart / root.blockBytes;
    for (const run of placed.leaf?.runs ?? []) {
      const unit = run.data && placed.units[run.data.unit];
      if (!run.data || !unit) {
        zeros.push({ start: block * root.blockBytes, end: Math.min(leafEnd, (block + run.count) * root.blockBytes) });
      } else {
        const use = uses.get(unit.unit) ?? { unit, slots: [], blocks: [] };
        uses.set(unit.unit, use);
        for (let index = 0; index < run.count; index++) {
          use.slots.push(run.data.slot + index);
          use.blocks.push(block + index);
        }
      }
      block += run.count;
    }
  }
  return { uses: [...uses.values()], zeros };
}

interface Restore {
  readonly context: WindowContext;
  readonly transfer: RestoreTransfer;
  readonly writer: DiskWriter;
  readonly stats: WindowStats;
  readonly signal: AbortSignal;
}

interface PackRead {
  readonly use: PackUse;
  readonly pack: OpenedPack;
  readonly read: FrameRead;
}

/** All reads of the window, pack by pack. */
async function* readsOf({ context, transfer, signal }: Restore, uses: readonly PackUse[]): AsyncGenerator<PackRead> {
  const open = async (use: PackUse, inner: AbortSignal): Promise<{ pack: OpenedPack; reads: FrameRead[] }> => {
    try {
      const pack = await openPack(context.repository, use.unit, inner);
      return { pack, reads: planFrameReads(pack, use.slots) };
    } catch (error) {
      throw located(error, placeOf(transfer, use));
    }
  };
  for await (const { item: use, result } of inOrder(uses, PACKS_AHEAD, signal, open)) {
    for (const read of result.reads) yield { use, pack: result.pack, read };
  }
}

async function restoreRead(restore: Restore, { use, pack, read }: PackRead): Promise<void> {
  const { context, transfer, stats, signal } = restore;
  const { repository, pool, memory } = context;
  const stored = memory.buffers.lend(roundedBytes(read.end - read.start));
  const raw = memory.buffers.lend(roundedBytes(rawBytesOf(read)));
  try {
    signal.throwIfAborted();
    const room = { stored: stored.bytes, raw: raw.bytes };
    const opened = await readFrames(repository, pool, pack, read, signal, room);
    const pieces = use.slots.flatMap((slot, index) => {
      const bytes = opened.get(slot);
      return bytes ? [{ block: use.blocks[index] ?? 0, bytes }] : [];
    });
    await writePieces(restore, pieces);
  } catch (error) {
    throw located(error, placeOf(transfer, use));
  } finally {
    stored.release();
    raw.release();
  }
  context.onProgress(statsNow(stats, context.counts));
}

const placeOf = ({ lun }: RestoreTransfer, { blocks }: PackUse) => ({ lun, block: blocks[0] ?? 0 });

/** Neighbours go in one write. `pieces` ascend by block. */
async function writePieces(
  { transfer, writer, stats, signal }: Restore,
  pieces: readonly { readonly block: number; readonly bytes: Buffer }[],
): Promise<void> {
  const { blockBytes } = limits;
  for (let first = 0; first < pieces.length; ) {
    const group: Buffer[] = [];
    const start = pieces[first]?.block ?? 0;
    let length = 0;
    while (pieces[first]?.block === start + group.length && length < limits.putPageBytesMax) {
      const bytes = pieces[first]?.bytes ?? Buffer.alloc(0);
      const expected = Math.min(blockBytes, transfer.diskBytes - (start + group.length) * blockBytes);
      if (bytes.length !== expected) {
        throw new AppError('block.corrupt', `a block of ${bytes.length} bytes stands where ${expected} belong`);
      }
      group.push(bytes);
      length += bytes.length;
      first++;
    }
    await writer.write(start * blockBytes, joined(group), signal);
    stats.readBytes += length;
  }
}

/** Blocks that lie one behind the other in memory, as those of a pack in disk order do, need no copy. */
function joined(group: readonly Buffer[]): Buffer {
  const [first, ...rest] = group;
  if (!first) return Buffer.alloc(0);
  let end = first.byteOffset + first.length;
  for (const bytes of rest) {
    if (bytes.buffer !== first.buffer || bytes.byteOffset !== end) return Buffer.concat(group);
    end += bytes.length;
  }
  return Buffer.from(first.buffer as SharedArrayBuffer, first.byteOffset, end - first.byteOffset);
}
