/**
 * What a data proxy does with one message. The same function serves a queue trigger, a VM of a scale set and a child process.
 * State in memory is a cache of the store: one index a tenant, shared by all windows of the process.
 */
import type { Clock } from '../base/clock';
import type { Logger } from '../base/logger';
import { type ComputePool, createComputePool } from '../blockstore/compute-pool';
import { countStores } from '../blockstore/counted-stores';
import type { StoreRole } from '../blockstore/object-store';
import { packWriterBytes } from '../blockstore/pack-writer';
import type { Repository } from '../blockstore/repository';
import { readRegister } from '../blockstore/session';
import { loadView, viewNameOf, wholeView } from '../blockstore/session-view';
import { whileSessionOpen } from '../blockstore/session-watch';
import { createMemory, type Memory } from '../blockstore/shared-buffers';
import { TenantIndex } from '../blockstore/tenant-index';
import { AppError } from '../model/errors';
import type { RestoreTransfer, Transfer, TransferEvent, TransferStats } from '../model/transfer';
import { backupWindow, type WindowContext } from './backup-window';
import { openImage } from './image-writer';
import type { DiskAccess, DiskWriter, TransferEvents } from './ports';
import { restoreBytes, restoreWindow } from './restore-window';
import { Turns } from './turns';

/** Progress is told at most this often a window. */
const PROGRESS_MS = 1_000;
/** Indexes kept in memory, one a tenant and epoch; the one used longest ago goes first. */
const INDEXES_MAX = 8;

export interface TransferHandlerDependencies {
  readonly access: DiskAccess;
  /** Stores with rights cut to the tenant and the session. */
  readonly openRepository: (request: {
    readonly tenant: string;
    readonly role: StoreRole;
    readonly sessionId: string;
  }) => Promise<Repository>;
  readonly events: TransferEvents;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Where restores to image files go; undefined where this proxy has no such place. */
  readonly imageDirectory: string | undefined;
  /** Windows moved at a time in this process. More wait for their turn. */
  readonly concurrency: number;
  /** Bounds the data in flight in this process, all windows together: fewer move at a time where it does not suffice. */
  readonly memory?: Memory;
  /** Blocks above which the index keeps only every 64th. */
  readonly indexBlocksMax?: number;
  /** Threads for the CPU work; made when not given. */
  readonly pool?: ComputePool;
}

export type TransferHandler = (
  transfer: Transfer,
  signal: AbortSignal,
  onProgress?: (stats: TransferStats) => void,
) => Promise<TransferStats>;

/** The handler reports `progress` and `finished` events itself; who gives up on a message reports `failed`. */
export function createTransferHandler(deps: TransferHandlerDependencies): TransferHandler {
  const pool = deps.pool ?? createComputePool();
  const turns = new Turns(deps.concurrency);
  const memory = deps.memory ?? createMemory();
  const indexes = new Map<string, Promise<TenantIndex>>();
  /** By what the session may see: an index that was filled for an earlier epoch knows blocks that have been deleted since. */
  const indexOf = async (repository: Repository, sessionId: string, signal: AbortSignal): Promise<TenantIndex> => {
    const register = (await readRegister(repository, sessionId, signal))?.register;
    if (!register) return new TenantIndex(deps.indexBlocksMax);
    const key = `${repository.tenant}/${viewNameOf(register)}`;
    // Without the window's signal: what it loads serves others too.
    const index = indexes.get(key) ?? openIndex(repository, register, deps.indexBlocksMax);
    indexes.delete(key);
    indexes.set(key, index);
    index.catch(() => indexes.delete(key));
    for (const oldest of indexes.keys()) {
      if (indexes.size <= INDEXES_MAX) break;
      indexes.delete(oldest);
    }
    return await index;
  };

  const move = async (
    transfer: Transfer,
    signal: AbortSignal,
    onProgress: ((stats: TransferStats) => void) | undefined,
  ): Promise<TransferStats> => {
    const { tenant, jobId: sessionId } = transfer;
    const role = transfer.kind === 'backup' ? 'writer' : 'reader';
    const repository = await deps.openRepository({ tenant, role, sessionId });
    const { stores, counts } = countStores(repository.stores);
    const reporter = createReporter(deps, transfer, onProgress);
    const context: WindowContext = {
      repository: { ...repository, stores },
      counts,
      access: deps.access,
      pool,
      index:
        transfer.kind === 'backup'
          ? await indexOf(repository, sessionId, signal)
          : new TenantIndex(deps.indexBlocksMax),
      memory,
      onProgress: reporter.progress,
    };
    const stats = await whileSessionOpen(repository, sessionId, signal, (inner) =>
      transfer.kind === 'backup'
        ? backupWindow(context, transfer, inner)
        : restoreWindow(context, transfer, () => openTarget(deps, transfer), inner),
    );
    await reporter.finished(stats);
    return stats;
  };

  return (transfer, signal, onProgress) =>
    turns.take(signal, async () => {
      const giveBack = await memory.windows.take(transfer.kind === 'backup' ? packWriterBytes : restoreBytes, signal);
      try {
        return await move(transfer, signal, onProgress);
      } finally {
        giveBack();
      }
    });
}

async function openIndex(
  repository: Repository,
  register: Parameters<typeof loadView>[1],
  blocksMax: number | undefined,
): Promise<TenantIndex> {
  const sees = register.condemned || register.replaced ? await loadView(repository, register) : wholeView;
  return new TenantIndex(blocksMax, sees);
}

async function openTarget(
  deps: TransferHandlerDependencies,
  transfer: RestoreTransfer,
): Promise<DiskWriter & { close?(): Promise<void> }> {
  const { target, diskBytes } = transfer;
  if (target.kind === 'disk') return await deps.access.openUpload({ diskId: target.diskId, diskBytes });
  if (deps.imageDirectory === undefined) {
    throw new AppError(
      'restore.target-invalid',
      'this data proxy has no image directory; set BLOCKFERRY_IMAGE_DIRECTORY',
    );
  }
  return await openImage(deps.imageDirectory, target.name, diskBytes);
}

interface Reporter {
  progress(stats: TransferStats): void;
  finished(stats: TransferStats): Promise<void>;
}

function createReporter(
  deps: Pick<TransferHandlerDependencies, 'events' | 'clock' | 'logger'>,
  transfer: Transfer,
  onProgress: ((stats: TransferStats) => void) | undefined,
): Reporter {
  const { jobId, lun, window } = transfer;
  let reportedAtMs = Number.NEGATIVE_INFINITY;
  let last: Promise<void> = Promise.resolve();
  const report = (kind: 'progress' | 'finished', stats: TransferStats): Promise<void> => {
    const event: TransferEvent = { kind, jobId, lun, windowIndex: window.index, stats, at: deps.clock.now() };
    // In turn, so that no progress arrives behind the end; and a failure to report never fails the transfer.
    last = last
      .then(() => deps.events.report(event))
      .catch((error: unknown) => {
        const code = error instanceof AppError ? error.code : 'unknown';
        deps.logger.warn('an event could not be reported', { jobId, lun: String(lun), window: window.index, code });
      });
    return last;
  };
  return {
    progress: (stats) => {
      onProgress?.(stats);
      const nowMs = deps.clock.monotonicMs();
      if (nowMs - reportedAtMs < PROGRESS_MS) return;
      reportedAtMs = nowMs;
      void report('progress', stats);
    },
    finished: (stats) => report('finished', stats),
  };
}
