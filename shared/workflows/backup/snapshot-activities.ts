/**
 * Snapshot side effects. Each is recorded as an intent before it happens and closed after it is undone or adopted, so that
 * the janitor can tell what is left over. Names are unique to job and disk, which makes repeating harmless.
 */
import { AppError } from '../../model/errors';
import type { WorkflowDependencies } from '../dependencies';
import { jobTag, sourceTag, tenantTag } from '../dependencies';
import { throwIfCanceled } from '../jobs';
import type { ScopeDisk, SnapshotCheck } from './contracts';

export function createSnapshotActivities(deps: WorkflowDependencies) {
  const { catalog, compute, settings } = deps;

  return {
    requestSnapshot: async (input: { jobId: string; region: string; disk: ScopeDisk }): Promise<null> => {
      await throwIfCanceled(catalog, input.jobId);
      const { disk, jobId } = input;
      const machine = await catalog.machines.read(jobId);
      const info = machine?.disks.find((candidate) => candidate.lun === disk.lun);
      if (!info) throw new AppError('disk.not-found', `the recorded VM of job ${jobId} has no disk ${disk.lun}`);
      await catalog.intents.record(jobId, 'snapshot', disk.snapshotId);
      await compute.startSnapshot({
        snapshotId: disk.snapshotId,
        disk: info,
        region: input.region,
        tags: { [jobTag]: jobId, [tenantTag]: settings.tenant, [sourceTag]: disk.uniqueId },
      });
      return null;
    },

    /** All usable, and each really of this disk: a snapshot of another disk under this name would be backed up as this one. */
    checkSnapshots: async (input: { jobId: string; disks: readonly ScopeDisk[] }): Promise<SnapshotCheck> => {
      await throwIfCanceled(catalog, input.jobId);
      let pending = 0;
      for (const disk of input.disks) {
        const snapshot = await compute.getSnapshot(disk.snapshotId);
        if (snapshot.state === 'pending') pending += 1;
        if (snapshot.state === 'failed' || snapshot.state === 'gone') {
          throw new AppError(
            'snapshot.failed',
            `Azure reports the snapshot of disk ${disk.lun} (job ${input.jobId}) as ${snapshot.state}; look at the disk's activity log`,
          );
        }
        if (snapshot.state === 'usable' && snapshot.sourceUniqueId !== disk.uniqueId) {
          throw new AppError(
            'snapshot.stale',
            `disk ${disk.lun} was replaced while job ${input.jobId} ran: its snapshot is of another disk; start the backup again`,
          );
        }
      }
      return { pending };
    },

    /** Idempotent; the intent 'access' was recorded when the transfer was prepared. */
    endAccess: async (input: { jobId: string; snapshotId: string }): Promise<null> => {
      await compute.revokeSnapshotAccess(input.snapshotId);
      await catalog.intents.close(input.jobId, 'access', input.snapshotId);
      return null;
    },

    removeSnapshot: async (input: { jobId: string; snapshotId: string; madeBy?: string }): Promise<null> => {
      await compute.deleteSnapshot(input.snapshotId);
      await catalog.intents.close(input.jobId, 'access', input.snapshotId);
      await catalog.intents.close(input.madeBy ?? input.jobId, 'snapshot', input.snapshotId);
      return null;
    },
  };
}
