/** The control plane's view of Azure: VMs, disks and snapshots through `@azure/arm-compute`. */
import type { Disk, VirtualMachine } from '@azure/arm-compute';
import { isAppError } from '../model/errors';
import type { Compute } from '../workflows/ports';
import { Arm, type ArmOptions } from './arm';
import { createDiskAccess } from './disk-access';
import { type DisksById, diskIdsOf, machineOf, sizeOf } from './machines';
import {
  deleteSnapshot,
  getSnapshotState,
  listSnapshotStates,
  revokeSnapshotAccess,
  type SnapshotSettings,
  startSnapshot,
  unlessGone,
} from './snapshots';
import { createUploadDisk, discardUploadDisk, findDisk, finishUploadDisk } from './upload-disks';

export interface ComputeOptions extends ArmOptions, Partial<SnapshotSettings> {}

/** Name of the tag with the job's id that tells our snapshots and restored disks from all others. */
export const defaultJobTag = 'blockferry-job';

export function createCompute(options: ComputeOptions): Compute {
  const arm = new Arm(options);
  const settings: SnapshotSettings = {
    jobTag: options.jobTag ?? defaultJobTag,
    networkAccessPolicy: options.networkAccessPolicy ?? 'AllowAll',
    ...(options.diskAccessId ? { diskAccessId: options.diskAccessId } : {}),
  };
  return {
    listMachines: async (subscription) => {
      // One list of VMs and one of disks: a GET a VM would drain ARM's read bucket (C1 of the mechanics).
      const [vms, listed] = await Promise.all([listVms(arm, subscription), listDisks(arm, subscription)]);
      const disks = await withMissingDisks(arm, vms, listed);
      return vms.map((vm) => machineOf(vm, disks));
    },
    getMachine: async (vmId) => {
      const vm = await unlessGone('vm.not-found', () =>
        arm.onResource(
          { what: 'reading VM', id: vmId, type: 'virtualMachines', meaning: { notFound: 'vm.not-found' } },
          (client, id, { abortSignal }) => client.virtualMachines.get(id.resourceGroup, id.name, { abortSignal }),
        ),
      );
      return vm ? machineOf(vm, await withMissingDisks(arm, [vm], new Map())) : undefined;
    },
    getDisk: async (diskId) => {
      const disk = await findDisk(arm, diskId);
      return disk
        ? { uniqueId: disk.uniqueId ?? '', state: disk.diskState ?? 'Unknown', sizeBytes: sizeOf(disk) ?? 0 }
        : undefined;
    },
    startSnapshot: (request) => startSnapshot(arm, settings, request),
    getSnapshot: (snapshotId) => getSnapshotState(arm, snapshotId),
    listSnapshots: (subscription, resourceGroup) => listSnapshotStates(arm, settings, subscription, resourceGroup),
    revokeSnapshotAccess: (snapshotId) => revokeSnapshotAccess(arm, snapshotId),
    deleteSnapshot: (snapshotId) => deleteSnapshot(arm, snapshotId),
    hasResourceGroup: (subscription, resourceGroup) => hasResourceGroup(arm, subscription, resourceGroup),
    createUploadDisk: (request) => createUploadDisk(arm, settings.jobTag, request),
    finishUploadDisk: (diskId) => finishUploadDisk(arm, diskId),
    discardUploadDisk: (diskId, jobId) =>
      discardUploadDisk(arm, {
        jobTag: settings.jobTag,
        diskId,
        jobId,
        writeFooter: (id, bytes) => writeFooter(options, id, bytes),
      }),
  };
}

async function writeFooter(options: ComputeOptions, diskId: string, diskBytes: number): Promise<void> {
  const access = createDiskAccess(options);
  try {
    const writer = await access.openUpload({ diskId, diskBytes });
    await writer.flush(AbortSignal.timeout(120_000));
  } finally {
    await access.close();
  }
}

/** Asked of the compute provider, as its client is at hand: listing the disks of a group that does not exist is a 404. */
async function hasResourceGroup(arm: Arm, subscription: string, resourceGroup: string): Promise<boolean> {
  const request = {
    what: `looking for resource group ${resourceGroup}`,
    subscription,
    meaning: { notFound: 'restore.target-invalid' },
  } as const;
  try {
    return await arm.call(request, async (client, { abortSignal }) => {
      await client.disks.listByResourceGroup(resourceGroup, { abortSignal }).next();
      return true;
    });
  } catch (error) {
    if (isAppError(error, 'restore.target-invalid')) return false;
    throw error;
  }
}

async function listVms(arm: Arm, subscription: string): Promise<VirtualMachine[]> {
  return arm.call({ what: 'listing VMs', subscription }, async (client, { abortSignal }) => {
    const vms: VirtualMachine[] = [];
    for await (const vm of client.virtualMachines.listAll({ abortSignal })) vms.push(vm);
    return vms;
  });
}

async function listDisks(arm: Arm, subscription: string): Promise<DisksById> {
  return arm.call({ what: 'listing disks', subscription }, async (client, { abortSignal }) => {
    const disks = new Map<string, Disk>();
    for await (const disk of client.disks.list({ abortSignal })) if (disk.id) disks.set(disk.id.toLowerCase(), disk);
    return disks;
  });
}

/** A disk made between the two lists, or one we may not list, is asked for by id; those that do not exist stay missing. */
async function withMissingDisks(arm: Arm, vms: readonly VirtualMachine[], known: DisksById): Promise<DisksById> {
  const disks = new Map(known);
  for (const vm of vms) {
    for (const diskId of diskIdsOf(vm)) {
      if (disks.has(diskId.toLowerCase())) continue;
      const disk = await findDisk(arm, diskId);
      if (disk) disks.set(diskId.toLowerCase(), disk);
    }
  }
  return disks;
}
