/** From usable snapshots to a verified restore point that the next run builds on. Each activity is safe to repeat. */

import { loadRestorePoint, requireLivePoint } from '../../blockstore/points';
import { publishRestorePoint } from '../../blockstore/publish';
import { abortSession, openSession } from '../../blockstore/session';
import { withSession } from '../../blockstore/session-watch';
import { verifyRestorePoint } from '../../blockstore/verify';
import { AppError, isAppError } from '../../model/errors';
import { jobIdOfPoint, pointIdOf, resourceKey, sameResource } from '../../model/ids';
import { limits } from '../../model/limits';
import { planWindows } from '../../model/transfer';
import type { WorkflowDependencies } from '../dependencies';
import { throwIfCanceled } from '../jobs';
import type { TransferDisk } from '../transfer/contracts';
import type { BackupJobInput, BackupScope, BackupTransferPlan, BaseSnapshot, VerifiedPoint } from './contracts';
import { doubtAboutBase } from './lineage';

const deadline = (): AbortSignal => AbortSignal.timeout(25 * 60_000);

export function createPointActivities(deps: WorkflowDependencies) {
  const { catalog, compute, settings, clock } = deps;
  const { tenant } = settings;
  const writer = (jobId: string) => deps.openRepository({ role: 'writer', tenant, sessionId: jobId });
  const reader = (jobId: string) => deps.openRepository({ role: 'reader', tenant, sessionId: jobId });

  /** Full or incremental, per disk. */
  const planDisk = async (scope: BackupScope, disk: BackupScope['disks'][number]) => {
    const fresh = await compute.getSnapshot(disk.snapshotId);
    if (fresh.state !== 'usable') {
      throw new AppError(
        'snapshot.not-ready',
        `the snapshot of disk ${disk.lun} (job ${scope.jobId}) is ${fresh.state}`,
        { retryable: true },
      );
    }
    await catalog.intents.record(scope.jobId, 'access', disk.snapshotId);
    const base = await catalog.bases.read(resourceKey(disk.diskId));
    const work = { kind: 'backup', snapshotId: disk.snapshotId } as const;
    if (!base) return { disk: { lun: disk.lun, diskBytes: fresh.sizeBytes, work }, base: undefined, reason: undefined };
    const doubt = doubtAboutBase(fresh, base, await compute.getSnapshot(base.snapshotId));
    if (doubt !== undefined) return { disk: { lun: disk.lun, diskBytes: fresh.sizeBytes, work }, base, reason: doubt };
    await catalog.intents.record(scope.jobId, 'access', base.snapshotId);
    const withBase: TransferDisk = {
      lun: disk.lun,
      diskBytes: fresh.sizeBytes,
      work: { ...work, base: { snapshotId: base.snapshotId, pointId: base.pointId } },
    };
    return { disk: withBase, base, reason: undefined };
  };

  return {
    prepareTransfer: async ({ scope }: { scope: BackupScope }): Promise<BackupTransferPlan> => {
      await throwIfCanceled(catalog, scope.jobId);
      await catalog.intents.record(scope.jobId, 'session', scope.jobId);
      await openSession(
        await writer(scope.jobId),
        { sessionId: scope.jobId, vmKey: scope.vmKey, kind: 'BACKUP' },
        deadline(),
      );
      const disks: TransferDisk[] = [];
      const fullReasons: Record<string, string> = {};
      const bases: BaseSnapshot[] = [];
      for (const disk of scope.disks) {
        const planned = await planDisk(scope, disk);
        disks.push(planned.disk);
        if (planned.reason !== undefined) fullReasons[String(disk.lun)] = planned.reason;
        if (planned.base)
          bases.push({ snapshotId: planned.base.snapshotId, madeBy: jobIdOfPoint(planned.base.pointId) });
      }
      const windowsTotal = disks.reduce(
        (sum, disk) => sum + planWindows(disk.diskBytes, settings.windowBytes).length,
        0,
      );
      const bytesTotal = disks.reduce((sum, disk) => sum + disk.diskBytes, 0);
      await catalog.jobs.setPlan(scope.jobId, { bytesTotal, windowsTotal });
      const { jobId, vmKey, region, zstdLevel } = scope;
      const level = zstdLevel === undefined ? {} : { zstdLevel };
      return {
        plan: { jobId, tenant, vmKey, region, windowBytes: settings.windowBytes, ...level, disks },
        fullReasons,
        bases,
      };
    },

    publishPoint: async (input: { scope: BackupScope; input: BackupJobInput; prepared: BackupTransferPlan }) => {
      const { scope, prepared } = input;
      await throwIfCanceled(catalog, scope.jobId);
      const machine = await catalog.machines.read(scope.jobId);
      if (!machine)
        throw new AppError('record.not-found', `the VM description of job ${scope.jobId} is missing in the catalog`);
      const snapshots = await Promise.all(scope.disks.map((disk) => compute.getSnapshot(disk.snapshotId)));
      const times = snapshots.map((snapshot) => Date.parse(snapshot.takenAt));
      const job = await catalog.jobs.read(scope.jobId);
      const point = await publishRestorePoint(
        await writer(scope.jobId),
        {
          id: pointIdOf(scope.jobId),
          jobId: scope.jobId,
          vmKey: scope.vmKey,
          // The moment of the data, not of the upload; fixed, so that a repeated publish builds the same record.
          createdAt: new Date(Math.min(...times)).toISOString(),
          ...(input.input.policy ? { policy: input.input.policy } : {}),
          consistency: 'crash-per-disk',
          skewMs: Math.max(...times) - Math.min(...times),
          machine,
          excludedLuns: [...input.input.excludeLuns],
          disks: prepared.plan.disks.map((disk, index) => {
            const reason = prepared.fullReasons[String(disk.lun)];
            const base = disk.work.kind === 'backup' ? disk.work.base : undefined;
            return {
              lun: disk.lun,
              sizeBytes: disk.diskBytes,
              mode: base ? ('incremental' as const) : ('full' as const),
              ...(reason === undefined ? {} : { fullReason: reason }),
              ...(base ? { basePointId: base.pointId } : {}),
              snapshotTakenAt: snapshots[index]?.takenAt ?? '',
              windows: planWindows(disk.diskBytes, prepared.plan.windowBytes),
            };
          }),
        },
        deadline(),
      );
      await catalog.jobs.update(scope.jobId, (current) => ({ ...current, pointId: point.id }));
      const audited = point.disks.filter(
        (disk) => disk.fullReason && disk.fullReason !== prepared.fullReasons[String(disk.lun)],
      );
      deps.logger.info('restore point published', { jobId: scope.jobId, pointId: point.id, trigger: job?.trigger });
      return { pointId: point.id, notes: audited.map((disk) => `disk ${disk.lun}: ${disk.fullReason}`) };
    },

    verifyPoint: async (input: { jobId: string; vmKey: string; pointId: string }) => {
      await throwIfCanceled(catalog, input.jobId);
      // A session of its own for each attempt: two at once, as may happen, must not end each other's.
      const sessionId = `v-${deps.randomHex(8)}`;
      const { vmKey, pointId } = input;
      const repository = await reader(sessionId);
      const report = await withSession(repository, { sessionId, vmKey, kind: 'VERIFY' }, deadline(), async (signal) => {
        await requireLivePoint(repository, vmKey, pointId, signal);
        const sampleBlocks = limits.verifySampleBlocks;
        return await verifyRestorePoint(repository, { vmKey, pointId, sampleBlocks, seed: input.jobId }, signal);
      });
      return { packs: report.packs, sampledBlocks: report.sampledBlocks, bytesRead: report.bytesRead };
    },

    /** Catalog first, bases next: after a crash between them the old base is still a right one, and this runs again. */
    adoptPoint: async ({
      scope,
      pointId,
      verified,
    }: {
      scope: BackupScope;
      pointId: string;
      verified: VerifiedPoint;
    }): Promise<null> => {
      const point = await loadRestorePoint(await reader(scope.jobId), scope.vmKey, pointId);
      await catalog.points.put(point, {
        level: 'sample',
        verifiedAt: new Date(clock.now()).toISOString(),
        ...verified,
      });
      for (const disk of scope.disks) {
        const snapshot = await compute.getSnapshot(disk.snapshotId);
        if (snapshot.sourceUniqueId === undefined)
          throw new AppError('snapshot.not-found', `the snapshot of disk ${disk.lun} vanished`);
        // The old base is nobody's from here on: its own job's intent stands again until it is deleted, whatever happens to us.
        const old = await catalog.bases.read(resourceKey(disk.diskId));
        if (old && !sameResource(old.snapshotId, disk.snapshotId)) {
          await catalog.intents.record(jobIdOfPoint(old.pointId), 'snapshot', old.snapshotId);
        }
        await catalog.bases.put(resourceKey(disk.diskId), {
          pointId,
          snapshotId: disk.snapshotId,
          ...(snapshot.familyId === undefined ? {} : { familyId: snapshot.familyId }),
          sourceUniqueId: snapshot.sourceUniqueId,
          sizeBytes: snapshot.sizeBytes,
          logicalSectorBytes: snapshot.logicalSectorBytes,
          takenAt: snapshot.takenAt,
        });
        await catalog.intents.close(scope.jobId, 'snapshot', disk.snapshotId);
      }
      await catalog.intents.close(scope.jobId, 'session', scope.jobId);
      return null;
    },

    /** The fence. A point that was committed before stays: it is shown as unverified and is no base for the next run. */
    abandonSession: async (input: { jobId: string; vmKey: string }): Promise<{ committed: boolean }> => {
      const repository = await writer(input.jobId);
      const outcome = await abortSession(repository, input.jobId);
      if (outcome === 'committed') {
        const point = await loadRestorePoint(repository, input.vmKey, pointIdOf(input.jobId)).catch(
          (error: unknown) => {
            if (isAppError(error, 'store.not-found')) return undefined;
            throw error;
          },
        );
        if (point) await catalog.points.put(point, { level: 'none' });
      }
      await catalog.intents.close(input.jobId, 'session', input.jobId);
      return { committed: outcome === 'committed' };
    },
  };
}
