/** The product's own path around a folder: session, windows through the transfer handler, publish; and the way back. */

import { availableParallelism } from 'node:os';
import { systemClock } from '../../shared/base/clock';
import { silentLogger } from '../../shared/base/logger';
import { type ComputePool, createComputePool } from '../../shared/blockstore/compute-pool';
import type { StorePair } from '../../shared/blockstore/object-store';
import { publishRestorePoint } from '../../shared/blockstore/publish';
import { openRepository, type Repository } from '../../shared/blockstore/repository';
import { openSession } from '../../shared/blockstore/session';
import type { DiskReader } from '../../shared/dataproxy/ports';
import { createTransferHandler, type TransferHandler } from '../../shared/dataproxy/transfer-handler';
import { AppError } from '../../shared/model/errors';
import { resourceKey } from '../../shared/model/ids';
import { limits } from '../../shared/model/limits';
import type { RestorePoint } from '../../shared/model/restore-point';
import {
  addStats,
  type BackupTransfer,
  emptyStats,
  planWindows,
  type TransferStats,
} from '../../shared/model/transfer';

const TENANT = 'bench';
const WARM_BYTES = 4 * limits.blockBytes;
const BASE_SNAPSHOT = 'before';
const signal = new AbortController().signal;

export interface Pipeline {
  readonly repository: Repository;
  /** Starts the threads, which a data proxy at work has running. */
  warmUp(): Promise<void>;
  backup(request: BackupRequest): Promise<{ readonly point: RestorePoint; readonly stats: TransferStats }>;
  restore(request: {
    readonly pointId: string;
    readonly vmName: string;
    readonly diskBytes: number;
  }): Promise<TransferStats>;
  close(): Promise<void>;
}

export interface BackupRequest {
  readonly jobId: string;
  readonly vmName: string;
  readonly reader: DiskReader;
  /** The restore point to build upon; in full without it. */
  readonly basePointId?: string;
  readonly zstdLevel: number;
}

export interface PipelineOptions {
  readonly stores: StorePair;
  readonly imageDirectory?: string;
  /** Windows moved at a time. */
  readonly concurrency?: number;
}

export const vmKeyOf = (vmName: string): string => resourceKey(`/bench/${vmName}`);

export async function openPipeline(options: PipelineOptions): Promise<Pipeline> {
  const repository = await openRepository({
    stores: options.stores,
    tenant: TENANT,
    keys: { rootKey: async () => Buffer.alloc(32, 7) },
    clock: systemClock,
    logger: silentLogger,
  });
  const pool: ComputePool = createComputePool();
  const readers = new Map<string, DiskReader>();
  const handler = createTransferHandler({
    access: {
      openSnapshot: async ({ snapshotId }) => {
        const reader = readers.get(snapshotId);
        if (!reader) throw new AppError('snapshot.stale', `there is no image ${snapshotId}`);
        return reader;
      },
      openUpload: () => Promise.reject(new AppError('restore.target-invalid', 'the bench restores to files only')),
    },
    openRepository: async () => repository,
    events: { report: async () => undefined },
    clock: systemClock,
    logger: silentLogger,
    imageDirectory: options.imageDirectory,
    concurrency: options.concurrency ?? 1,
    pool,
  });
  return {
    repository,
    warmUp: async () => {
      const { id: idKey } = repository.keys;
      const jobs = Array.from({ length: 2 * availableParallelism() }, () =>
        Buffer.from(new ArrayBuffer(WARM_BYTES), 0),
      );
      const { blockBytes } = limits;
      await Promise.all(jobs.map((bytes) => pool.run({ kind: 'hash', idKey, bytes, blockBytes })));
    },
    backup: (request) => backup(repository, handler, readers, request),
    restore: async ({ pointId, vmName, diskBytes }) => {
      const jobId = `r-${pointId}`;
      const vmKey = vmKeyOf(vmName);
      await openSession(repository, { sessionId: jobId, vmKey, kind: 'RESTORE' }, signal);
      const target = { kind: 'image', name: `${vmName}.restored` } as const;
      const windows = planWindows(diskBytes, limits.windowBytesDefault);
      const place = {
        version: 1,
        tenant: TENANT,
        region: 'bench',
        jobId,
        vmKey,
        lun: 'os',
        diskBytes,
        pointId,
      } as const;
      const stats = windows.map((window) => handler({ kind: 'restore', ...place, window, target }, signal));
      return (await Promise.all(stats)).reduce(addStats, emptyStats);
    },
    close: () => pool.close(),
  };
}

async function backup(
  repository: Repository,
  handler: TransferHandler,
  readers: Map<string, DiskReader>,
  request: BackupRequest,
): Promise<{ readonly point: RestorePoint; readonly stats: TransferStats }> {
  const { jobId, vmName, reader, basePointId } = request;
  const vmKey = vmKeyOf(vmName);
  const diskBytes = reader.sizeBytes;
  readers.set(jobId, reader);
  await openSession(repository, { sessionId: jobId, vmKey, kind: 'BACKUP' }, signal);
  const windows = planWindows(diskBytes, limits.windowBytesDefault);
  const transfers = windows.map(
    (window): BackupTransfer => ({
      kind: 'backup',
      ...({ version: 1, tenant: TENANT, region: 'bench', jobId, vmKey, lun: 'os', diskBytes, window } as const),
      snapshotId: jobId,
      zstdLevel: request.zstdLevel,
      ...(basePointId === undefined ? {} : { base: { snapshotId: BASE_SNAPSHOT, pointId: basePointId } }),
    }),
  );
  const stats = (await Promise.all(transfers.map((transfer) => handler(transfer, signal)))).reduce(
    addStats,
    emptyStats,
  );
  const now = new Date().toISOString();
  const point = await publishRestorePoint(
    repository,
    {
      ...{ id: `p-${jobId}`, jobId, vmKey, createdAt: now, consistency: 'crash-per-disk', skewMs: 0, excludedLuns: [] },
      machine: {
        ...{ id: `/bench/${vmName}`, name: vmName, uniqueId: vmName, region: 'bench', size: 'bench' },
        ...{ tags: {}, networkInterfaceIds: [], disks: [] },
      },
      disks: [
        {
          ...{ lun: 'os', sizeBytes: diskBytes, snapshotTakenAt: now, windows },
          mode: basePointId === undefined ? 'full' : 'incremental',
          ...(basePointId === undefined ? {} : { basePointId }),
        },
      ],
    },
    signal,
  );
  return { point, stats };
}
