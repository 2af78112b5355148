/**
 * Runs the data-plane suite; how to point it at Azure stands in azure-target.ts. There the disk should be small: both
 * snapshots are read whole.
 */
import { type AzureTarget, openAzureTarget } from './azure-target';
import { type DiskTarget, diskConformance, UPLOAD_DISK_BYTES } from './disk';

describe('managed-disk data plane', () => {
  const stamp = Date.now().toString(36);
  const snapshots = [`conformance-d-${stamp}-1`, `conformance-d-${stamp}-2`] as const;
  const upload = `conformance-d-${stamp}-up`;
  let azure: AzureTarget;
  let target: DiskTarget;

  beforeAll(async () => {
    azure = await openAzureTarget();
    const { client, resourceGroup, location, diskId, updateIntervalInMs } = azure;
    const pace = { updateIntervalInMs };
    const sas: string[] = [];
    let diskSizeBytes = 0;
    for (const name of snapshots) {
      const creationData = { createOption: 'Copy', sourceResourceId: diskId };
      const made = await client.snapshots.createOrUpdate(
        resourceGroup,
        name,
        { location, incremental: true, creationData },
        pace,
      );
      diskSizeBytes = made.diskSizeBytes ?? 0;
      const access = await client.snapshots.grantAccess(
        resourceGroup,
        name,
        { access: 'Read', durationInSeconds: 3600 },
        pace,
      );
      sas.push(access.accessSAS ?? '');
      azure.changeDisk();
    }
    const creationData = { createOption: 'Upload', uploadSizeBytes: UPLOAD_DISK_BYTES + 512 };
    await client.disks.createOrUpdate(resourceGroup, upload, { location, creationData }, pace);
    const grant = async (access: 'Read' | 'Write') =>
      (await client.disks.grantAccess(resourceGroup, upload, { access, durationInSeconds: 3600 }, pace)).accessSAS ??
      '';
    target = {
      baseSas: sas[0] ?? '',
      nextSas: sas[1] ?? '',
      diskSizeBytes,
      uploadSas: await grant('Write'),
      async finishUpload() {
        await client.disks.revokeAccess(resourceGroup, upload, pace);
        return grant('Read');
      },
    };
  });

  diskConformance(() => target);

  afterAll(async () => {
    const { client, resourceGroup, updateIntervalInMs } = azure;
    const pace = { updateIntervalInMs };
    for (const name of snapshots) {
      await client.snapshots.revokeAccess(resourceGroup, name, pace);
      await client.snapshots.delete(resourceGroup, name, pace);
    }
    await client.disks.revokeAccess(resourceGroup, upload, pace);
    await client.disks.delete(resourceGroup, upload, pace);
    await azure.close();
  });
});
