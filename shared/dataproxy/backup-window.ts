/**
 * One window of a snapshot into the repository.
 *
 *   fact there?  -> its figures, nothing to do
 *   parent state -> what changed since (or, in any doubt, what is allocated) -> audit of the rest
 *   reads -> zero test and ids -> known block: refer to it; new block: frame -> pack -> verified -> put
 *   packs, then index segment, then leaves, then the fact: every prefix of this order is a valid repository
 *
 * Memory does not depend on the disk: some reads ahead, one pack filling and one on its way.
 */
import type { ComputePool } from '../blockstore/compute-pool';
import type { StoreCounts } from '../blockstore/counted-stores';
import { PackWriter } from '../blockstore/pack-writer';
import type { Repository } from '../blockstore/repository';
import { seededRandom } from '../blockstore/sample';
import { requirePending } from '../blockstore/session';
import type { TenantIndex } from '../blockstore/tenant-index';
import { readWindowFact } from '../blockstore/window-facts';
import { WindowMap } from '../blockstore/window-map';
import { idBytes } from '../format/block-id';
import { type ByteRange, mergeRanges, totalLength } from '../model/byte-range';
import { AppError, isAppError } from '../model/errors';
import { limits } from '../model/limits';
import type { BackupTransfer, TransferStats } from '../model/transfer';
import { auditUnlisted } from './audit';
import { loadBase } from './base-leaves';
import { finishWindow } from './finish-window';
import { inOrder } from './in-order';
import type { DiskAccess, DiskReader } from './ports';
import { isPlausible, planReads, type ReadPlan, unlisted } from './read-plan';
import { startStats, statsNow, type WindowStats } from './window-stats';

const READS_AHEAD = 4;
const ZSTD_LEVEL = 1;

export interface WindowContext {
  readonly repository: Repository;
  /** What the repository's stores were asked for, for the figures. */
  readonly counts: StoreCounts;
  readonly access: DiskAccess;
  readonly pool: ComputePool;
  readonly index: TenantIndex;
  readonly onProgress: (stats: TransferStats) => void;
}

/** Repeatable: a finished window answers with its fact. `session.fenced`, `source.*`, `store.*`, `snapshot.stale` otherwise. */
export async function backupWindow(
  context: WindowContext,
  transfer: BackupTransfer,
  signal: AbortSignal,
): Promise<TransferStats> {
  const { repository, index } = context;
  const { jobId, lun, window } = transfer;
  const finished = await readWindowFact(repository, jobId, { lun, index: window.index }, signal);
  if (finished) return finished.stats;
  const { epoch } = (await requirePending(repository, jobId, signal)).register;
  await index.refresh(repository);
  const reader = await openSource(context, transfer);
  const map = new WindowMap(window, {
    diskBytes: transfer.diskBytes,
    blockBytes: limits.blockBytes,
    leafBytes: limits.leafBytes,
  });
  const stats = startStats(window.end - window.start);
  const { plan, note } = await planWindow(context, transfer, reader, map, stats, signal);
  stats.changedBytes = totalLength(plan.blocks);
  const writer = new PackWriter({ repository, pool: context.pool, index: index.index, signal, level: ZSTD_LEVEL });
  try {
    await copyBlocks({ context, transfer, reader, map, stats, writer }, plan, signal);
    const units = await writer.finish();
    return await finishWindow(context, transfer, { map, stats, note, epoch, units }, signal);
  } catch (error) {
    await writer.abandon();
    throw error;
  }
}

async function openSource(context: WindowContext, transfer: BackupTransfer): Promise<DiskReader> {
  const { snapshotId, base } = transfer;
  const reader = await context.access.openSnapshot({
    snapshotId,
    ...(base ? { baseSnapshotId: base.snapshotId } : {}),
  });
  if (reader.sizeBytes !== transfer.diskBytes) {
    throw new AppError(
      'snapshot.stale',
      `the snapshot of disk ${transfer.lun} has ${reader.sizeBytes} bytes, the job says ${transfer.diskBytes}`,
      {
        context: { lun: transfer.lun },
      },
    );
  }
  return reader;
}

/** What to read, and why in full if that was not the plan. */
async function planWindow(
  context: WindowContext,
  transfer: BackupTransfer,
  reader: DiskReader,
  map: WindowMap,
  stats: WindowStats,
  signal: AbortSignal,
): Promise<{ readonly plan: ReadPlan; readonly note: string | undefined }> {
  const { window, base } = transfer;
  const inFull = async (note: string | undefined) => {
    map.clear();
    return { plan: planReads(await reader.allocatedRanges(window, signal), window, limits.readGapBytes), note };
  };
  if (!base) return await inFull(undefined);
  const state = await loadBase(context.repository, { ...transfer, base }, map, signal);
  if (!state.usable) return await inFull(state.doubt);
  const changed = await changedSince(reader, map, window, state.diskBytes, signal);
  if (!changed) return await inFull('bad-ranges');
  const plan = planReads(changed, window, 0);
  const random = seededRandom(`${transfer.jobId}/${transfer.lun}/${window.index}`);
  const audit = await auditUnlisted({ ...context, reader, map, window }, unlisted(plan.blocks, window), random, signal);
  stats.auditBytes += audit.readBytes;
  stats.readBytes += audit.readBytes;
  const fields = { jobId: transfer.jobId, lun: String(transfer.lun), window: window.index };
  if (audit.unknownBlocks > 0) {
    context.repository.logger.warn('the index does not know some audited blocks', {
      ...fields,
      blocks: audit.unknownBlocks,
    });
  }
  if (audit.verdict === 'matches') return { plan, note: undefined };
  context.repository.logger.error('a block that was called unchanged has changed; the window is read in full', fields);
  return await inFull('audit-mismatch');
}

/**
 * Changed ranges of the window; what lies behind the parent's end is new, and there the allocated ranges count. undefined
 * when the answer cannot be believed.
 */
async function changedSince(
  reader: DiskReader,
  map: WindowMap,
  window: ByteRange,
  baseBytes: number,
  signal: AbortSignal,
): Promise<ByteRange[] | undefined> {
  const { blockBytes } = limits;
  // A short last block of the parent is not whole in the grown disk: it counts as new. Same size: nothing is new.
  const known = baseBytes === map.geometry.diskBytes ? window.end : Math.floor(baseBytes / blockBytes) * blockBytes;
  const split = Math.min(window.end, Math.max(window.start, known));
  try {
    const old = { start: window.start, end: split };
    const grown = { start: split, end: window.end };
    const changed = old.end > old.start ? await reader.changedRanges(old, signal) : [];
    if (!isPlausible(changed, old)) return undefined;
    if (grown.end === grown.start) return changed;
    for (let block = (split - window.start) / blockBytes; block < map.blockCount; block++) map.setZero(block);
    return mergeRanges([...changed, ...(await reader.allocatedRanges(grown, signal))]);
  } catch (error) {
    if (isAppError(error, 'source.bad-ranges')) return undefined;
    throw error;
  }
}

interface CopyWork {
  readonly context: WindowContext;
  readonly transfer: BackupTransfer;
  readonly reader: DiskReader;
  readonly map: WindowMap;
  readonly stats: WindowStats;
  readonly writer: PackWriter;
}

async function copyBlocks(work: CopyWork, plan: ReadPlan, signal: AbortSignal): Promise<void> {
  const { context, transfer, reader, map, stats, writer } = work;
  const { index } = context.index;
  const { blockBytes } = limits;
  const read = async (range: ByteRange, inner: AbortSignal) => {
    const bytes = await reader.read(range, inner);
    if (bytes.length !== range.end - range.start) {
      throw new AppError('source.short-read', `disk ${transfer.lun} gave ${bytes.length} bytes at ${range.start}`, {
        retryable: true,
      });
    }
    return await context.pool.run({ kind: 'hash', idKey: context.repository.keys.id, bytes, blockBytes });
  };
  for await (const { item: range, result } of inOrder(plan.reads, READS_AHEAD, signal, read)) {
    stats.readBytes += range.end - range.start;
    const first = (range.start - transfer.window.start) / blockBytes;
    for (let position = 0; position * blockBytes < result.bytes.length; position++) {
      const bytes = result.bytes.subarray(position * blockBytes, (position + 1) * blockBytes);
      if (result.zero[position] === 1) {
        map.setZero(first + position);
        stats.zeroBytes += bytes.length;
        continue;
      }
      const id = result.ids.subarray(position * idBytes, (position + 1) * idBytes);
      const known = index.lookup(id);
      const location = known ?? (await writer.add(id, bytes));
      if (known) stats.dedupBytes += bytes.length;
      else stats.newBytes += bytes.length;
      map.set(first + position, index.units.nameOf(location.unit), location.slot);
    }
    context.onProgress(statsNow(stats, context.counts));
  }
}
