/** A model of the clouds for orchestrator tests: what exists after a run is what the run left behind. */
import type { OrchestrationHandler } from 'durable-functions';
import { AppError } from '../../shared/model/errors';
import { backupJob } from '../../shared/workflows/backup/backup-job.orchestrator';
import { type BackupScope, backupOrchestrator, snapshotOrchestrator } from '../../shared/workflows/backup/contracts';
import { snapshotMachine } from '../../shared/workflows/backup/snapshot.orchestrator';
import { restoreOrchestrator } from '../../shared/workflows/restore/contracts';
import { restoreJob } from '../../shared/workflows/restore/restore-job.orchestrator';
import { transferOrchestrator } from '../../shared/workflows/transfer/contracts';
import { transferWindows } from '../../shared/workflows/transfer/transfer.orchestrator';

export const orchestrators: Readonly<Record<string, OrchestrationHandler>> = {
  [backupOrchestrator]: backupJob,
  [snapshotOrchestrator]: snapshotMachine,
  [transferOrchestrator]: transferWindows,
  [restoreOrchestrator]: restoreJob,
};

export interface World {
  readonly snapshots: Set<string>;
  readonly access: Set<string>;
  readonly fleet: Set<string>;
  readonly disks: Set<string>;
  session: 'none' | 'pending' | 'committed' | 'aborted';
  base: string;
  windowsDone: number;
  looks: number;
  ended: { status: string }[];
}

const scope: BackupScope = {
  jobId: 'b-1',
  vmKey: '0123456789abcdef',
  region: 'westeurope',
  disks: [
    { lun: 'os', diskId: 'disk-os', uniqueId: 'u1', sizeBytes: 1, snapshotId: 'new-os' },
    { lun: 0, diskId: 'disk-0', uniqueId: 'u2', sizeBytes: 1, snapshotId: 'new-0' },
  ],
  pollMs: 1000,
  stallMs: 5000,
};

export function newWorld(): World {
  return {
    snapshots: new Set(['base-os', 'base-0']),
    access: new Set(),
    fleet: new Set(),
    disks: new Set(),
    session: 'none',
    base: 'base',
    windowsDone: 0,
    looks: 0,
    ended: [],
  };
}

export function activitiesOf(world: World) {
  const plan = { jobId: 'b-1', tenant: 't', vmKey: scope.vmKey, region: scope.region, windowBytes: 1, disks: [] };
  return {
    beginBackup: () => scope,
    enterPhase: () => null,
    requestSnapshot: ({ disk }: { disk: { snapshotId: string } }) => void world.snapshots.add(disk.snapshotId),
    checkSnapshots: () => ({ pending: world.looks++ < 2 ? 1 : 0 }),
    prepareTransfer: () => {
      world.session = 'pending';
      for (const id of ['new-os', 'new-0', 'base-os', 'base-0']) world.access.add(id);
      return {
        plan,
        fullReasons: {},
        bases: ['base-os', 'base-0'].map((snapshotId) => ({ snapshotId, madeBy: 'b-0' })),
      };
    },
    sendTransfers: () => ({ sent: 4 }),
    checkTransfers: () => ({ windowsDone: world.windowsDone++, windowsTotal: 4, bytesSeen: world.windowsDone }),
    publishPoint: () => {
      if (world.session === 'aborted') throw new AppError('session.fenced', 'fenced');
      world.session = 'committed';
      return { pointId: 'p-b-1', notes: [] };
    },
    verifyPoint: () => ({ packs: 1, sampledBlocks: 1, bytesRead: 1 }),
    adoptPoint: () => {
      world.base = 'new';
      return null;
    },
    abandonSession: () => {
      if (world.session === 'pending') world.session = 'aborted';
      return { committed: world.session === 'committed' };
    },
    endAccess: ({ snapshotId }: { snapshotId: string }) => void world.access.delete(snapshotId),
    removeSnapshot: ({ snapshotId }: { snapshotId: string }) => {
      world.access.delete(snapshotId);
      world.snapshots.delete(snapshotId);
    },
    endJob: (end: { status: string }) => void world.ended.push(end),
    beginRestore: () => {
      world.session = 'pending';
      return {
        jobId: 'r-1',
        plan: { ...plan, jobId: 'r-1', disks: [{ lun: 'os', diskBytes: 1, work: {} }] },
        pollMs: 1000,
        stallMs: 5000,
      };
    },
    createTarget: () => void world.disks.add('restored-os'),
    finishTarget: () => null,
    discardTarget: () => void world.disks.delete('restored-os'),
  };
}

export const entityOf = (world: World) => (_name: string, _key: string, operation: string, jobId: unknown) =>
  operation === 'use' ? void world.fleet.add(String(jobId)) : void world.fleet.delete(String(jobId));
