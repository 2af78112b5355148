/** Status and metrics over the real use cases: what raises them, and above all what does not. */
import { spawnSync } from 'node:child_process';
import { expectedIntervalSeconds } from '../../shared/policy/expected-interval';
import { apiHarness } from '../helpers/api-harness';
import { parsePrometheus } from '../helpers/prometheus-parser';
import { sampleJob, sampleMachine, samplePoint, samplePolicy } from '../helpers/samples';

const HOUR_MS = 3600_000;
const HOSTILE = 'web"} 1\nblockferry_orphans 99 <b>\\';
const web = sampleMachine('web', { name: HOSTILE, tags: { backup: 'yes' } });
const lost = sampleMachine('lost');

async function fleet() {
  const harness = apiHarness([web, lost]);
  const { catalog, clock } = harness;
  const before = (hours: number): string => new Date(clock.now() - hours * HOUR_MS).toISOString();
  await catalog.policies.put(samplePolicy({ schedule: { cron: '0 0 2 * * *' } }));
  await catalog.heartbeats.beat('scheduler');
  await catalog.heartbeats.beat('janitor');
  const backUp = async (id: string, hours: number, status: 'succeeded' | 'failed', verified: boolean) => {
    const createdAt = before(hours);
    await catalog.jobs.create(sampleJob(id, { vmId: web.id, vmName: web.name, createdAt, status, phase: 'ended' }));
    if (status === 'succeeded') {
      const verification = verified
        ? ({ level: 'full', verifiedAt: createdAt } as const)
        : ({ level: 'none' } as const);
      await catalog.points.put(samplePoint(id, createdAt, web), verification);
    }
  };
  const stateOf = async (vmName: string) => {
    const { body } = await harness.call('GET', 'status');
    return body.items.find((item: { vmName: string }) => item.vmName === vmName);
  };
  const metrics = async () => {
    const { status, headers, text = '' } = await harness.call('GET', 'metrics');
    expect(status).toBe(200);
    expect(headers['content-type']).toBe('text/plain; version=0.0.4; charset=utf-8');
    return { text, samples: parsePrometheus(text) };
  };
  const value = async (name: string, labels: Readonly<Record<string, string>> = { vm: web.name }) =>
    (await metrics()).samples.find(
      (sample) => sample.name === name && Object.entries(labels).every(([label, is]) => sample.labels[label] === is),
    )?.value;
  return { ...harness, backUp, stateOf, metrics, value };
}

test('a good night is protected; a VM without policy is told apart with its reason', async () => {
  const { backUp, stateOf, call } = await fleet();
  await backUp('b-1', 10, 'succeeded', true);
  expect(await stateOf(HOSTILE)).toMatchObject({ state: 'protected', reasons: [], policies: ['nightly'] });
  expect(await stateOf('lost')).toMatchObject({
    state: 'unprotected',
    reasons: expect.arrayContaining(['no enabled policy selects it']),
  });
  const { body } = await call('GET', 'status');
  expect(body.vms).toEqual({ unprotected: 1, 'at-risk': 0, protected: 1, excluded: 0 });
});

test('a failed job never makes a VM look fresher, nor does an unverified point look verified', async () => {
  const { backUp, stateOf, value } = await fleet();
  await backUp('b-1', 60, 'succeeded', true);
  await backUp('b-2', 30, 'succeeded', false);
  await backUp('b-3', 1, 'failed', false);
  expect(await value('blockferry_vm_last_point_age_seconds')).toBe(30 * 3600);
  expect(await value('blockferry_vm_last_verified_point_age_seconds')).toBe(60 * 3600);
  expect(await value('blockferry_vm_rpo_gap_seconds')).toBe(5 * 3600);
  const { state, reasons } = await stateOf(HOSTILE);
  expect(state).toBe('at-risk');
  expect(reasons).toEqual([
    'its newest restore point is 5 h too old',
    'its newest verified restore point is 60 h old',
    'its last backup failed',
  ]);
});

test('a silent scheduler is a doubt about every VM', async () => {
  const { backUp, stateOf, clock, value } = await fleet();
  await backUp('b-1', 1, 'succeeded', true);
  await clock.sleep(20 * 60_000);
  expect((await stateOf(HOSTILE)).reasons).toEqual(['the scheduler has been silent for 20 min']);
  expect(await value('blockferry_doubts', {})).toBe(1);
});

test('what an ended job left in a cloud counts as an orphan; what runs or is a base does not', async () => {
  const { catalog, backUp, clock, value } = await fleet();
  await backUp('b-1', 1, 'succeeded', true);
  await backUp('b-2', 1, 'failed', false);
  for (const id of ['b-1', 'b-2']) await catalog.intents.record(id, 'snapshot', `/snapshots/${id}`);
  expect(await value('blockferry_orphans', {})).toBe(0);
  await clock.sleep(7 * HOUR_MS);
  expect(await value('blockferry_orphans', {})).toBe(1);
});

test('the metrics parse whatever a VM is called, by our reader and by promtool where it is installed', async () => {
  const { backUp, metrics } = await fleet();
  await backUp('b-1', 1, 'succeeded', true);
  const { text, samples } = await metrics();
  expect(samples.filter(({ name }) => name === 'blockferry_orphans')).toEqual([
    { name: 'blockferry_orphans', labels: {}, value: 0 },
  ]);
  expect(samples.some(({ labels }) => labels['vm'] === HOSTILE)).toBe(true);
  const judged = spawnSync('promtool', ['check', 'metrics'], { input: text, encoding: 'utf8' });
  if (judged.error === undefined)
    expect({ status: judged.status, said: judged.stderr }).toEqual({ status: 0, said: '' });
});

test('out of scope is not measured, and the log of a job is for those who may see it', async () => {
  const { call, catalog, backUp, clock } = await fleet();
  await backUp('b-1', 1, 'succeeded', true);
  const stranger = { id: 'x', name: 'x', roles: ['viewer'] as const, scopes: ['/subscriptions/elsewhere'] };
  const { text = '' } = await call('GET', 'metrics', { as: stranger });
  expect(text).not.toContain('vm=');
  expect((await call('GET', 'jobs/b-1/log', { as: stranger })).status).toBe(404);
  await catalog.jobLog.write('b-1', 'phase-queued', { level: 'info', message: 'phase: queued' });
  await clock.sleep(1000);
  // An activity that runs twice says the same thing once.
  await catalog.jobLog.write('b-1', 'phase-queued', { level: 'info', message: 'phase: queued' });
  await catalog.jobLog.write('b-1', 'end', { level: 'error', message: 'ended: failed', code: 'job.stalled' });
  const { items } = (await call('GET', 'jobs/b-1/log')).body;
  expect(items.map(({ message }: { message: string }) => message)).toEqual(['phase: queued', 'ended: failed']);
  const later = await call('GET', `jobs/b-1/log?after=${encodeURIComponent(items[0].at)}`);
  expect(later.body.items).toHaveLength(1);
});

test('how old a point may be follows the longest gap of the schedule', () => {
  const nowMs = Date.parse('2026-03-04T12:00:00Z');
  const interval = (cron: string) => expectedIntervalSeconds({ schedule: { cron, timeZone: 'UTC' } }, nowMs);
  expect(interval('0 0 2 * * *')).toBe(86_400);
  expect(interval('0 0 2 * * MON-FRI')).toBe(3 * 86_400);
  expect(interval('0 0 */4 * * *')).toBe(4 * 3600);
  expect(expectedIntervalSeconds({}, nowMs)).toBeUndefined();
});
