/** A cancel works in every phase that can be seen from outside, and leaves nothing: the next backup starts at once. */
import { existsSync, readdirSync } from 'node:fs';
import type { JobPhase } from '../../shared/model/job';
import type { Fault } from './cloud-control';
import { type JobView, onlySnapshots, startTrial, type Trial } from './harness';
import { MIB } from './images';

const SLOW_MS = 1_500;
const slow = (operation: string, more: Partial<Fault> = {}): Fault => ({
  id: 'slow',
  operation,
  action: { kind: 'delay', ms: SLOW_MS },
  ...more,
});
/** How to hold a backup in each phase. */
const holds: readonly (readonly [JobPhase, Fault])[] = [
  ['queued', slow('arm.virtualMachines.get', { times: 1 })],
  ['snapshotting', slow('arm.snapshots.createOrUpdate')],
  ['preparing', slow('s3.PutObject', { pathIncludes: 'blockferry-control', times: 1 })],
  ['transferring', slow('disk.*')],
  ['publishing', slow('s3.PutObject', { pathIncludes: '-root' })],
  ['verifying', slow('s3.GetObject', { pathIncludes: '/u/', times: 1 })],
];
/** Azure allows seven snapshots of a disk in five minutes, so each phase has a VM of its own. */
const nameOf = (phase: string): string => `vm-${phase}`;

let trial: Trial;
beforeAll(async () => {
  const disks = [{ lun: 'os' as const, bytes: 24 * MIB }];
  trial = await startTrial({
    machines: [...holds.map(([phase]) => ({ name: nameOf(phase), disks })), { name: 'vm-restore', disks }],
  });
}, 60_000);
afterEach(async () => {
  await trial.cloud.clearFaults();
});
afterAll(async () => trial.stop(), 30_000);

async function cancelIn(jobId: string, phase: JobPhase): Promise<JobView> {
  await trial.jobWhen(jobId, `in phase ${phase}`, (job) => job.phase === phase);
  expect(await trial.api('POST', `/jobs/${jobId}/cancel`)).toMatchObject({ status: 202 });
  return trial.ended(jobId);
}

describe.each(holds)('a backup canceled while %s', (phase, hold) => {
  test('ends canceled, leaves nothing, and makes room for the next', async () => {
    const machine = nameOf(phase);
    const snapshotsBefore = (await trial.cloud.snapshots()).length;
    await trial.cloud.faults([hold]);
    const jobId = await trial.startBackup(machine);
    const job = await cancelIn(jobId, phase);
    expect(job).toMatchObject({ status: 'canceled', phase: 'ended', error: { code: 'job.canceled' } });
    expect(await trial.leftovers()).toEqual(onlySnapshots(snapshotsBefore));
    expect(['ABORTED', 'COMMITTED', undefined]).toContain(await trial.sessionState(jobId));
    expect(await trial.api('POST', `/jobs/${jobId}/cancel`)).toMatchObject({
      status: 409,
      body: { code: 'job.ended', jobId },
    });

    await trial.cloud.clearFaults();
    await trial.backup(machine);
    expect(await trial.leftovers()).toEqual(onlySnapshots(snapshotsBefore + 1));
    const [newest] = await trial.points(machine);
    expect(newest?.disks[0]?.mode).toBe('full'); // what was canceled became no base
  }, 60_000);
});

test.each([
  ['image files', { kind: 'image' }],
  ['managed disks', { kind: 'disk', resourceGroup: 'restored', namePrefix: 'never' }],
])(
  'a restore to %s canceled while transferring leaves no target',
  async (_, target) => {
    if ((await trial.points('vm-restore')).length === 0) await trial.backup('vm-restore');
    const [point] = await trial.points('vm-restore');
    const disksBefore = (await trial.cloud.disks()).map(({ id }) => id);
    const snapshots = (await trial.cloud.snapshots()).length;
    await trial.cloud.faults([slow('s3.GetObject', { pathIncludes: '/u/' })]);
    const jobId = await trial.startRestore(point?.id ?? '', target);
    expect(await cancelIn(jobId, 'transferring')).toMatchObject({ status: 'canceled' });
    expect(await trial.leftovers()).toEqual(onlySnapshots(snapshots));
    expect(await trial.sessionState(jobId)).toBe('ABORTED');
    expect((await trial.cloud.disks()).map(({ id }) => id)).toEqual(disksBefore);
    const { restored } = trial.stack.layout;
    expect(existsSync(restored) ? readdirSync(restored) : []).toEqual([]);
  },
  60_000,
);

test('a finished job cannot be canceled', async () => {
  const [point] = await trial.points('vm-restore');
  const jobId = await trial.startRestore(point?.id ?? '');
  await trial.succeeded(jobId);
  expect(await trial.api('POST', `/jobs/${jobId}/cancel`)).toMatchObject({ status: 409 });
  expect(await trial.api('POST', '/jobs/b-20200101-000000-00000000/cancel')).toMatchObject({ status: 404 });
}, 60_000);
