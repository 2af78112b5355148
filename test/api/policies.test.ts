import { apiHarness } from '../helpers/api-harness';
import { sampleMachine, vmIdOf } from '../helpers/samples';

const web = sampleMachine('web', { tags: { backup: 'yes' } });
const db = sampleMachine('db', { tags: { backup: 'yes', env: 'test' } });
const lab = sampleMachine('lab');
const make = () => apiHarness([web, db, lab]);
const include = { tags: [{ tag: 'backup', value: 'yes' }] };

describe('policies', () => {
  test('are created, read, listed, replaced and deleted', async () => {
    const { call } = make();
    const created = await call('PUT', 'policies/nightly', { body: { include } });
    expect(created).toMatchObject({
      status: 201,
      body: { name: 'nightly', enabled: true, retention: { keepLast: 30 } },
    });
    expect(created.headers['location']).toBe('/api/policies/nightly');
    const replaced = await call('PUT', 'policies/nightly', { body: { name: 'nightly', include, enabled: false } });
    expect(replaced.status).toBe(200);
    const read = await call('GET', 'policies/nightly');
    expect(read).toMatchObject({ status: 200, body: { enabled: false } });
    expect(read.headers['etag']).toBe(replaced.headers['etag']);
    expect(read.headers['etag']).not.toBe(created.headers['etag']);
    expect((await call('GET', 'policies')).body.items).toHaveLength(1);
    expect((await call('DELETE', 'policies/nightly')).status).toBe(204);
    expect((await call('DELETE', 'policies/nightly')).status).toBe(404);
    expect((await call('GET', 'policies/nightly')).status).toBe(404);
  });

  test('what GET returns can be sent back by PUT', async () => {
    const { call, catalog } = make();
    await call('PUT', 'policies/nightly', { body: { include, schedule: { cron: '0 0 2 * * *' } } });
    const lastRun = { slot: 's', at: 'a', selected: 1, started: 1, running: 0, skippedCount: 0, skipped: [] };
    await catalog.policies.updateState('nightly', (state) => ({ ...state, lastRun }));
    const { body } = await call('GET', 'policies/nightly');
    expect(body).toMatchObject({ lastRun, nextSlotAt: '2026-11-23T02:00:00.000Z', schedule: { timeZone: 'UTC' } });
    expect((await call('PUT', 'policies/nightly', { body })).status).toBe(200);
  });

  test('If-Match and If-None-Match guard against lost updates', async () => {
    const { call } = make();
    const put = (headers: Record<string, string>) => call('PUT', 'policies/nightly', { body: { include }, headers });
    expect((await put({ 'if-match': '"x"' })).status).toBe(412);
    const { headers } = await put({ 'if-none-match': '*' });
    const etag = headers['etag'] ?? '';
    expect((await put({ 'if-none-match': '*' })).status).toBe(412);
    expect((await put({ 'if-match': etag })).status).toBe(200);
    expect(await put({ 'if-match': etag })).toMatchObject({ status: 412, body: { code: 'policy.changed' } });
    expect((await call('DELETE', 'policies/nightly', { headers: { 'if-match': etag } })).status).toBe(412);
    expect((await put({ 'if-match': '*' })).status).toBe(200);
  });

  test.each<[string, object, string]>([
    ['an unknown field', { include, retries: 3 }, '/retries'],
    ['an unknown field deep inside', { include: { tags: [{ tag: 'a', valeu: 'b' }] } }, '/include/tags/0/valeu'],
    ['nothing to include', {}, '/include'],
    ['another name', { name: 'weekly', include }, '/name'],
    ['a bad cron', { include, schedule: { cron: '0 0 2 * *' } }, '/schedule/cron'],
    ['a cron of nonsense', { include, schedule: { cron: '0 0 25 * * *' } }, '/schedule/cron'],
    ['a bad time zone', { include, schedule: { cron: '0 0 2 * * *', timeZone: 'Mars/X' } }, '/schedule/timeZone'],
    ['retention 0', { include, retention: { keepLast: 0 } }, '/retention'],
    ['retention -1', { include, retention: { keepLast: -1 } }, '/retention/keepLast'],
    ['retention 10^9', { include, retention: { keepLast: 1e9 } }, '/retention/keepLast'],
    ['a VM id that is none', { include: { vmIds: [vmIdOf('web'), '../../etc'] } }, '/include/vmIds/1'],
    [
      'a disk id for a VM',
      { include, exclude: { vmIds: [vmIdOf('x').replace('virtualMachines', 'disks')] } },
      '/exclude/vmIds/0',
    ],
    ['a LUN of 64', { include, excludeLuns: [0, 64] }, '/excludeLuns/1'],
  ])('%s is 400 with a pointer, and nothing is stored', async (_what, body, pointer) => {
    const { call, records } = make();
    const answer = await call('PUT', 'policies/nightly', { body });
    expect(answer).toMatchObject({ status: 400, body: { code: 'request.invalid', errors: [{ pointer }] } });
    expect(answer.headers['content-type']).toBe('application/problem+json');
    expect(records.size()).toBe(0);
  });

  test.each(['Nightly', 'a'.repeat(41), '..%2f..%2fx', '%00', 'a~b'])('the name %s is refused', async (name) => {
    const { call, records } = make();
    expect((await call('PUT', `policies/${name}`, { body: { include } })).status).toBe(400);
    expect((await call('GET', `policies/${name}`)).status).toBe(404);
    expect(records.size()).toBe(0);
  });
});

describe('running a policy', () => {
  test('starts one job for each selected VM and names the ones already running', async () => {
    const { call, backups } = make();
    await call('PUT', 'policies/nightly', { body: { include } });
    const first = await call('POST', 'backups', { body: { vmId: web.id } });
    const run = await call('POST', 'policies/nightly/run');
    expect(run).toMatchObject({
      status: 202,
      body: { policy: 'nightly', selected: 2, skipped: [], jobs: [{ vmId: db.id, vmName: 'db' }] },
    });
    expect(run.body.running).toEqual([{ jobId: first.body.jobId, vmId: web.id }]);
    expect(backups.map(({ machine, policy, trigger }) => [machine.name, policy?.name, trigger])).toEqual([
      ['web', undefined, 'request'],
      ['db', 'nightly', 'request'],
    ]);
  });

  test('that selects nothing is 422, says what was tried, and starts nothing', async () => {
    const { call, backups } = make();
    await call('PUT', 'policies/none', { body: { include: { tags: [{ tag: 'nobody', value: 'has' }] } } });
    const none = await call('POST', 'policies/none/run');
    expect(none).toMatchObject({ status: 422, body: { code: 'policy.selects-nothing' } });
    expect(none.body.detail).toBe('policy none selects none of 3 VMs: tried tags nobody=has');
    await call('PUT', 'policies/none', { body: { include, exclude: include } });
    expect((await call('POST', 'policies/none/run?dryRun=true')).body.detail).toMatch(/2 that match are excluded/);
    expect(backups).toEqual([]);
  });

  test('as a dry run starts nothing and tells all', async () => {
    const { call, backups } = make();
    await call('PUT', 'policies/nightly', { body: { include, exclude: { tags: [{ tag: 'env' }] } } });
    expect(await call('POST', 'policies/nightly/run?dryRun=true')).toMatchObject({
      status: 200,
      body: {
        dryRun: true,
        selected: 1,
        wouldStart: [{ vmName: 'web' }],
        excluded: [{ vmId: db.id, rule: 'tag env' }],
      },
    });
    expect(backups).toEqual([]);
  });

  test('twice with one key starts each job once', async () => {
    const { call, backups } = make();
    await call('PUT', 'policies/nightly', { body: { include } });
    const headers = { 'idempotency-key': 'run-1' };
    const first = await call('POST', 'policies/nightly/run', { headers });
    const second = await call('POST', 'policies/nightly/run', { headers });
    expect(second.body).toEqual(first.body);
    expect(second.headers['idempotent-replayed']).toBe('true');
    expect(backups).toHaveLength(2);
    expect((await call('POST', 'policies/nightly/run', { body: { x: 1 } })).status).toBe(400);
  });

  test('skips a VM that cannot be backed up, with the reason', async () => {
    const odd = sampleMachine('odd', {
      tags: { backup: 'yes' },
      disks: [{ ...(web.disks[0] as (typeof web.disks)[0]), logicalSectorBytes: 4096 }],
    });
    const { call } = apiHarness([web, odd]);
    await call('PUT', 'policies/nightly', { body: { include } });
    const { body } = await call('POST', 'policies/nightly/run');
    expect(body.jobs).toHaveLength(1);
    expect(body.skipped).toMatchObject([{ vmId: odd.id, reason: expect.stringContaining('4096') }]);
  });
});
