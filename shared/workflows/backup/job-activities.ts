/** Begin, phases and end of a backup job. Each is safe to repeat: same job id, same records, same values. */
import { AppError } from '../../model/errors';
import { computeId, parseArmId, resourceKey, snapshotName } from '../../model/ids';
import { jobPhaseSchema } from '../../model/job';
import type { WorkflowDependencies } from '../dependencies';
import { canceled, throwIfCanceled } from '../jobs';
import type { BackupJobInput, BackupScope, JobEnd } from './contracts';
import { unsupportedDisks } from './vet';

export function createJobActivities(deps: WorkflowDependencies) {
  const { catalog, compute, clock, settings } = deps;

  const logEnd = async ({ jobId, status, failure, notes }: JobEnd): Promise<void> => {
    for (const [index, note] of notes.entries()) {
      await catalog.jobLog.write(jobId, `note-${index}`, { level: 'warn', message: note });
    }
    const message = failure === undefined ? `ended: ${status}` : `ended: ${status}: ${failure.message}`;
    await catalog.jobLog.write(jobId, 'end', {
      level: status === 'failed' ? 'error' : 'info',
      message,
      ...(failure === undefined ? {} : { code: failure.code }),
    });
  };

  return {
    /** Reads the VM once and fixes the job's scope. The machine is kept for the point's recipe: as it was at this moment. */
    beginBackup: async (input: BackupJobInput & { jobId: string }): Promise<BackupScope> => {
      const { jobId } = input;
      await throwIfCanceled(catalog, jobId);
      const vmKey = resourceKey(input.vmId);
      const lease = await catalog.leases.acquire(vmKey, jobId);
      if (!lease.acquired) {
        throw new AppError('request.conflict', `job ${lease.holder} is backing up this VM; wait for it or cancel it`);
      }
      const recorded = await catalog.machines.read(jobId);
      const machine = recorded ?? (await compute.getMachine(input.vmId));
      if (!machine) throw new AppError('vm.not-found', `Azure knows no VM ${input.vmId}; it may have been deleted`);
      const unsupported = unsupportedDisks(machine, input.excludeLuns);
      if (unsupported.length > 0) {
        const list = unsupported.map((disk) => `disk ${disk.lun}: ${disk.reason}`).join('; ');
        throw new AppError(
          'disk.unsupported',
          `VM ${machine.name} has disks that cannot be backed up (${list}); exclude them in the policy by LUN`,
        );
      }
      if (!recorded) await catalog.machines.put(jobId, machine);
      const { subscription } = parseArmId(machine.id);
      const disks = machine.disks.filter((disk) => disk.lun === 'os' || !input.excludeLuns.includes(disk.lun));
      if (disks.length === 0)
        throw new AppError('vm.unsupported', `the policy excludes every disk of VM ${machine.name}`);
      return {
        jobId,
        vmKey,
        region: machine.region,
        disks: disks.map((disk) => ({
          lun: disk.lun,
          diskId: disk.diskId,
          uniqueId: disk.uniqueId,
          sizeBytes: disk.sizeBytes,
          snapshotId: computeId(subscription, settings.snapshotGroup, 'snapshots', snapshotName(jobId, disk.lun)),
        })),
        pollMs: settings.pollMs,
        stallMs: settings.stallMs,
        ...(input.zstdLevel === undefined ? {} : { zstdLevel: input.zstdLevel }),
      };
    },

    enterPhase: async (input: { jobId: string; phase: string }): Promise<null> => {
      const phase = jobPhaseSchema.parse(input.phase);
      // Looked at within the change: a cancel that was accepted must not be overtaken by the next phase.
      await catalog.jobs.update(input.jobId, (job) => {
        if (job.cancelRequested) throw canceled(input.jobId);
        return { ...job, phase };
      });
      await catalog.jobLog.write(input.jobId, `phase-${phase}`, { level: 'info', message: `phase: ${phase}` });
      return null;
    },

    endJob: async (end: JobEnd & { vmKey?: string }): Promise<null> => {
      const { stats: reported } = await catalog.jobs.progress(end.jobId);
      await catalog.jobs.update(end.jobId, (job) => ({
        ...job,
        status: end.status,
        phase: 'ended',
        endedAt: job.endedAt ?? new Date(clock.now()).toISOString(),
        stats: job.stats ?? reported,
        notes: [...end.notes],
        ...(end.failure ? { error: end.failure } : {}),
      }));
      await logEnd(end);
      const job = await catalog.jobs.read(end.jobId);
      if (job?.kind === 'backup') await catalog.leases.release(end.vmKey ?? resourceKey(job.vmId), end.jobId);
      deps.logger.info('job ended', { jobId: end.jobId, status: end.status, code: end.failure?.code });
      return null;
    },
  };
}
