/** What the table promises, held for each of its rows: a new route is tested before anyone writes a test for it. */
import { type Caller, roles } from '../../shared/api/caller';
import { ProblemError } from '../../shared/api/problem';
import type { Route } from '../../shared/api/route';
import { routes } from '../../shared/api/routes';
import { type ApiHarness, apiHarness, everyone } from '../helpers/api-harness';
import { sampleJob, sampleMachine, samplePoint, samplePolicy, sampleVerification } from '../helpers/samples';

const rows = routes.map((route) => [route.name, route] as const);
const web = sampleMachine('web', {
  tags: { backup: 'yes' },
  disks: [...sampleMachine('web').disks, { ...sampleMachine('x').disks[0], lun: 3 } as never],
});
const outside: Caller = {
  ...everyone,
  id: 'outsider',
  scopes: ['/subscriptions/11111111-2222-4333-8444-555555555555/resourceGroups/lab'],
};

/** An installation in which every example of the table means something. */
async function world(): Promise<ApiHarness> {
  const harness = apiHarness([web]);
  const { catalog } = harness;
  await catalog.policies.put(samplePolicy());
  const id = 'b-20261122-020000-0011aabb';
  await catalog.jobs.create(sampleJob(id));
  await catalog.points.put(
    samplePoint(id, '2026-11-22T02:00:00.000Z', web),
    sampleVerification('2026-11-22T02:01:00.000Z'),
  );
  const sums = { vms: 1, expired: 0, held: 0, returned: 0, gone: 0 };
  const run = { runId: 'g-20261127-0500-0011aabb', trigger: 'schedule', endedAt: '2026-11-27T05:00:00.000Z' } as const;
  await catalog.retentionRuns.end({ ...run, ...sums });
  return harness;
}

function example(harness: ApiHarness, { method, path, example: { params = {}, query = {}, body } }: Route, as: Caller) {
  const filled = path.replaceAll(/\{\*?(\w+)\}/g, (_whole, name: string) => encodeURIComponent(params[name] ?? 'x'));
  const search = new URLSearchParams(query);
  return {
    real: () => harness.call(method, `${filled}?${search}`, { body, as }),
    dry: () => harness.call(method, `${filled}?${new URLSearchParams([...search, ['dryRun', 'true']])}`, { body, as }),
  };
}

describe('the table', () => {
  test('leaves only the health check open', () => {
    expect(routes.filter((route) => route.roles === 'anonymous').map(({ path }) => path)).toEqual(['healthz']);
  });

  test('names each function once, and each method and path once', () => {
    expect(new Set(routes.map(({ name }) => name)).size).toBe(routes.length);
    expect(new Set(routes.map(({ method, path }) => `${method} ${path}`)).size).toBe(routes.length);
  });

  test('has nothing that changes something under GET, and nothing that anyone may change', () => {
    for (const { method, mutates, roles: allowed } of routes) {
      if (method === 'GET' || method === 'HEAD') expect(mutates).toBe(false);
      if (mutates) expect(allowed).not.toBe('anonymous');
    }
  });
});

describe.each(rows)('%s', (_name, route) => {
  const allowed = route.roles;

  test('its example works, and is answered as the table says', async () => {
    const answer = await example(await world(), route, everyone).real();
    expect({ status: answer.status, body: answer.body }).toMatchObject({ status: expect.any(Number) });
    expect(Object.keys(route.replies)).toContain(String(answer.status));
  });

  if (allowed === 'anonymous') return;

  test.each(roles.map((role) => [role, allowed.includes(role)] as const))('%s: %s', async (role, may) => {
    const answer = await example(await world(), route, { ...everyone, roles: [role] }).dry();
    if (may) expect(answer.body?.code).not.toBe('caller.role-missing');
    else expect(answer).toMatchObject({ status: 403, body: { code: 'caller.role-missing' } });
  });

  test('nobody without a role, and nobody who is not known', async () => {
    const harness = await world();
    const before = harness.records.dump();
    expect((await example(harness, route, { ...everyone, roles: [] }).real()).status).toBe(403);
    const stranger = new ProblemError({ status: 401, code: 'caller.unknown', detail: 'who?' });
    Object.assign(harness.deps, { identify: async () => Promise.reject(stranger) });
    const target = route.path.replaceAll(/\{\*?\w+\}/g, 'x');
    expect((await harness.call(route.method, target)).status).toBe(401);
    expect(harness.records.dump()).toEqual(before);
  });

  test('is written to the audit log with its outcome', async () => {
    const harness = await world();
    const { status } = await example(harness, route, everyone).real();
    expect(harness.audited).toMatchObject([
      { action: route.name, callerId: 'everyone', status, mutates: route.mutates },
    ]);
  });

  if (route.mutates) {
    test('its dry run answers and changes nothing', async () => {
      const harness = await world();
      const before = harness.records.dump();
      const answer = await example(harness, route, everyone).dry();
      expect(answer.status).toBeLessThan(300);
      expect(harness.records.dump()).toEqual(before);
      expect([harness.backups, harness.restores]).toEqual([[], []]);
    });
  }

  if (route.scope === 'vm') {
    test('shows nothing of a VM out of scope, and cannot be told from one that is not there', async () => {
      const harness = await world();
      const answer = await example(harness, route, outside).real();
      expect(answer.text ?? JSON.stringify(answer.body)).not.toMatch(/"vmName":"web"|"name":"web"|vm="web"/);
      const empty = await example(apiHarness([]), route, outside).real();
      if (answer.status >= 400 && answer.status !== 422) expect(answer).toEqual(empty);
      expect([harness.backups, harness.restores]).toEqual([[], []]);
    });
  }
});
