import type { Disk, VirtualMachine } from '@azure/arm-compute';
import { machineOf, regionOf } from '../../shared/azure/machines';
import { stateOf } from '../../shared/azure/snapshots';
import { GIB } from '../../shared/model/limits';
import { machineSchema, unsupportedSkus } from '../../shared/model/machine';

const id = (type: string, name: string): string =>
  `/subscriptions/11111111-2222-3333-4444-555555555555/resourceGroups/App/providers/Microsoft.Compute/${type}/${name}`;

const vm: VirtualMachine = {
  id: id('virtualMachines', 'web'),
  name: 'web',
  location: 'West Europe',
  vmId: 'vm-unique',
  hardwareProfile: { vmSize: 'Standard_D4s_v5' },
  networkProfile: { networkInterfaces: [{ id: 'nic-1' }, {}] },
  storageProfile: {
    osDisk: {
      createOption: 'FromImage',
      osType: 'Linux',
      caching: 'ReadWrite',
      managedDisk: { id: id('disks', 'OS') },
    },
    dataDisks: [
      { lun: 7, createOption: 'Attach', managedDisk: { id: id('disks', 'missing') }, name: 'missing' },
      { lun: 2, createOption: 'Attach', vhd: { uri: 'https://old/disk.vhd' }, name: 'page-blob', diskSizeGB: 4 },
      { lun: 5, createOption: 'Attach', managedDisk: { id: id('disks', 'leaving') }, toBeDetached: true },
    ],
  },
};

const osDisk: Disk = {
  id: id('disks', 'os'),
  name: 'os',
  location: 'westeurope',
  uniqueId: 'disk-unique',
  diskSizeBytes: 32 * GIB,
  sku: { name: 'Premium_LRS' },
  creationData: { createOption: 'FromImage', logicalSectorSize: 512 },
};

describe('what Azure says about machines', () => {
  test('a VM is reduced to the model; ids compare without case; disks come by lun, the leaving one not', () => {
    const machine = machineOf(vm, new Map([[id('disks', 'os').toLowerCase(), osDisk]]));
    expect(machineSchema.parse(machine)).toMatchObject({
      region: 'westeurope',
      size: 'Standard_D4s_v5',
      networkInterfaceIds: ['nic-1'],
      disks: [
        {
          lun: 'os',
          uniqueId: 'disk-unique',
          sizeBytes: 32 * GIB,
          sku: 'Premium_LRS',
          caching: 'ReadWrite',
          osType: 'Linux',
        },
        { lun: 2, sku: unsupportedSkus.unmanaged, diskId: '', sizeBytes: 4 * GIB },
        { lun: 7, sku: unsupportedSkus.missing, name: 'missing' },
      ],
    });
  });

  test('an ephemeral OS disk is named as such, whatever disk stands behind it', () => {
    const profile = vm.storageProfile?.osDisk;
    const ephemeral = {
      ...vm,
      storageProfile: { osDisk: { createOption: 'FromImage', ...profile, diffDiskSettings: { option: 'Local' } } },
    };
    const machine = machineOf(ephemeral, new Map([[id('disks', 'os').toLowerCase(), osDisk]]));
    expect(machine.disks[0]?.sku).toBe(unsupportedSkus.ephemeral);
  });

  test('regions are told by their plain names', () => {
    expect([regionOf('West Europe'), regionOf('westeurope'), regionOf(undefined)]).toEqual([
      'westeurope',
      'westeurope',
      '',
    ]);
  });

  test.each([
    ['made, of a plain disk', {}, 'usable'],
    ['still being made', { provisioningState: 'Creating' }, 'pending'],
    ['still copied in the background', { completionPercent: 99 }, 'pending'],
    ['copied, readable', { completionPercent: 100, snapshotAccessState: 'AvailableWithInstantAccess' }, 'usable'],
    [
      'good for disks but not for download',
      { completionPercent: 100, snapshotAccessState: 'InstantAccess' },
      'pending',
    ],
    ['failed', { provisioningState: 'Failed' }, 'failed'],
    ['canceled', { provisioningState: 'Canceled' }, 'failed'],
    ['failed in the copy', { copyCompletionError: { errorCode: 'CopySourceNotFound', errorMessage: '' } }, 'failed'],
  ] as const)('a snapshot %s is judged right', (_name, change, state) => {
    const snapshot = { location: 'westeurope', provisioningState: 'Succeeded', ...change };
    expect(stateOf(snapshot).state).toBe(state);
  });
});
