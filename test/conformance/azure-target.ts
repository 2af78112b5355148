/**
 * Where the Azure conformance suites run: the simulator in this process, or a real subscription when all of these are
 * set (credentials by `DefaultAzureCredential`; snapshots and a disk are made in the group and removed again):
 *
 *   CONFORMANCE_AZURE_SUBSCRIPTION   subscription id
 *   CONFORMANCE_AZURE_GROUP          an existing resource group
 *   CONFORMANCE_AZURE_LOCATION       its region
 *   CONFORMANCE_AZURE_DISK           resource id of a managed disk in that region and subscription
 */
import { ComputeManagementClient } from '@azure/arm-compute';
import { DefaultAzureCredential } from '@azure/identity';
import { LOCATION, MIB, resource, SNAPSHOT_GROUP, startAzureFixture } from '../cloud/arm-fixture';
import type { ArmTarget } from './arm';

export interface AzureTarget extends ArmTarget {
  /** Changes and clears parts of the disk, where that is in our hand; on Azure its VM does. */
  changeDisk(): void;
  close(): Promise<void>;
}

export async function openAzureTarget(): Promise<AzureTarget> {
  const { env } = process;
  const subscription = env['CONFORMANCE_AZURE_SUBSCRIPTION'];
  const resourceGroup = env['CONFORMANCE_AZURE_GROUP'];
  const location = env['CONFORMANCE_AZURE_LOCATION'];
  const diskId = env['CONFORMANCE_AZURE_DISK'];
  if (subscription !== undefined && resourceGroup !== undefined && location !== undefined && diskId !== undefined) {
    const client = new ComputeManagementClient(new DefaultAzureCredential(), subscription);
    return {
      client,
      resourceGroup,
      location,
      diskId,
      updateIntervalInMs: 5_000,
      changeDisk: () => undefined,
      close: async () => undefined,
    };
  }
  const fixture = await startAzureFixture();
  return {
    client: fixture.compute,
    resourceGroup: SNAPSHOT_GROUP,
    location: LOCATION,
    diskId: resource('disks', 'web-os'),
    updateIntervalInMs: 5,
    changeDisk() {
      const { volumes, resources } = fixture.azure.world;
      const volumeId = resources.get(resource('disks', 'web-os'))?.state.volumeId ?? '';
      volumes.write(volumeId, 64 * 1024, Buffer.alloc(12 * 1024, 'changed'));
      volumes.clear(volumeId, 2 * MIB, 2 * MIB + 40_960);
      volumes.write(volumeId, 2 * MIB + 8192, Buffer.alloc(4096, 'between'));
    },
    close: () => fixture.close(),
  };
}
