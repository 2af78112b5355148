import {
  type AzureFixture,
  DISK_BYTES,
  GROUP,
  LOCATION,
  MIB,
  resource,
  SNAPSHOT_GROUP,
  startAzureFixture,
} from './arm-fixture';

const INTERVAL = { updateIntervalInMs: 5 };

let fixture: AzureFixture;
beforeEach(async () => {
  fixture = await startAzureFixture();
});
afterEach(() => fixture.close());

const vmBody = (osDisk: string, dataDisks: readonly string[] = []) => ({
  location: LOCATION,
  storageProfile: {
    osDisk: { createOption: 'Attach', osType: 'Linux' as const, managedDisk: { id: resource('disks', osDisk) } },
    dataDisks: dataDisks.map((name, lun) => ({
      createOption: 'Attach',
      lun,
      managedDisk: { id: resource('disks', name) },
    })),
  },
});

async function emptyDisk(name: string, location = LOCATION) {
  return fixture.compute.disks.createOrUpdate(
    GROUP,
    name,
    { location, diskSizeGB: 1, creationData: { createOption: 'Empty' } },
    INTERVAL,
  );
}

describe('virtual machines', () => {
  test('the seeded VM is listed with its disks attached', async () => {
    const names: (string | undefined)[] = [];
    for await (const vm of fixture.compute.virtualMachines.listAll()) names.push(vm.name);
    expect(names).toEqual(['web']);
    const vm = await fixture.compute.virtualMachines.get(GROUP, 'web', { expand: 'userData' });
    expect(vm).toMatchObject({
      location: LOCATION,
      tags: { backup: 'daily' },
      provisioningState: 'Succeeded',
      storageProfile: {
        osDisk: { name: 'web-os', osType: 'Linux', managedDisk: { id: resource('disks', 'web-os') } },
        dataDisks: [{ lun: 0, name: 'web-data' }],
      },
    });
    const disk = await fixture.compute.disks.get(GROUP, 'web-data');
    expect(disk).toMatchObject({ diskState: 'Attached', managedBy: vm.id, diskSizeBytes: DISK_BYTES, diskSizeGB: 1 });
  });

  test('lists by group come in pages', async () => {
    fixture.azure.world.behaviour.listPageSize = 1;
    await emptyDisk('other-os');
    await fixture.compute.virtualMachines.createOrUpdate(GROUP, 'other', vmBody('other-os'), INTERVAL);
    const names: (string | undefined)[] = [];
    for await (const vm of fixture.compute.virtualMachines.list(GROUP)) names.push(vm.name);
    expect(names).toEqual(['other', 'web']);
  });

  test('deleting a VM detaches its disks, and a new VM can take them', async () => {
    await fixture.compute.virtualMachines.delete(GROUP, 'web', INTERVAL);
    expect((await fixture.compute.disks.get(GROUP, 'web-os')).diskState).toBe('Unattached');
    const vm = await fixture.compute.virtualMachines.createOrUpdate(
      GROUP,
      'again',
      vmBody('web-os', ['web-data']),
      INTERVAL,
    );
    expect(vm.provisioningState).toBe('Succeeded');
    expect((await fixture.compute.disks.get(GROUP, 'web-data')).managedBy).toBe(resource('virtualMachines', 'again'));
  });

  test('a disk made again under its name is another one: unique id and family are new', async () => {
    const { compute } = fixture;
    const location = LOCATION;
    const take = (name: string) =>
      compute.snapshots.createOrUpdate(
        SNAPSHOT_GROUP,
        name,
        {
          location,
          incremental: true,
          creationData: { createOption: 'Copy', sourceResourceId: resource('disks', 'twice') },
        },
        INTERVAL,
      );
    const make = () =>
      compute.disks.createOrUpdate(
        GROUP,
        'twice',
        { location, diskSizeGB: 1, creationData: { createOption: 'Empty' } },
        INTERVAL,
      );
    const [disk, snapshot] = [await make(), await take('t1')];
    await compute.disks.delete(GROUP, 'twice', INTERVAL);
    const [other, otherSnapshot] = [await make(), await take('t2')];
    expect(other.id).toBe(disk.id);
    expect(other.uniqueId).not.toBe(disk.uniqueId);
    expect(otherSnapshot.creationData?.sourceUniqueId).toBe(other.uniqueId);
    expect(otherSnapshot.incrementalSnapshotFamilyId).not.toBe(snapshot.incrementalSnapshotFamilyId);
    // The first disk's snapshot outlives it.
    expect((await compute.snapshots.get(SNAPSHOT_GROUP, 't1')).creationData?.sourceUniqueId).toBe(disk.uniqueId);
  });

  test('a deleted VM does not come back with the next start', async () => {
    await fixture.compute.virtualMachines.delete(GROUP, 'web', INTERVAL);
    fixture = await fixture.restart();
    await expect(fixture.compute.virtualMachines.get(GROUP, 'web')).rejects.toMatchObject({ statusCode: 404 });
  });

  test('osProfile, a disk of another VM, a missing disk and another region are refused', async () => {
    const create = (body: Parameters<typeof fixture.compute.virtualMachines.createOrUpdate>[2]) =>
      fixture.compute.virtualMachines.createOrUpdate(GROUP, 'bad', body, INTERVAL);
    await emptyDisk('free');
    await expect(create({ ...vmBody('free'), osProfile: { computerName: 'x' } })).rejects.toMatchObject({
      code: 'InvalidParameter',
    });
    await expect(create(vmBody('web-os'))).rejects.toMatchObject({ statusCode: 409 });
    await expect(create(vmBody('none'))).rejects.toMatchObject({ statusCode: 404 });
    await expect(create({ ...vmBody('free'), location: 'northeurope' })).rejects.toMatchObject({ statusCode: 400 });
    expect((await fixture.compute.disks.get(GROUP, 'free')).diskState).toBe('Unattached');
  });

  test('the OS disk is exchanged only while the VM is deallocated', async () => {
    await emptyDisk('new-os');
    const swap = () =>
      fixture.compute.virtualMachines.createOrUpdate(GROUP, 'web', vmBody('new-os', ['web-data']), INTERVAL);
    await expect(swap()).rejects.toMatchObject({ statusCode: 409 });
    await fixture.compute.virtualMachines.deallocate(GROUP, 'web', INTERVAL);
    expect((await fixture.compute.disks.get(GROUP, 'web-data')).diskState).toBe('Reserved');
    await swap();
    await fixture.compute.virtualMachines.start(GROUP, 'web', INTERVAL);
    const states = await Promise.all(
      ['web-os', 'new-os'].map(async (name) => (await fixture.compute.disks.get(GROUP, name)).diskState),
    );
    expect(states).toEqual(['Unattached', 'Attached']);
  });
});

describe('disks', () => {
  test('an attached disk can neither be deleted nor exported', async () => {
    await expect(fixture.compute.disks.delete(GROUP, 'web-os', INTERVAL)).rejects.toMatchObject({ statusCode: 409 });
    await expect(
      fixture.compute.disks.grantAccess(GROUP, 'web-os', { access: 'Read', durationInSeconds: 60 }, INTERVAL),
    ).rejects.toMatchObject({ statusCode: 409, code: 'OperationNotAllowed' });
  });

  test('a disk from a snapshot has its bytes and its own life', async () => {
    await fixture.compute.snapshots.createOrUpdate(
      SNAPSHOT_GROUP,
      's1',
      {
        location: LOCATION,
        incremental: true,
        creationData: { createOption: 'Copy', sourceResourceId: resource('disks', 'web-os') },
      },
      INTERVAL,
    );
    const disk = await fixture.compute.disks.createOrUpdate(
      GROUP,
      'copy',
      {
        location: LOCATION,
        creationData: { createOption: 'Copy', sourceResourceId: resource('snapshots', 's1', SNAPSHOT_GROUP) },
      },
      INTERVAL,
    );
    expect(disk).toMatchObject({ osType: 'Linux', diskState: 'Unattached', diskSizeBytes: DISK_BYTES });
    await fixture.compute.snapshots.delete(SNAPSHOT_GROUP, 's1', INTERVAL);
    const { world } = fixture.azure;
    const volume = world.volumes.get(world.resources.get(resource('disks', 'copy'))?.state.volumeId ?? '');
    expect(world.volumes.read(volume, 0, DISK_BYTES).equals(fixture.images.os)).toBe(true);
    await fixture.compute.disks.delete(GROUP, 'copy', INTERVAL);
    await expect(fixture.compute.disks.get(GROUP, 'copy')).rejects.toMatchObject({ statusCode: 404 });
  });

  test('an upload size that is no fixed VHD is refused; a disk grows and never shrinks', async () => {
    const upload = (uploadSizeBytes: number) =>
      fixture.compute.disks.createOrUpdate(
        GROUP,
        'up',
        { location: LOCATION, creationData: { createOption: 'Upload', uploadSizeBytes } },
        INTERVAL,
      );
    await expect(upload(20 * MIB)).rejects.toMatchObject({ statusCode: 400 });
    await expect(upload(10 * MIB + 512)).rejects.toMatchObject({ statusCode: 400 });
    await emptyDisk('grows');
    const grown = await fixture.compute.disks.update(GROUP, 'grows', { diskSizeGB: 3 }, INTERVAL);
    expect(grown.diskSizeGB).toBe(3);
    await expect(fixture.compute.disks.update(GROUP, 'grows', { diskSizeGB: 2 }, INTERVAL)).rejects.toMatchObject({
      statusCode: 400,
    });
  });
});

describe('restore points', () => {
  const create = (name: string, excludeDisks: readonly { id: string }[] = []) =>
    fixture.compute.restorePoints.create(
      GROUP,
      'web-points',
      name,
      { consistencyMode: 'CrashConsistent', excludeDisks: [...excludeDisks] },
      INTERVAL,
    );

  beforeEach(async () => {
    await fixture.compute.restorePointCollections.createOrUpdate(GROUP, 'web-points', {
      location: LOCATION,
      source: { id: resource('virtualMachines', 'web') },
    });
  });

  test('one point has all disks of the VM, readable by SAS', async () => {
    const point = await create('p1');
    expect(point).toMatchObject({ consistencyMode: 'CrashConsistent', provisioningState: 'Succeeded' });
    const id = point.sourceMetadata?.storageProfile?.dataDisks?.[0]?.diskRestorePoint?.id ?? '';
    const name = id.split('/').at(-1) ?? '';
    const disk = await fixture.compute.diskRestorePoint.get(GROUP, 'web-points', 'p1', name);
    expect(disk.sourceResourceId).toBe(resource('disks', 'web-data'));
    const { accessSAS = '' } = await fixture.compute.diskRestorePoint.grantAccess(
      GROUP,
      'web-points',
      'p1',
      name,
      { access: 'Read', durationInSeconds: 60 },
      INTERVAL,
    );
    const bytes = Buffer.from(await (await fetch(accessSAS)).arrayBuffer());
    expect(bytes.subarray(0, DISK_BYTES).equals(fixture.images.data)).toBe(true);
    await expect(fixture.compute.restorePoints.delete(GROUP, 'web-points', 'p1', INTERVAL)).rejects.toMatchObject({
      statusCode: 409,
    });
    await fixture.compute.diskRestorePoint.revokeAccess(GROUP, 'web-points', 'p1', name, INTERVAL);
    await fixture.compute.restorePointCollections.delete(GROUP, 'web-points', INTERVAL);
    await expect(fixture.compute.restorePoints.get(GROUP, 'web-points', 'p1')).rejects.toMatchObject({
      statusCode: 404,
    });
  });

  test('disks can be left out; a fourth point within an hour is refused', async () => {
    const point = await create('p1', [{ id: resource('disks', 'web-data') }]);
    expect(point.sourceMetadata?.storageProfile?.dataDisks).toEqual([]);
    await create('p2');
    await create('p3');
    await expect(create('p4')).rejects.toMatchObject({ statusCode: 429 });
  });
});
