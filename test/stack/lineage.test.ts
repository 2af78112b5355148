/**
 * What customers and administrators do to disks between two backups, and what must come of it: the right bytes with a reason
 * given, or a clear refusal.
 */
import { onlySnapshots, startTrial, type Trial } from './harness';
import { changeImage, growImage, MIB } from './images';

const GIB = 1024 * MIB;
const SMALL = 24 * MIB;
const machines = ['base-gone', 'replaced', 'grown', 'unsupported', 'twice', 'leaving'];

let trial: Trial;
beforeAll(async () => {
  trial = await startTrial({
    settings: { BLOCKFERRY_WINDOW_BYTES: String(GIB) },
    machines: machines.map((name) => ({
      name,
      tags: { tier: name },
      disks: [
        { lun: 'os' as const, bytes: SMALL },
        { lun: 0, bytes: SMALL },
      ],
    })),
  });
}, 60_000);
afterEach(async () => {
  await trial.cloud.clearFaults();
});
afterAll(async () => trial.stop(), 30_000);

/** Backs the machine up and restores it: mode and reason of its data disk, and whether the bytes are right. */
async function nextBackup(machine: string) {
  const job = await trial.backup(machine);
  const [newest] = await trial.points(machine);
  expect(await trial.restoredDigests(newest?.id ?? '')).toEqual(trial.digests(machine, ['os', 0]));
  const disk = newest?.disks.find(({ lun }) => lun === 0);
  return { mode: disk?.mode, reason: disk?.fullReason, notes: job.notes.filter((note) => note.startsWith('disk 0')) };
}

test('the base snapshot was deleted by somebody: read in full, with the reason', async () => {
  await trial.backup('base-gone');
  const mine = (await trial.cloud.snapshots()).filter(
    ({ properties }) =>
      properties.creationData.sourceResourceId?.toLowerCase() === trial.diskId('base-gone', 0).toLowerCase(),
  );
  expect(mine).toHaveLength(1);
  await trial.cloud.remove(mine[0]?.id ?? '');
  changeImage(trial.imageOf('base-gone', 0), 3 * MIB, 65_536, 'x');
  await trial.cloud.importDisk(trial.diskId('base-gone', 0), trial.imageOf('base-gone', 0));
  expect(await nextBackup('base-gone')).toEqual({
    mode: 'full',
    reason: 'the snapshot of the last restore point is gone',
    notes: ['disk 0 read in full: the snapshot of the last restore point is gone'],
  });
  expect((await trial.points('base-gone'))[0]?.disks[0]?.mode).toBe('incremental'); // the other disk is not punished
}, 60_000);

test('a disk was replaced by another of the same name: read in full, and it is the new one', async () => {
  await trial.backup('replaced');
  const vm = trial.vmId('replaced');
  const attached = await vmBody('replaced');
  const { storageProfile } = attached.properties;
  const withoutData = { ...attached, properties: { storageProfile: { ...storageProfile, dataDisks: [] } } };
  await arm('PUT', vm, withoutData);
  const disk = trial.diskId('replaced', 0);
  await trial.cloud.remove(disk);
  await arm('PUT', disk, {
    location: attached.location,
    properties: { creationData: { createOption: 'Copy', sourceResourceId: trial.diskId('twice', 0) } },
  });
  await arm('PUT', vm, attached);
  await trial.cloud.exportDisk(disk, trial.imageOf('replaced', 0));
  expect(await nextBackup('replaced')).toMatchObject({
    mode: 'full',
    reason: 'the disk was replaced: its unique id is another',
  });
}, 60_000);

test('a disk was grown: still incremental, and the new part is there', async () => {
  await trial.backup('grown');
  await arm('PATCH', trial.diskId('grown', 0), { properties: { diskSizeGB: 2 } });
  growImage(trial.imageOf('grown', 0), 2 * GIB);
  changeImage(trial.imageOf('grown', 0), SMALL - 4096, 8192, 'over the old end');
  changeImage(trial.imageOf('grown', 0), 2 * GIB - 512, 512, 'the new end');
  await trial.cloud.importDisk(trial.diskId('grown', 0), trial.imageOf('grown', 0));
  await trial.cloud.clearLog();
  expect(await nextBackup('grown')).toEqual({ mode: 'incremental', reason: undefined, notes: [] });
}, 90_000);

test('a disk that cannot be backed up is refused by name before anything is started; excluded, the rest is backed up', async () => {
  const odd = trial.idOf('unsupported', 'disks', 'odd-4k');
  const vm = await vmBody('unsupported');
  await arm('PUT', odd, {
    location: vm.location,
    sku: { name: 'PremiumV2_LRS' },
    properties: { creationData: { createOption: 'Empty', logicalSectorSize: 4096 }, diskSizeGB: 1 },
  });
  const dataDisks = [
    ...vm.properties.storageProfile.dataDisks,
    { createOption: 'Attach', lun: 7, managedDisk: { id: odd } },
  ];
  const properties = { storageProfile: { ...vm.properties.storageProfile, dataDisks } };
  await arm('PUT', trial.vmId('unsupported'), { ...vm, properties });

  const snapshots = (await trial.cloud.snapshots()).length;
  const refused = await trial.api('POST', '/backups', { vmId: trial.vmId('unsupported') });
  expect(refused).toMatchObject({ status: 422, body: { code: 'vm.unsupported' } });
  expect(JSON.stringify(refused.body)).toMatch(/disk 7: .*4096/);
  expect(await trial.leftovers()).toEqual(onlySnapshots(snapshots));

  await trial.succeeded(await trial.startBackup('unsupported', { excludeLuns: [7] }));
  const [point] = await trial.points('unsupported');
  expect(await trial.restoredDigests(point?.id ?? '')).toEqual(trial.digests('unsupported', ['os', 0]));
}, 60_000);

test('two starts at once make one job: the second hears of the first, by request and by policy', async () => {
  await trial.cloud.faults([{ id: 'slow', operation: 'disk.*', action: { kind: 'delay', ms: 300 } }]);
  const vmId = trial.vmId('twice');
  const policy = {
    include: { tags: [{ tag: 'tier', value: 'twice' }] },
    schedule: { cron: '0 0 3 * * *', timeZone: 'UTC' },
    retention: { keepLast: 3 },
  };
  for (const name of ['first', 'second'])
    expect(await trial.api('PUT', `/policies/${name}`, policy)).toMatchObject({ status: 201 });
  const [left, right, run] = await Promise.all([
    trial.api('POST', '/backups', { vmId }),
    trial.api('POST', '/backups', { vmId }),
    trial.api('POST', '/policies/first/run'),
  ]);
  const started = [left, right].filter(({ status }) => status === 202);
  const refused = [left, right].filter(({ status }) => status === 409);
  const ran = run.body as { readonly jobs: readonly { id: string }[]; readonly running: readonly { jobId: string }[] };
  expect(run.status).toBe(202);
  expect(started.length + ran.jobs.length).toBe(1);
  const [jobId = ''] = [
    ...ran.jobs.map(({ id }) => id),
    ...started.map(({ body }) => String((body as { jobId: unknown }).jobId)),
  ];
  for (const reply of refused) expect(reply.body).toMatchObject({ code: 'job.running', jobId });
  if (ran.jobs.length === 0) expect(ran.running).toMatchObject([{ jobId }]);
  expect((await trial.api('POST', '/policies/second/run')).body).toMatchObject({
    jobs: [],
    running: [{ jobId, vmId }],
  });
  await trial.cloud.clearFaults();
  await trial.succeeded(jobId);
  expect(await trial.points('twice')).toHaveLength(1);
}, 60_000);

test('a VM and its disks vanish while its snapshots are asked for: a clear error, nothing left', async () => {
  const snapshots = (await trial.cloud.snapshots()).length;
  await trial.cloud.faults([
    { id: 'slow', operation: 'arm.snapshots.createOrUpdate', action: { kind: 'delay', ms: 1500 } },
  ]);
  const jobId = await trial.startBackup('leaving');
  await trial.jobWhen(jobId, 'asking for snapshots', ({ phase }) => phase === 'snapshotting');
  await trial.cloud.remove(trial.vmId('leaving'));
  for (const lun of ['os', 0] as const) await trial.cloud.remove(trial.diskId('leaving', lun));
  const job = await trial.ended(jobId);
  expect(job).toMatchObject({ status: 'failed', error: { code: 'disk.not-found' } });
  expect(await trial.leftovers()).toEqual(onlySnapshots(snapshots));
  expect(await trial.api('POST', '/backups', { vmId: trial.vmId('leaving') })).toMatchObject({ status: 404 });
}, 60_000);

interface VmBody {
  readonly location: string;
  readonly properties: {
    readonly storageProfile: { readonly osDisk: unknown; readonly dataDisks: readonly unknown[] };
  };
}

async function vmBody(machine: string): Promise<VmBody> {
  const { location, properties } = (await arm('GET', trial.vmId(machine))) as VmBody;
  return { location, properties: { storageProfile: properties.storageProfile } };
}

async function arm(method: 'GET' | 'PUT' | 'PATCH', id: string, body?: unknown): Promise<unknown> {
  const reply = await trial.cloud.arm(method, id, body);
  if (reply.status >= 300) throw new Error(`${method} ${id}: ${reply.status} ${JSON.stringify(reply.body)}`);
  return reply.body;
}
