import { startDue } from '../../shared/api/start-due';
import { AppError } from '../../shared/model/errors';
import { apiHarness } from '../helpers/api-harness';
import { sampleMachine } from '../helpers/samples';

const web = sampleMachine('web', { tags: { backup: 'yes' } });
const db = sampleMachine('db', { tags: { backup: 'yes' } });
const policy = { include: { tags: [{ tag: 'backup' }] }, schedule: { cron: '0 0 * * * *' } };
const HOUR_MS = 3_600_000;
const HALF_HOUR_MS = HOUR_MS / 2;

async function make(body: object = policy) {
  const harness = apiHarness([web, db]);
  harness.clock.advance(HALF_HOUR_MS);
  await harness.call('PUT', 'policies/hourly', { body });
  return harness;
}

describe('due policies', () => {
  test('a new policy waits for its first slot', async () => {
    const { deps, backups } = await make();
    expect((await startDue(deps)).runs).toEqual([]);
    expect(backups).toEqual([]);
  });

  test('a policy set in the minute of its slot means this slot', async () => {
    const { deps, clock, call, backups } = await make({ ...policy, schedule: { cron: '0 0 2 * * *' } });
    clock.advance(HALF_HOUR_MS + 59_000);
    await call('PUT', 'policies/hourly', { body: policy });
    await startDue(deps);
    await startDue(deps);
    expect(backups).toHaveLength(2);
  });

  test('a slot starts one job per VM, once, however often the scheduler runs', async () => {
    const { deps, backups, clock, call } = await make();
    clock.advance(HOUR_MS);
    await Promise.all([startDue(deps), startDue(deps)]);
    await startDue(deps);
    expect(backups.map(({ machine, trigger }) => [machine.name, trigger]).toSorted()).toEqual([
      ['db', 'schedule'],
      ['web', 'schedule'],
    ]);
    expect((await call('GET', 'policies/hourly')).body.lastRun).toMatchObject({
      slot: '2026-11-22T13:00:00.000Z',
      selected: 2,
      started: 2,
      running: 0,
    });
  });

  test('of several missed slots the newest runs', async () => {
    const { deps, clock } = await make();
    clock.advance(5 * HOUR_MS + 1);
    expect((await startDue(deps)).runs.map(({ slot }) => slot)).toEqual(['2026-11-22T17:00:00.000Z']);
    expect((await startDue(deps)).runs).toEqual([]);
  });

  test('a VM with a job under way is left alone and counted', async () => {
    const { deps, call, clock } = await make();
    await call('POST', 'backups', { body: { vmId: web.id } });
    clock.advance(HOUR_MS);
    expect((await startDue(deps)).runs).toMatchObject([{ selected: 2, started: 1, running: 1 }]);
  });

  test('a disabled policy never runs; switched on again it starts with the next slot', async () => {
    const { deps, call, clock, backups } = await make({ ...policy, enabled: false });
    clock.advance(HOUR_MS);
    await startDue(deps);
    await call('PUT', 'policies/hourly', { body: policy });
    await startDue(deps);
    expect(backups).toEqual([]);
    clock.advance(HOUR_MS);
    await startDue(deps);
    expect(backups).toHaveLength(2);
  });

  test('a change that leaves the schedule alone loses no slot', async () => {
    const { deps, call, clock, backups } = await make();
    clock.advance(HOUR_MS);
    await call('PUT', 'policies/hourly', { body: { ...policy, retention: { keepLast: 3 } } });
    await startDue(deps);
    expect(backups).toHaveLength(2);
  });

  test('a cloud that does not answer leaves the slot open; the next tick takes it', async () => {
    const { deps, clock, failListing, backups, logged } = await make();
    clock.advance(HOUR_MS);
    failListing(new AppError('cloud.unavailable', 'no answer', { retryable: true }));
    expect((await startDue(deps)).failed).toEqual([{ policy: 'hourly', code: 'cloud.unavailable' }]);
    expect(logged).toHaveLength(1);
    failListing(undefined);
    await startDue(deps);
    expect(backups).toHaveLength(2);
  });

  test('a policy that selects nothing says so in the log and in its state', async () => {
    const { deps, clock, call, logged } = await make({ ...policy, include: { regions: ['nowhere'] } });
    clock.advance(HOUR_MS);
    await startDue(deps);
    expect(logged).toEqual(['a due policy selects nothing']);
    expect((await call('GET', 'policies/hourly')).body.lastRun).toMatchObject({ selected: 0, started: 0 });
  });
});
