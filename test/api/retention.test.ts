/** Retention over HTTP: tried without doing it, started, looked at. */
import type { Caller } from '../../shared/api/caller';

import { apiHarness, everyone } from '../helpers/api-harness';
import { sampleMachine, samplePoint, sampleVerification, vmIdOf } from '../helpers/samples';

const web = sampleMachine('web');
const days = ['2026-11-18', '2026-11-19', '2026-11-20', '2026-11-21'].map((day) => `${day}T02:00:00.000Z`);

async function make() {
  const harness = apiHarness([web]);
  for (const [index, at] of days.entries()) {
    await harness.catalog.points.put(
      { ...samplePoint(`job-${index}`, at, web), policy: 'nightly' },
      sampleVerification(at),
    );
  }
  return harness;
}

describe('simulation', () => {
  test('judges the points of a VM by a rule, and changes nothing', async () => {
    const { call, catalog } = await make();
    const { status, body } = await call('POST', 'retention-simulation', {
      body: { retention: { keepLast: 2 }, vmId: web.id },
    });
    expect(status).toBe(200);
    expect(body.points.map(({ id, reasons }: { id: string; reasons: string[] }) => [id, reasons])).toEqual([
      ['p-job-3', ['last', 'newest']],
      ['p-job-2', ['last']],
      ['p-job-1', []],
      ['p-job-0', []],
    ]);
    expect(body).not.toHaveProperty('forecast');
    expect(await catalog.points.list()).toHaveLength(4);
  });

  test('plays a schedule through, from what is there', async () => {
    const { call } = await make();
    const { body } = await call('POST', 'retention-simulation', {
      body: {
        retention: { keepDaily: 7, keepMonthly: 3 },
        vmId: web.id,
        schedule: { cron: '0 0 2 * * *', timeZone: 'Europe/Berlin' },
        days: 120,
      },
    });
    expect(body.forecast.days).toHaveLength(120);
    expect(body.forecast.days.at(-1)).toEqual({ day: 120, points: body.forecast.standing.length });
    expect(body.forecast.standing).toHaveLength(9); // seven days, and two month ends before them
    expect(body.forecast.standing[0].reasons).toEqual(['daily', 'monthly', 'newest']);
  });

  test.each([
    [{ retention: {} }, '/retention'],
    [{ retention: { keepDaily: 1 }, days: 0 }, '/days'],
    [{ retention: { keepDaily: 1 }, schedule: { cron: 'never' } }, '/schedule/cron'],
    [{ retention: { keepDaily: 1, timeZone: 'Nowhere' } }, '/retention/timeZone'],
    [{ retention: { keepDaily: 1 }, more: 1 }, '/more'],
  ])('%j is refused with where it is wrong', async (body, pointer) => {
    const { call } = await make();
    const reply = await call('POST', 'retention-simulation', { body });
    expect(reply.status).toBe(400);
    expect(reply.body.errors[0].pointer).toBe(pointer);
  });

  test('a VM out of scope is one that is not there', async () => {
    const { call } = await make();
    const as = { ...everyone, scopes: ['/subscriptions/99999999-2222-4333-8444-555555555555'] };
    const body = { retention: { keepDaily: 1 }, vmId: vmIdOf('web') };
    expect((await call('POST', 'retention-simulation', { body, as })).status).toBe(404);
  });
});

describe('runs', () => {
  test('are started once for one key, looked at, and listed when they have ended', async () => {
    const { call, catalog, retentionRuns } = await make();
    const headers = { 'idempotency-key': 'a-key-of-some-length' };
    const started = await call('POST', 'retention-runs', { body: { allow: { units: 3, bytes: 9 } }, headers });
    expect(started.status).toBe(202);
    expect(started.headers['location']).toBe(`/api/retention-runs/${started.body.runId}`);
    expect((await call('POST', 'retention-runs', { body: { allow: { units: 3, bytes: 9 } }, headers })).body).toEqual(
      started.body,
    );
    expect(retentionRuns).toEqual([
      {
        runId: started.body.runId,
        input: { trigger: 'request', allowance: { units: 3, bytes: 9, acceptLoss: false } },
      },
    ]);
    const path = `retention-runs/${started.body.runId}`;
    expect((await call('GET', path)).body).toEqual({ runId: started.body.runId, status: 'running' });
    const sums = { vms: 1, expired: 2, held: 0, returned: 0, gone: 0 };
    await catalog.retentionRuns.end({ runId: started.body.runId, trigger: 'request', endedAt: days[0] ?? '', ...sums });
    expect((await call('GET', path)).body).toMatchObject({ status: 'ended', expired: 2 });
    expect((await call('GET', 'retention-runs')).body.items).toHaveLength(1);
    expect((await call('GET', 'retention-runs/g-unknown')).status).toBe(404);
  });

  test('a dry run starts nothing; who allows more than a tenth is the security admin, and an operator starts none', async () => {
    const { call, retentionRuns } = await make();
    expect((await call('POST', 'retention-runs?dryRun=true', { body: {} })).body).toEqual({ dryRun: true });
    const as = (...roles: Caller['roles']) => ({ ...everyone, roles });
    expect((await call('POST', 'retention-runs', { body: {}, as: as('operator', 'restorer', 'viewer') })).status).toBe(
      403,
    );
    const allow = { allow: { units: 1, bytes: 1 } };
    expect((await call('POST', 'retention-runs', { body: allow, as: as('policy-admin') })).status).toBe(403);
    expect(retentionRuns).toEqual([]);
  });
});

test('a point that was given up is in no list, can be looked at, and is not restored before it is taken back', async () => {
  const { call, catalog } = await make();
  const expiry = { at: '2026-11-22T05:30:00.000Z', by: 'policy:nightly', reason: 'no rule of its policy keeps it' };
  await catalog.points.stand('p-job-0', { expiry });
  const { body } = await call('GET', `restore-points?vmId=${encodeURIComponent(web.id)}`);
  expect(body.items.map(({ id }: { id: string }) => id)).toEqual(['p-job-3', 'p-job-2', 'p-job-1']);
  expect((await call('GET', 'restore-points/p-job-0')).body).toMatchObject({ id: 'p-job-0', expiry });
  const restore = { pointId: 'p-job-0', target: { kind: 'image' } };
  const refused = await call('POST', 'restores', { body: restore });
  expect([refused.status, refused.body.code]).toEqual([409, 'request.conflict']);
  await catalog.points.stand('p-job-0', {});
  expect((await call('POST', 'restores', { body: restore })).status).toBe(202);
});
