import { createCompute } from '../../shared/azure/compute';
import { createDiskAccess } from '../../shared/azure/disk-access';
import { AppError } from '../../shared/model/errors';
import { computeId, sameResource } from '../../shared/model/ids';
import type { Compute } from '../../shared/workflows/ports';
import {
  dataBytes,
  dataDiskId,
  type Fixture,
  osBytes,
  osDiskId,
  region,
  snapshotId,
  startFixture,
  subscription,
  vmId,
} from './cloud-fixture';

const tags = { 'blockferry-job': 'job-1' };

describe('compute through the ARM client', () => {
  let fixture: Fixture;
  let compute: Compute;
  let shiftMs = 0;

  beforeAll(async () => {
    fixture = await startFixture();
    compute = createCompute(fixture.arm);
  });
  afterAll(() => fixture.close());
  afterEach(() => fixture.clearFaults());

  const dataDisk = async () => {
    const machine = await compute.getMachine(vmId);
    const disk = machine?.disks.find(({ lun }) => lun === 3);
    if (!disk) throw new Error('the seeded disk is missing');
    return disk;
  };
  const start = async (name: string, jobTags: Record<string, string> = tags) =>
    compute.startSnapshot({ snapshotId: snapshotId(name), disk: await dataDisk(), region, tags: jobTags });
  const usable = async (name: string) => {
    for (;;) {
      const state = await compute.getSnapshot(snapshotId(name));
      if (state.state !== 'pending') return state;
    }
  };

  /** Azure takes seven snapshots of a disk in five minutes. */
  const forgetSnapshotRate = async () => {
    shiftMs += 6 * 60_000;
    await fixture.control('POST', '/clock', { shiftMs });
  };

  test('machines come with their disks, from one list of VMs and one of disks', async () => {
    fixture.cloud.context.log.clear();
    const [machine, ...rest] = await compute.listMachines(subscription);
    expect(rest).toEqual([]);
    expect(machine).toMatchObject({ name: 'web', region: 'westeurope', tags: { backup: 'gold' } });
    expect(machine?.disks.map(({ lun, name, sizeBytes }) => [lun, name, sizeBytes])).toEqual([
      ['os', 'web-os', osBytes],
      [3, 'web-data', dataBytes],
    ]);
    expect(machine?.disks.every(({ uniqueId }) => uniqueId !== '')).toBe(true);
    const operations = fixture.cloud.context.log.entries().map(({ operation }) => operation);
    expect(operations.filter((name) => /\.get$/.test(name))).toEqual([]);
  });

  test('an unknown VM, disk or snapshot is an answer, not an error', async () => {
    expect(await compute.getMachine(computeId(subscription, 'app', 'virtualMachines', 'nobody'))).toBeUndefined();
    expect(await compute.getDisk(computeId(subscription, 'app', 'disks', 'nothing'))).toBeUndefined();
    expect(await compute.getSnapshot(snapshotId('nothing'))).toMatchObject({
      state: 'gone',
      id: snapshotId('nothing'),
    });
    await compute.revokeSnapshotAccess(snapshotId('nothing'));
    await compute.deleteSnapshot(snapshotId('nothing'));
  });

  test('an id of another kind of resource is refused before anything is sent', async () => {
    const wrong = compute.deleteSnapshot(dataDiskId);
    await expect(wrong).rejects.toMatchObject({ code: 'request.invalid' });
  });

  test('a snapshot becomes usable with its lineage, and starting it again takes no new one', async () => {
    await start('first');
    const state = await usable('first');
    expect(state).toMatchObject({ state: 'usable', sizeBytes: dataBytes, logicalSectorBytes: 512, tags });
    expect(state.sourceUniqueId).toBe((await dataDisk()).uniqueId);
    expect(sameResource(state.sourceDiskId ?? '', dataDiskId)).toBe(true);
    expect(state.familyId).toBeTruthy();
    fixture.cloud.context.log.clear();
    await start('first');
    const operations = fixture.cloud.context.log.entries().map(({ operation }) => operation);
    expect(operations).not.toContain('arm.snapshots.createOrUpdate');
    expect((await usable('first')).takenAt).toBe(state.takenAt);
  });

  test("a name that another job's snapshot has is refused, as ARM would silently keep the old data", async () => {
    await start('taken');
    await expect(start('taken', { 'blockferry-job': 'job-2' })).rejects.toMatchObject({ code: 'snapshot.stale' });
  });

  test('a disk that Azure takes no snapshot of is refused by name', async () => {
    const disk = { ...(await dataDisk()), sku: 'Ephemeral', diskId: '' };
    const refused = compute.startSnapshot({ snapshotId: snapshotId('never'), disk, region, tags });
    await expect(refused).rejects.toMatchObject({ code: 'disk.unsupported' });
  });

  test('our snapshots are found by tag, over every page', async () => {
    await start('listed');
    const listed = await compute.listSnapshots(subscription, 'snaps');
    expect(listed.map(({ tags: found }) => found['blockferry-job'])).toEqual(listed.map(() => 'job-1'));
    expect(listed.some(({ id }) => sameResource(id, snapshotId('listed')))).toBe(true);
  });

  test('deleting revokes an active access first', async () => {
    await start('held');
    await usable('held');
    const access = createDiskAccess(fixture.arm);
    await access.openSnapshot({ snapshotId: snapshotId('held') });
    await compute.deleteSnapshot(snapshotId('held'));
    expect((await compute.getSnapshot(snapshotId('held'))).state).toBe('gone');
    await access.close();
  });

  test.each([
    ['throttling with Retry-After', { kind: 'status', status: 429, retryAfterSeconds: 0 }],
    ['throttling without it', { kind: 'status', status: 429 }],
    ['an outage', { kind: 'status', status: 503 }],
    ['a reset', { kind: 'reset' }],
    ['a lost reply', { kind: 'lost-reply' }],
  ] as const)('%s is ridden out, also in the polls', async (name, action) => {
    fixture.fault({ id: 'f', service: 'arm', probability: 0.4, times: 4, action });
    const snapshot = `ridden-${name.replaceAll(' ', '-')}`;
    await forgetSnapshotRate();
    await start(snapshot);
    await usable(snapshot);
    await compute.deleteSnapshot(snapshotId(snapshot));
    expect((await compute.getSnapshot(snapshotId(snapshot))).state).toBe('gone');
  });

  test('a wait longer than an activity may sleep is handed to the caller', async () => {
    fixture.fault({ id: 'f', service: 'arm', action: { kind: 'status', status: 429, retryAfterSeconds: 300 } });
    const throttled = compute.getMachine(vmId);
    await expect(throttled).rejects.toMatchObject({ code: 'cloud.throttled', retryable: true, retryAfterMs: 300_000 });
  });

  test('a call that gets no answer ends at its deadline with a retryable error', async () => {
    const hasty = createCompute({
      ...fixture.arm,
      requestDeadlineMs: 100,
      retryRule: { attemptsMax: 2, firstDelayMs: 1, delayMsMax: 1 },
    });
    fixture.fault({ id: 'f', service: 'arm', action: { kind: 'stall', ms: 5000 } });
    await expect(hasty.getMachine(vmId)).rejects.toMatchObject({ code: 'cloud.timeout', retryable: true });
  });

  test('an upload disk is made once, refuses strangers, and is discarded by its own job only', async () => {
    const template = { ...(await dataDisk()), name: 'restored' };
    const diskId = computeId(subscription, 'restored', 'disks', 'back');
    const request = { diskId, region, template, tags };
    await compute.createUploadDisk(request);
    await compute.createUploadDisk(request);
    expect(await compute.getDisk(diskId)).toMatchObject({ state: 'ReadyToUpload', sizeBytes: dataBytes });
    const stranger = compute.createUploadDisk({ ...request, tags: { 'blockferry-job': 'job-2' } });
    await expect(stranger).rejects.toMatchObject({ code: 'restore.target-exists' });
    await compute.discardUploadDisk(diskId, 'job-2');
    expect(await compute.getDisk(diskId)).toBeDefined();
    await compute.discardUploadDisk(diskId, 'job-1');
    expect(await compute.getDisk(diskId)).toBeUndefined();
  });

  test('a disk with a half-done upload can be discarded', async () => {
    const template = await dataDisk();
    const diskId = computeId(subscription, 'restored', 'disks', 'half');
    await compute.createUploadDisk({ diskId, region, template, tags });
    const access = createDiskAccess(fixture.arm);
    const writer = await access.openUpload({ diskId, diskBytes: dataBytes });
    await writer.write(0, Buffer.alloc(4096, 1), AbortSignal.timeout(10_000));
    await access.close();
    await compute.discardUploadDisk(diskId, 'job-1');
    expect(await compute.getDisk(diskId)).toBeUndefined();
  });

  test('a resource group is known, or known to be missing', async () => {
    expect(await compute.hasResourceGroup(subscription, 'restored')).toBe(true);
    expect(await compute.hasResourceGroup(subscription, 'never-made')).toBe(false);
  });

  test("a disk in use is not discarded, whoever's tag it has", async () => {
    await compute.discardUploadDisk(osDiskId, 'job-1');
    expect(await compute.getDisk(osDiskId)).toMatchObject({ state: 'Attached' });
  });

  test.each([
    ['4096-byte sectors', { logicalSectorBytes: 4096 }],
    ['an odd size', { sizeBytes: dataBytes + 512 }],
    ['a size below 20 MiB', { sizeBytes: 1024 * 1024 }],
    ['Premium SSD v2', { sku: 'PremiumV2_LRS' }],
    ['a security type', { securityType: 'ConfidentialVM_VMGuestStateOnlyEncryptedWithPlatformKey' }],
  ])('%s is refused by name as a restore target', async (_name, change) => {
    const template = { ...(await dataDisk()), ...change };
    const diskId = computeId(subscription, 'restored', 'disks', 'never');
    const error = await compute.createUploadDisk({ diskId, region, template, tags }).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(AppError);
    expect(error).toMatchObject({ code: 'restore.target-invalid' });
  });
});
