/**
 * One window of a restore point's disk to its target. Work is ordered by pack: each pack's range is read once, its frames
 * are opened and every block is checked against its id before a byte of it is written.
 */
import { boundedMap } from '../base/bounded-map';
import { loadRoot, readLeaves } from '../blockstore/disk-manifest';
import { openPack, planFrameReads, rawBytesMax, rawBytesOf, readFrames } from '../blockstore/pack-reader';
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
import type { DiskWriter } from './ports';
import { startStats, statsNow, type WindowStats } from './window-stats';

const PACKS_AT_ONCE = 3;

/** The most that one window has in its hands: stored bytes of a read, what they unfold to, and one write put together. */
export const restoreBytes = PACKS_AT_ONCE * (limits.readBytesMax + rawBytesMax + limits.putPageBytesMax);

/** What a window takes from one pack: slot and block of the disk, pairwise. */
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
    await boundedMap(uses, PACKS_AT_ONCE, (use) => restorePack(context, transfer, use, writer, stats, signal));
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

async function restorePack(
  context: WindowContext,
  transfer: RestoreTransfer,
  use: PackUse,
  writer: DiskWriter,
  stats: WindowStats,
  signal: AbortSignal,
): Promise<void> {
  const { repository, pool } = context;
  const where = { lun: transfer.lun, block: use.blocks[0] ?? 0 };
  try {
    const pack = await openPack(repository, use.unit, signal);
    const order = use.slots.map((_, index) => index).sort((a, b) => (use.blocks[a] ?? 0) - (use.blocks[b] ?? 0));
    for (const read of planFrameReads(pack, use.slots)) {
      signal.throwIfAborted();
      const lent = context.memory.buffers.lend(roundedBytes(rawBytesOf(read)));
      try {
        const opened = await readFrames(repository, pool, pack, read, signal, lent.bytes);
        const pieces = order.flatMap((index) => {
          const bytes = opened.get(use.slots[index] ?? -1);
          return bytes ? [{ block: use.blocks[index] ?? 0, bytes }] : [];
        });
        await writePieces(transfer, pieces, writer, stats, signal);
      } finally {
        lent.release();
      }
      context.onProgress(statsNow(stats, context.counts));
    }
  } catch (error) {
    throw located(error, where);
  }
}

/** Neighbours go in one write. `pieces` ascend by block. */
async function writePieces(
  transfer: RestoreTransfer,
  pieces: readonly { readonly block: number; readonly bytes: Buffer }[],
  writer: DiskWriter,
  stats: WindowStats,
  signal: AbortSignal,
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
