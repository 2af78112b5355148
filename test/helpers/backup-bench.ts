/** A whole repository on stores in memory: opens it, backs windows up through the real handler, publishes, restores. */
import { createHash } from 'node:crypto';
import { silentLogger } from '../../shared/base/logger';
import { inlinePool } from '../../shared/blockstore/compute-pool';
import type { StorePair } from '../../shared/blockstore/object-store';
import { publishRestorePoint } from '../../shared/blockstore/publish';
import { openRepository, type Repository } from '../../shared/blockstore/repository';
import { openSession } from '../../shared/blockstore/session';
import { createMemory } from '../../shared/blockstore/shared-buffers';
import {
  createTransferHandler,
  type TransferHandler,
  type TransferHandlerDependencies,
} from '../../shared/dataproxy/transfer-handler';
import { resourceKey } from '../../shared/model/ids';
import { limits } from '../../shared/model/limits';
import type { Lun } from '../../shared/model/machine';
import type { RestorePoint } from '../../shared/model/restore-point';
import {
  type BackupTransfer,
  planWindows,
  type RestoreTransfer,
  type TransferEvent,
  type TransferStats,
} from '../../shared/model/transfer';
import { FakeAccess } from './fake-disk';
import { manualClock } from './manual-clock';
import { type MemoryStores, memoryStores } from './memory-object-store';
import { SparseBytes } from './sparse-bytes';

export const tenant = 'acme';
export const vmKey = resourceKey('/subscriptions/0/resourceGroups/rg/providers/Microsoft.Compute/virtualMachines/vm1');
export const windowBytes = limits.leafBytes;

export interface DiskOf {
  readonly lun: Lun;
  readonly snapshotId: string;
  readonly base?: { readonly snapshotId: string; readonly pointId: string };
}

export interface BackupBench {
  readonly stores: MemoryStores;
  readonly access: FakeAccess;
  readonly events: TransferEvent[];
  repository(stores?: StorePair): Promise<Repository>;
  /** `sleep` of it never ends by itself. */
  readonly clock: ReturnType<typeof manualClock>;
  handler(stores?: StorePair, more?: Partial<TransferHandlerDependencies>): TransferHandler;
  backupTransfers(jobId: string, disk: DiskOf, spanBytes?: number): BackupTransfer[];
  restoreTransfers(jobId: string, point: RestorePoint, lun: Lun, target?: RestoreTransfer['target']): RestoreTransfer[];
  /** Everything from the session to the published point. */
  backup(jobId: string, disks: readonly DiskOf[], spanBytes?: number, handler?: TransferHandler): Promise<BackupRun>;
  publish(jobId: string, disks: readonly DiskOf[], stores?: StorePair, spanBytes?: number): Promise<RestorePoint>;
  /** The restored bytes of one disk. */
  restore(jobId: string, point: RestorePoint, lun: Lun): Promise<SparseBytes>;
}

export interface BackupRun {
  readonly point: RestorePoint;
  readonly stats: readonly TransferStats[];
}

export const signal = new AbortController().signal;

/** One for all: what one test would not give back, the next one would miss. */
const memory = createMemory();

/** `seed`: another one for another repository in the same store, or its packs would have the same names. */
export function backupBench(stores = memoryStores(), access = new FakeAccess(), seed = ''): BackupBench {
  const clock = {
    ...manualClock(),
    // Time stands: what waits in the background (looking at sessions, ends of graces) waits for its end.
    sleep: (_delayMs: number, until?: AbortSignal): Promise<void> =>
      new Promise((_resolve, reject) => until?.addEventListener('abort', () => reject(until.reason), { once: true })),
  };
  const events: TransferEvent[] = [];
  let counter = 0;
  const repository = (on: StorePair = stores): Promise<Repository> =>
    openRepository({
      stores: on,
      tenant,
      keys: { rootKey: async () => Buffer.alloc(32, 7) },
      clock,
      logger: silentLogger,
      // Repeatable, and different at each call: what the format asks of it.
      random: (count) =>
        createHash('shake256', { outputLength: count })
          .update(`${seed}${stores.data.objects.size}/${counter++}`)
          .digest(),
    });
  const sizeOf = (snapshotId: string): number => access.snapshots.get(snapshotId)?.length ?? 0;

  const bench: BackupBench = {
    stores,
    access,
    events,
    repository,
    clock,
    handler: (on = stores, more = {}) =>
      createTransferHandler({
        access,
        openRepository: () => repository(on),
        events: {
          report: async (event) => {
            events.push(event);
          },
        },
        clock,
        logger: silentLogger,
        imageDirectory: undefined,
        concurrency: 4,
        pool: inlinePool,
        memory,
        ...more,
      }),
    backupTransfers: (jobId, disk, spanBytes = windowBytes) =>
      planWindows(sizeOf(disk.snapshotId), spanBytes).map((window) => ({
        kind: 'backup',
        version: 1,
        tenant,
        region: 'westeurope',
        jobId,
        vmKey,
        lun: disk.lun,
        diskBytes: sizeOf(disk.snapshotId),
        window,
        snapshotId: disk.snapshotId,
        ...(disk.base ? { base: disk.base } : {}),
      })),
    restoreTransfers: (jobId, point, lun, target = { kind: 'disk', diskId: `${jobId}-${lun}` }) => {
      const diskBytes = point.disks.find((disk) => disk.lun === lun)?.sizeBytes ?? 0;
      return planWindows(diskBytes, windowBytes).map((window) => ({
        kind: 'restore',
        version: 1,
        tenant,
        region: 'westeurope',
        jobId,
        vmKey,
        lun,
        diskBytes,
        window,
        pointId: point.id,
        target,
      }));
    },
    publish: async (jobId, disks, on = stores, spanBytes = windowBytes) =>
      publishRestorePoint(
        await repository(on),
        {
          id: `p-${jobId}`,
          jobId,
          vmKey,
          createdAt: new Date(Date.UTC(2026, 10, 22) + (counter++ % 1_000) * 1_000).toISOString(),
          consistency: 'crash-per-disk',
          skewMs: 0,
          excludedLuns: [],
          machine: {
            id: '/subscriptions/0/vm1',
            name: 'vm1',
            uniqueId: 'u',
            region: 'westeurope',
            size: 's',
            tags: {},
            networkInterfaceIds: [],
            disks: [],
          },
          disks: disks.map((disk) => ({
            lun: disk.lun,
            sizeBytes: sizeOf(disk.snapshotId),
            mode: disk.base ? ('incremental' as const) : ('full' as const),
            ...(disk.base ? { basePointId: disk.base.pointId } : {}),
            snapshotTakenAt: '2026-11-22T00:00:00.000Z',
            windows: planWindows(sizeOf(disk.snapshotId), spanBytes),
          })),
        },
        signal,
      ),
    backup: async (jobId, disks, spanBytes = windowBytes, handler = bench.handler()) => {
      await openSession(await repository(), { sessionId: jobId, vmKey, kind: 'BACKUP' }, signal);
      const transfers = disks.flatMap((disk) => bench.backupTransfers(jobId, disk, spanBytes));
      const stats = await Promise.all(transfers.map((transfer) => handler(transfer, signal)));
      return { point: await bench.publish(jobId, disks, stores, spanBytes), stats };
    },
    restore: async (jobId, point, lun) => {
      await openSession(await repository(), { sessionId: jobId, vmKey, kind: 'RESTORE' }, signal);
      const handler = bench.handler();
      await Promise.all(bench.restoreTransfers(jobId, point, lun).map((transfer) => handler(transfer, signal)));
      return access.uploads.get(`${jobId}-${lun}`) ?? new SparseBytes(0);
    },
  };
  return bench;
}
