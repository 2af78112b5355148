/** What every ARM compute endpoint must do for a backup: the same sentences for the simulator and for Azure. */
import type { ComputeManagementClient } from '@azure/arm-compute';

export interface ArmTarget {
  readonly client: ComputeManagementClient;
  /** For snapshots; must exist. */
  readonly resourceGroup: string;
  readonly location: string;
  /** A managed disk of the subscription, attached or not. Two snapshots of it are made and removed. */
  readonly diskId: string;
  /** Pace of the polling. */
  readonly updateIntervalInMs: number;
}

export function armConformance(target: () => ArmTarget): void {
  const stamp = Date.now().toString(36);
  const names = [`conformance-${stamp}-1`, `conformance-${stamp}-2`] as const;
  const pace = () => ({ updateIntervalInMs: target().updateIntervalInMs });
  const [diskGroup, diskName] = [() => target().diskId.split('/')[4] ?? '', () => target().diskId.split('/')[8] ?? ''];
  const take = (name: string, tags: Record<string, string> = {}) =>
    target().client.snapshots.createOrUpdate(
      target().resourceGroup,
      name,
      {
        location: target().location,
        tags,
        incremental: true,
        creationData: { createOption: 'Copy', sourceResourceId: target().diskId },
      },
      pace(),
    );
  const grant = (name: string) =>
    target().client.snapshots.grantAccess(
      target().resourceGroup,
      name,
      { access: 'Read', durationInSeconds: 900 },
      pace(),
    );

  afterAll(async () => {
    for (const name of names) {
      await target()
        .client.snapshots.revokeAccess(target().resourceGroup, name, pace())
        .then(undefined, () => undefined);
      await target().client.snapshots.delete(target().resourceGroup, name, pace());
    }
  });

  test('an incremental snapshot names its disk, its family and its instant', async () => {
    const disk = await target().client.disks.get(diskGroup(), diskName());
    const startedAt = Date.now();
    const snapshot = await take(names[0]);
    expect(snapshot.provisioningState).toBe('Succeeded');
    expect(snapshot.incremental).toBe(true);
    expect(snapshot.incrementalSnapshotFamilyId).toMatch(/^[0-9a-f-]{36}$/);
    expect(snapshot.creationData?.sourceUniqueId).toBe(disk.uniqueId);
    expect(snapshot.diskSizeBytes).toBe(disk.diskSizeBytes);
    expect(snapshot.timeCreated?.getTime()).toBeGreaterThan(startedAt - 60_000);
  });

  test('a PUT on a present name succeeds and takes no new snapshot', async () => {
    const before = await target().client.snapshots.get(target().resourceGroup, names[0]);
    const after = await take(names[0], { again: 'yes' });
    expect(after.timeCreated).toEqual(before.timeCreated);
    expect(after.uniqueId).toBe(before.uniqueId);
  });

  test('a second snapshot of the disk is of the same family', async () => {
    const first = await target().client.snapshots.get(target().resourceGroup, names[0]);
    const second = await take(names[1]);
    expect(second.incrementalSnapshotFamilyId).toBe(first.incrementalSnapshotFamilyId);
    expect(second.uniqueId).not.toBe(first.uniqueId);
  });

  test('the list of the group has both', async () => {
    const found: (string | undefined)[] = [];
    for await (const { name } of target().client.snapshots.listByResourceGroup(target().resourceGroup))
      found.push(name);
    expect(found).toEqual(expect.arrayContaining([...names]));
  });

  test('an access is a URL with a signature, and shows in the state', async () => {
    const { accessSAS } = await grant(names[0]);
    expect(accessSAS).toMatch(/^https?:\/\/.+[?&]sig=/);
    expect((await target().client.snapshots.get(target().resourceGroup, names[0])).diskState).toBe('ActiveSAS');
  });

  test('a snapshot with an active access is not deleted', async () => {
    await expect(target().client.snapshots.delete(target().resourceGroup, names[0], pace())).rejects.toThrow();
    expect((await target().client.snapshots.get(target().resourceGroup, names[0])).name).toBe(names[0]);
  });

  test('revoking twice is harmless', async () => {
    await target().client.snapshots.revokeAccess(target().resourceGroup, names[0], pace());
    await target().client.snapshots.revokeAccess(target().resourceGroup, names[0], pace());
    expect((await target().client.snapshots.get(target().resourceGroup, names[0])).diskState).toBe('Unattached');
  });

  test('what is not there is a 404 ResourceNotFound', async () => {
    await expect(target().client.snapshots.get(target().resourceGroup, `${names[0]}-none`)).rejects.toMatchObject({
      statusCode: 404,
      code: 'ResourceNotFound',
    });
  });
}
