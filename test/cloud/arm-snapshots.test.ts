import { setTimeout as sleep } from 'node:timers/promises';
import {
  type AzureFixture,
  computeClient,
  DISK_BYTES,
  LOCATION,
  resource,
  SNAPSHOT_GROUP,
  startAzureFixture,
} from './arm-fixture';

const DISK = resource('disks', 'web-data');
const INTERVAL = { updateIntervalInMs: 5 };

let fixture: AzureFixture;
beforeEach(async () => {
  fixture = await startAzureFixture();
});
afterEach(() => fixture.close());

function take(name: string, sourceResourceId = DISK, tags: Record<string, string> = {}) {
  return fixture.compute.snapshots.createOrUpdate(
    SNAPSHOT_GROUP,
    name,
    { location: LOCATION, tags, incremental: true, creationData: { createOption: 'Copy', sourceResourceId } },
    INTERVAL,
  );
}

function grant(name: string, durationInSeconds = 3600) {
  return fixture.compute.snapshots.grantAccess(SNAPSHOT_GROUP, name, { access: 'Read', durationInSeconds }, INTERVAL);
}

test('an incremental snapshot carries lineage, size and completion', async () => {
  const disk = await fixture.compute.disks.get('vms', 'web-data');
  const first = await take('s1');
  const second = await take('s2');
  expect(first).toMatchObject({
    incremental: true,
    completionPercent: 100,
    diskSizeBytes: DISK_BYTES,
    provisioningState: 'Succeeded',
    creationData: { createOption: 'Copy', sourceResourceId: DISK, sourceUniqueId: disk.uniqueId },
  });
  expect(second.incrementalSnapshotFamilyId).toBe(first.incrementalSnapshotFamilyId);
  expect(second.uniqueId).not.toBe(first.uniqueId);
  const other = await take('s3', resource('disks', 'web-os'));
  expect(other.incrementalSnapshotFamilyId).not.toBe(first.incrementalSnapshotFamilyId);
});

test('a PUT on a present name succeeds, changes tags and takes no new snapshot', async () => {
  const first = await take('s1', DISK, { job: 'a' });
  await sleep(5);
  const again = await take('s1', DISK, { job: 'b' });
  expect(again.timeCreated).toEqual(first.timeCreated);
  expect(again.uniqueId).toBe(first.uniqueId);
  expect(again.tags).toEqual({ job: 'b' });
  await expect(take('s1', resource('disks', 'web-os'))).rejects.toMatchObject({ statusCode: 400, code: 'BadRequest' });
});

test('lists come in pages, by group and by subscription', async () => {
  fixture.azure.world.behaviour.listPageSize = 2;
  for (const name of ['s1', 's2', 's3', 's4', 's5']) await take(name);
  const names = async (list: AsyncIterable<{ readonly name?: string }>) => {
    const found: (string | undefined)[] = [];
    for await (const { name } of list) found.push(name);
    return found;
  };
  expect(await names(fixture.compute.snapshots.listByResourceGroup(SNAPSHOT_GROUP))).toEqual([
    's1',
    's2',
    's3',
    's4',
    's5',
  ]);
  expect(await names(fixture.compute.snapshots.list())).toHaveLength(5);
  expect(await names(fixture.compute.snapshots.listByResourceGroup('vms'))).toEqual([]);
});

test('the eighth incremental snapshot in five minutes is refused with Retry-After', async () => {
  for (let number = 1; number <= 7; number++) await take(`s${number}`);
  await expect(take('s8')).rejects.toMatchObject({ statusCode: 429 });
  fixture.shiftClock(5 * 60_000 + 1);
  await take('s8');
});

test('five snapshots of a family can have a SAS, the sixth cannot', async () => {
  for (let number = 1; number <= 6; number++) await take(`s${number}`);
  for (let number = 1; number <= 5; number++) await grant(`s${number}`);
  await expect(grant('s6')).rejects.toMatchObject({ statusCode: 409 });
  await fixture.compute.snapshots.revokeAccess(SNAPSHOT_GROUP, 's1', INTERVAL);
  expect((await grant('s6')).accessSAS).toContain(fixture.azure.endpoints.disk);
});

test('granting again extends the same URL; a SAS is limited to 60 days', async () => {
  await take('s1');
  const first = await grant('s1', 60);
  const second = await grant('s1', 3600);
  expect(second.accessSAS).toBe(first.accessSAS);
  await expect(grant('s1', 60 * 86_400 + 1)).rejects.toMatchObject({ statusCode: 400 });
});

test('a snapshot that lets nobody in has no SAS', async () => {
  await take('s1');
  const update = (properties: object) => fixture.compute.snapshots.update(SNAPSHOT_GROUP, 's1', properties, INTERVAL);
  await update({ networkAccessPolicy: 'DenyAll' });
  await expect(grant('s1')).rejects.toMatchObject({ statusCode: 409, code: 'OperationNotAllowed' });
  await update({ networkAccessPolicy: 'AllowAll', publicNetworkAccess: 'Disabled' });
  await expect(grant('s1')).rejects.toMatchObject({ statusCode: 409 });
  await update({ networkAccessPolicy: 'AllowPrivate' });
  expect((await grant('s1')).accessSAS).toBeDefined();
  await update({ dataAccessAuthMode: 'AzureActiveDirectory' });
  await expect(grant('s1')).rejects.toMatchObject({ statusCode: 501 });
});

test('a snapshot with an active SAS cannot be deleted', async () => {
  await take('s1');
  await grant('s1');
  expect((await fixture.compute.snapshots.get(SNAPSHOT_GROUP, 's1')).diskState).toBe('ActiveSAS');
  await expect(fixture.compute.snapshots.delete(SNAPSHOT_GROUP, 's1', INTERVAL)).rejects.toMatchObject({
    statusCode: 409,
    code: 'OperationNotAllowed',
  });
  await fixture.compute.snapshots.revokeAccess(SNAPSHOT_GROUP, 's1', INTERVAL);
  await fixture.compute.snapshots.delete(SNAPSHOT_GROUP, 's1', INTERVAL);
  await expect(fixture.compute.snapshots.get(SNAPSHOT_GROUP, 's1')).rejects.toMatchObject({
    statusCode: 404,
    code: 'ResourceNotFound',
  });
  await fixture.compute.snapshots.delete(SNAPSHOT_GROUP, 's1', INTERVAL);
});

test('a missing disk, group, location or subscription is refused as in Azure', async () => {
  await expect(take('s1', resource('disks', 'none'))).rejects.toMatchObject({
    statusCode: 404,
    code: 'ResourceNotFound',
  });
  const put = (group: string, location: string) =>
    fixture.compute.snapshots.createOrUpdate(
      group,
      's1',
      { location, incremental: true, creationData: { createOption: 'Copy', sourceResourceId: DISK } },
      INTERVAL,
    );
  await expect(put('nowhere', LOCATION)).rejects.toMatchObject({ statusCode: 404, code: 'ResourceGroupNotFound' });
  await expect(put(SNAPSHOT_GROUP, 'northeurope')).rejects.toMatchObject({ statusCode: 400 });
});

test('an operation in progress ends after a restart', async () => {
  fixture.azure.world.behaviour.lroMs = 100;
  // The connection that the client keeps open breaks with the restart: one retry, as every product client has.
  const compute = computeClient(fixture.azure, 1);
  const poller = compute.snapshots.createOrUpdate(
    SNAPSHOT_GROUP,
    'slow',
    { location: LOCATION, incremental: true, creationData: { createOption: 'Copy', sourceResourceId: DISK } },
    INTERVAL,
  );
  await poller.submitted();
  expect((await fixture.compute.snapshots.get(SNAPSHOT_GROUP, 'slow')).provisioningState).toBe('Creating');
  fixture = await fixture.restart();
  expect((await poller).provisioningState).toBe('Succeeded');
});

test('a Premium SSD v2 snapshot copies in the background and has no SAS before its end', async () => {
  await fixture.close();
  fixture = await startAzureFixture({ dataDiskSku: 'PremiumV2_LRS', behaviour: { snapshotCopyMs: 60_000 } });
  const snapshot = await take('s1');
  expect(snapshot.completionPercent).toBeLessThan(100);
  await expect(grant('s1')).rejects.toMatchObject({ statusCode: 409 });
  fixture.shiftClock(30_000);
  const half = await fixture.compute.snapshots.get(SNAPSHOT_GROUP, 's1');
  expect(half.completionPercent).toBeGreaterThan(40);
  expect(half.completionPercent).toBeLessThan(60);
  fixture.shiftClock(30_000);
  expect((await grant('s1')).accessSAS).toBeDefined();
  await expect(
    fixture.compute.snapshots.createOrUpdate(
      SNAPSHOT_GROUP,
      'full',
      { location: LOCATION, creationData: { createOption: 'Copy', sourceResourceId: DISK } },
      INTERVAL,
    ),
  ).rejects.toMatchObject({ statusCode: 400 });
});

test('injected 429 with Retry-After and a lost reply reach the SDK', async () => {
  fixture.context.faults.add({
    id: 'busy',
    operation: 'arm.snapshots.createOrUpdate',
    times: 1,
    action: { kind: 'status', status: 429, retryAfterSeconds: 1 },
  });
  await expect(take('s1')).rejects.toMatchObject({ statusCode: 429, code: 'TooManyRequests' });
  await expect(fixture.compute.snapshots.get(SNAPSHOT_GROUP, 's1')).rejects.toMatchObject({ statusCode: 404 });
  fixture.context.faults.add({
    id: 'lost',
    operation: 'arm.snapshots.createOrUpdate',
    times: 1,
    action: { kind: 'lost-reply' },
  });
  await expect(take('s1')).rejects.toThrow();
  expect((await fixture.compute.snapshots.get(SNAPSHOT_GROUP, 's1')).name).toBe('s1');
});
