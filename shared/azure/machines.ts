/** Azure's description of VMs and disks, reduced to the model. Pure; `compute.ts` does the asking. */
import type { Disk, VirtualMachine } from '@azure/arm-compute';
import { GIB } from '../model/limits';
import { type DiskInfo, type Machine, unsupportedSkus } from '../model/machine';

type OsDisk = NonNullable<NonNullable<VirtualMachine['storageProfile']>['osDisk']>;
type DataDisk = NonNullable<NonNullable<VirtualMachine['storageProfile']>['dataDisks']>[number];

/** Managed disks by lower-case id, as ARM ids compare. */
export type DisksById = ReadonlyMap<string, Disk>;

/** Ids of the managed disks a VM names; those not in a listing have to be asked for one by one. */
export function diskIdsOf(vm: VirtualMachine): string[] {
  const { osDisk, dataDisks } = vm.storageProfile ?? {};
  return [osDisk, ...(dataDisks ?? [])].flatMap((disk) => disk?.managedDisk?.id ?? []);
}

export function machineOf(vm: VirtualMachine, disks: DisksById): Machine {
  const { osDisk, dataDisks } = vm.storageProfile ?? {};
  return {
    id: vm.id ?? '',
    name: vm.name ?? '',
    uniqueId: vm.vmId ?? '',
    region: regionOf(vm.location),
    size: vm.hardwareProfile?.vmSize ?? '',
    ...(vm.zones?.length ? { zones: vm.zones } : {}),
    tags: vm.tags ?? {},
    networkInterfaceIds: (vm.networkProfile?.networkInterfaces ?? []).flatMap((nic) => nic.id ?? []),
    disks: [
      ...(osDisk ? [diskInfoOf('os', osDisk, disks)] : []),
      ...(dataDisks ?? [])
        .filter((disk) => !disk.toBeDetached)
        .sort((a, b) => a.lun - b.lun)
        .map((disk) => diskInfoOf(disk.lun, disk, disks)),
    ],
  };
}

function diskInfoOf(lun: DiskInfo['lun'], attached: OsDisk | DataDisk, disks: DisksById): DiskInfo {
  const diskId = attached.managedDisk?.id ?? '';
  const disk = disks.get(diskId.toLowerCase());
  const ephemeral = 'diffDiskSettings' in attached && attached.diffDiskSettings?.option !== undefined;
  const sku = ephemeral
    ? unsupportedSkus.ephemeral
    : diskId === ''
      ? unsupportedSkus.unmanaged
      : (disk?.sku?.name ?? attached.managedDisk?.storageAccountType ?? unsupportedSkus.missing);
  const osType = disk?.osType ?? ('osType' in attached ? attached.osType : undefined);
  const encryptionSetId = disk?.encryption?.diskEncryptionSetId;
  const securityType = disk?.securityProfile?.securityType;
  return {
    lun,
    diskId,
    name: disk?.name ?? attached.name ?? '',
    uniqueId: disk?.uniqueId ?? '',
    sizeBytes: sizeOf(disk) ?? (attached.diskSizeGB ?? 1) * GIB,
    sku: disk || ephemeral || diskId === '' ? sku : unsupportedSkus.missing,
    ...(osType === 'Linux' || osType === 'Windows' ? { osType } : {}),
    ...(disk?.hyperVGeneration ? { hyperVGeneration: disk.hyperVGeneration } : {}),
    ...(disk?.zones?.length ? { zones: disk.zones } : {}),
    logicalSectorBytes: disk?.creationData?.logicalSectorSize ?? 512,
    ...(attached.caching ? { caching: attached.caching } : {}),
    ...(encryptionSetId ? { diskEncryptionSetId: encryptionSetId } : {}),
    ...(securityType ? { securityType } : {}),
    tags: disk?.tags ?? {},
  };
}

export const sizeOf = (disk: Pick<Disk, 'diskSizeBytes' | 'diskSizeGB'> | undefined): number | undefined =>
  disk?.diskSizeBytes ?? (disk?.diskSizeGB === undefined ? undefined : disk.diskSizeGB * GIB);

/** ARM accepts and sometimes returns display names: "West Europe" is westeurope. */
export const regionOf = (location: string | undefined): string => (location ?? '').toLowerCase().replaceAll(' ', '');
