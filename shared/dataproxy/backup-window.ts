/**
 * One window of a snapshot into the repository.
 *
 *   fact there?  -> its figures, nothing to do
 *   checkpoint?  -> another proxy had come so far: go on behind it
 *   parent state -> what changed since (or, in any doubt, what is allocated) -> audit of the rest
 *   reads -> zero test and ids -> known block: refer to it; new block: frame -> pack -> verified -> put
 *   packs, then index segment, then leaves, then the fact: every prefix of this order is a valid repository
 *
 * Memory does not depend on the disk: the window reserves the room of its packs, each read takes and returns its own. A
 * window that is broken off stores what it has begun and saves its position, so that the next proxy goes on from there.
 */
import type { ComputePool } from '../blockstore/compute-pool';
import type { StoreCounts } from '../blockstore/counted-stores';
import { PackWriter } from '../blockstore/pack-writer';
import type { Repository } from '../blockstore/repository';
import { requirePending } from '../blockstore/session';
import type { Memory } from '../blockstore/shared-buffers';
import type { TenantIndex } from '../blockstore/tenant-index';
import { readWindowFact } from '../blockstore/window-facts';
import { WindowMap } from '../blockstore/window-map';
import { totalLength } from '../model/byte-range';
import { AppError, isAppError } from '../model/errors';
import { limits } from '../model/limits';
import type { BackupTransfer, TransferStats } from '../model/transfer';
import { copyBlocks } from './copy-blocks';
import { finishWindow } from './finish-window';
import { planWindow } from './plan-window';
import type { DiskAccess, DiskReader } from './ports';
import { after } from './read-plan';
import { CheckpointKeeper, resumeWindow } from './window-checkpoint';
import { startStats } from './window-stats';

/** How long a window that is told to stop may take to put down what it has: less than whoever stops it waits. */
const SAVE_MS = 8_000;

export interface WindowContext {
  readonly repository: Repository;
  /** What the repository's stores were asked for, for the figures. */
  readonly counts: StoreCounts;
  readonly access: DiskAccess;
  readonly pool: ComputePool;
  readonly index: TenantIndex;
  readonly memory: Memory;
  readonly onProgress: (stats: TransferStats) => void;
}

/** Repeatable: a finished window answers with its fact. `session.fenced`, `source.*`, `store.*`, `snapshot.stale` otherwise. */
export async function backupWindow(
  context: WindowContext,
  transfer: BackupTransfer,
  signal: AbortSignal,
): Promise<TransferStats> {
  const { repository, index, pool, memory } = context;
  const { jobId, lun, window } = transfer;
  const finished = await readWindowFact(repository, jobId, { lun, index: window.index }, signal);
  if (finished) return finished.stats;
  const { epoch } = (await requirePending(repository, jobId, signal)).register;
  await index.refresh(repository);
  const reader = await openSource(context, transfer);
  const begun = {
    context,
    transfer,
    reader,
    signal,
    stats: startStats(window.end - window.start),
    map: newMap(transfer),
  };
  const resumed = await resumeWindow(begun);
  const request = resumed?.request ?? { ...begun, map: newMap(transfer) };
  const planned = resumed?.planned ?? (await planWindow(request));
  const { map, stats } = request;
  stats.changedBytes = totalLength(planned.plan.blocks);
  const storing = new AbortController();
  const { buffers } = memory;
  const level = transfer.zstdLevel ?? limits.zstdLevelDefault;
  const writer = new PackWriter({ repository, pool, index: index.index, buffers, signal: storing.signal, level });
  const keeper = new CheckpointKeeper({ context, transfer, map, stats, writer, epoch, planned }, resumed?.held);
  const ended = new AbortController();
  const cut = cutShort(context, signal, storing, ended.signal);
  try {
    const reads = after(planned.plan.reads, keeper.doneBytes);
    await copyBlocks({ context, transfer, reader, map, stats, writer, keeper }, reads, signal);
    await writer.flush();
    return await finishWindow(context, transfer, { map, stats, note: planned.note, keeper }, signal);
  } catch (error) {
    if (isWorthSaving(error, signal)) await keeper.saveLast(storing.signal);
    throw error;
  } finally {
    ended.abort();
    await cut;
    await writer.abandon();
  }
}

/** What a fenced session or a lost message has begun is nobody's any more. */
function isWorthSaving(error: unknown, signal: AbortSignal): boolean {
  if (isAppError(error, 'session.fenced')) return false;
  return !(signal.aborted && signal.reason instanceof AppError);
}

/** Told to stop, the window may still store for a while; fenced or without its message, it may not. */
async function cutShort(
  context: WindowContext,
  signal: AbortSignal,
  storing: AbortController,
  ended: AbortSignal,
): Promise<void> {
  await new Promise<void>((resolve) => {
    for (const either of [signal, ended]) {
      if (either.aborted) resolve();
      either.addEventListener('abort', () => resolve(), { once: true });
    }
  });
  if (ended.aborted) return;
  if (!(signal.reason instanceof AppError)) {
    await context.repository.clock.sleep(SAVE_MS, ended).catch(() => undefined);
  }
  if (!ended.aborted) storing.abort(signal.reason);
}

const newMap = ({ window, diskBytes }: BackupTransfer): WindowMap =>
  new WindowMap(window, { diskBytes, blockBytes: limits.blockBytes, leafBytes: limits.leafBytes });

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
