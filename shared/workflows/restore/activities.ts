/** Restore side effects: targets are made, finished or discarded; nothing that existed before is touched. */
import { requireLivePoint } from '../../blockstore/points';
import { openSession } from '../../blockstore/session';
import { AppError } from '../../model/errors';
import { computeId } from '../../model/ids';
import type { Lun } from '../../model/machine';
import { planWindows } from '../../model/transfer';
import { jobTag, tenantTag, type WorkflowDependencies } from '../dependencies';
import { throwIfCanceled } from '../jobs';
import type { TransferDisk, TransferPlan, TransferTarget } from '../transfer/contracts';
import type { RestoreJobInput, RestoreScope, RestoreTarget } from './contracts';

type Part = { readonly jobId: string; readonly plan: TransferPlan; readonly lun: Lun };

export const finalImageName = (partialName: string): string => partialName.replace(/\.partial$/, '');

export function createRestoreActivities(deps: WorkflowDependencies) {
  const { catalog, compute, images, settings } = deps;
  const { tenant } = settings;

  return {
    beginRestore: async (input: RestoreJobInput & { jobId: string }): Promise<RestoreScope> => {
      const { jobId } = input;
      await throwIfCanceled(catalog, jobId);
      const repository = await deps.openRepository({ role: 'reader', tenant, sessionId: jobId });
      await catalog.intents.record(jobId, 'session', jobId);
      await openSession(
        repository,
        { sessionId: jobId, vmKey: input.vmKey, kind: 'RESTORE' },
        AbortSignal.timeout(60_000),
      );
      const point = await requireLivePoint(repository, input.vmKey, input.pointId);
      const disks = input.luns.map((lun): TransferDisk => {
        const disk = point.disks.find((candidate) => candidate.lun === lun);
        if (!disk) throw new AppError('request.invalid', `restore point ${point.id} has no disk ${lun}`);
        return {
          lun,
          diskBytes: disk.sizeBytes,
          work: { kind: 'restore', pointId: point.id, target: targetOf(jobId, point.machine.name, lun, input.target) },
        };
      });
      const region = input.target.kind === 'disk' && input.target.region ? input.target.region : point.machine.region;
      const plan: TransferPlan = {
        jobId,
        tenant,
        vmKey: input.vmKey,
        region,
        windowBytes: settings.windowBytes,
        disks,
      };
      await catalog.machines.put(jobId, point.machine);
      await catalog.jobs.setPlan(jobId, {
        bytesTotal: disks.reduce((sum, disk) => sum + disk.diskBytes, 0),
        windowsTotal: disks.reduce((sum, disk) => sum + planWindows(disk.diskBytes, settings.windowBytes).length, 0),
      });
      await catalog.jobs.update(jobId, (job) => ({
        ...job,
        targets: disks.map((disk) => ({ lun: disk.lun, target: describeTarget(targetIn(plan, disk.lun)) })),
      }));
      return { jobId, plan, pollMs: settings.pollMs, stallMs: settings.stallMs };
    },

    createTarget: async ({ jobId, plan, lun }: Part): Promise<null> => {
      await throwIfCanceled(catalog, jobId);
      const target = targetIn(plan, lun);
      if (target.kind === 'image') return null;
      const machine = await catalog.machines.read(jobId);
      const template = machine?.disks.find((disk) => disk.lun === lun);
      const disk = plan.disks.find((candidate) => candidate.lun === lun);
      if (!template || !disk) throw new AppError('record.not-found', `job ${jobId} has no description of disk ${lun}`);
      await catalog.intents.record(jobId, 'upload-disk', target.diskId);
      await compute.createUploadDisk({
        diskId: target.diskId,
        region: plan.region,
        // The size of the point, not of the disk as it was described: it may have been resized between the two.
        template: { ...template, sizeBytes: disk.diskBytes },
        tags: { [jobTag]: jobId, [tenantTag]: tenant },
      });
      return null;
    },

    finishTarget: async ({ jobId, plan, lun }: Part): Promise<null> => {
      const target = targetIn(plan, lun);
      if (target.kind === 'image') await images.finish(target.name, finalImageName(target.name));
      else {
        await compute.finishUploadDisk(target.diskId);
        await catalog.intents.close(jobId, 'upload-disk', target.diskId);
      }
      return null;
    },

    discardTarget: async ({ jobId, plan, lun }: Part): Promise<null> => {
      const target = targetIn(plan, lun);
      if (target.kind === 'image') await images.discard(target.name);
      else {
        await compute.discardUploadDisk(target.diskId, jobId);
        await catalog.intents.close(jobId, 'upload-disk', target.diskId);
      }
      return null;
    },
  };
}

function targetOf(jobId: string, vmName: string, lun: Lun, target: RestoreTarget): TransferTarget {
  const suffix = lun === 'os' ? 'os' : `lun${lun}`;
  if (target.kind === 'image') return { kind: 'image', name: `${jobId}-${suffix}.img.partial` };
  const name = `${target.namePrefix ?? `${vmName.slice(0, 40)}-restored`}-${suffix}-${jobId.slice(-8)}`.slice(0, 80);
  return { kind: 'disk', diskId: computeId(target.subscription, target.resourceGroup, 'disks', name) };
}

function targetIn(plan: TransferPlan, lun: Lun): TransferTarget {
  const work = plan.disks.find((disk) => disk.lun === lun)?.work;
  if (work?.kind !== 'restore') throw new AppError('request.invalid', `job ${plan.jobId} restores no disk ${lun}`);
  return work.target;
}

const describeTarget = (target: TransferTarget): string =>
  target.kind === 'image' ? finalImageName(target.name) : target.diskId;
