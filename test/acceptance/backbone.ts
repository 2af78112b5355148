/**
 * What the product promises over HTTP, and over nothing else: this file runs against the embedded stack, against `func start`,
 * and against a function app in Azure alike. It needs one VM that may be backed up, takes the smallest, and leaves behind its
 * restore points only.
 */
import { randomUUID } from 'node:crypto';
import { type Client, httpClient, type Reply, type Target } from './http-client';

export interface AcceptanceOptions {
  /** Longest time for one job: snapshots and first reads of real disks take their time. */
  readonly jobMsMax: number;
}

export function backboneAcceptance(open: () => Promise<Target>, options: AcceptanceOptions): void {
  const { jobMsMax } = options;
  const run = randomUUID().slice(0, 8);
  const policyName = `acceptance-${run}`;
  let client: Client;
  let vm: { readonly id: string; readonly name: string; readonly sizeBytes: number; readonly disks: number };

  beforeAll(async () => {
    client = httpClient(await open());
    const { status, body } = await client.call('GET', 'vms');
    expect(status).toBe(200);
    const [smallest] = body.items.toSorted((a: typeof vm, b: typeof vm) => a.sizeBytes - b.sizeBytes);
    expect(smallest).toMatchObject({ id: expect.stringMatching(/virtualMachines/), disks: expect.any(Number) });
    vm = smallest;
  }, 120_000);

  afterAll(async () => {
    await client?.call('DELETE', `policies/${policyName}`);
  });

  const call: Client['call'] = (...args) => client.call(...args);
  const expectProblem = (reply: Reply, status: number, code: string): void => {
    expect({ status: reply.status, code: reply.body.code }).toEqual({ status, code });
    expect(reply.headers.get('content-type')).toMatch(/^application\/problem\+json/);
    expect(reply.body).toMatchObject({ type: expect.any(String), title: expect.any(String), status });
  };
  /** Everything a refused request could have left behind. */
  const stored = async () => {
    const [jobs, policies, points] = await Promise.all(
      ['jobs?limit=200', 'policies', 'restore-points?limit=200'].map((path) => call('GET', path)),
    );
    const ids = (reply: Reply | undefined, key: string) =>
      reply?.body.items.map((item: Record<string, unknown>) => item[key]);
    return { jobs: ids(jobs, 'id'), policies: ids(policies, 'name'), points: ids(points, 'id') };
  };

  describe('the door', () => {
    test('health is open and says nothing but that', async () => {
      const reply = await call('GET', 'healthz', { keyed: false });
      expect(reply.status).toBe(200);
      expect(reply.body).toEqual({ status: 'ok' });
    });

    test.each(['vms', 'policies', 'jobs', 'restore-points'])('%s needs a key', async (path) => {
      expect((await call('GET', path, { keyed: false })).status).toBe(401);
      expect((await call('GET', path, { keyed: false, headers: { 'x-functions-key': 'wrong' } })).status).toBe(401);
    });

    test('what is not in the API is 404', async () => {
      expect((await call('GET', 'nothing-here')).status).toBe(404);
    });
  });

  describe('bad requests', () => {
    const include = { vmIds: ['x'] };
    test.each<[string, string, string, unknown, string]>([
      ['an unknown field', 'PUT', 'policies/bad', { include: {}, often: true }, '/often'],
      [
        'a cron of five fields',
        'PUT',
        'policies/bad',
        { include: {}, schedule: { cron: '0 0 2 * *' } },
        '/schedule/cron',
      ],
      [
        'no time zone',
        'PUT',
        'policies/bad',
        { include: {}, schedule: { cron: '0 0 2 * * *', timeZone: 'X' } },
        '/schedule/timeZone',
      ],
      ['retention of nothing', 'PUT', 'policies/bad', { include: {}, retention: { keepLast: 0 } }, '/retention'],
      ['an id that is none', 'PUT', 'policies/bad', { include }, '/include/vmIds/0'],
      ['a VM id that is none', 'POST', 'backups', { vmId: 'web' }, '/vmId'],
      ['no VM', 'POST', 'backups', {}, '/vmId'],
      ['a restore of nothing', 'POST', 'restores', { target: { kind: 'image' } }, '/pointId'],
      [
        'a path as a target',
        'POST',
        'restores',
        { pointId: 'p-x-1', target: { kind: 'image', name: '../x' } },
        '/target/name',
      ],
    ])('%s: 400 with a pointer, and nothing stored', async (_what, method, path, body, pointer) => {
      const before = await stored();
      const reply = await call(method, path, { body });
      expectProblem(reply, 400, 'request.invalid');
      expect(reply.body.errors.map((error: { pointer: string }) => error.pointer)).toContain(pointer);
      expect(await stored()).toEqual(before);
    });

    test('a body that is no JSON, too large, or of another type', async () => {
      const before = await stored();
      expectProblem(await call('PUT', 'policies/bad', { text: '{' }), 400, 'request.invalid');
      expectProblem(await call('PUT', 'policies/bad', { text: '{"include":{},"include":{}}' }), 400, 'request.invalid');
      const pad = 'x'.repeat(1_100_000);
      expectProblem(await call('PUT', 'policies/bad', { body: { include: {}, pad } }), 413, 'request.too-large');
      const headers = { 'content-type': 'text/plain' };
      expectProblem(await call('PUT', 'policies/bad', { text: '{"include":{}}', headers }), 415, 'request.media-type');
      expect(await stored()).toEqual(before);
    });

    test('what is not there is 404', async () => {
      const nobody = vm.id.replace(/[^/]+$/, `nobody-${run}`);
      const elsewhere = vm.id.replace(/subscriptions\/[^/]+/, `subscriptions/${randomUUID()}`);
      const before = await stored();
      expectProblem(await call('POST', 'backups', { body: { vmId: nobody } }), 404, 'vm.not-found');
      expectProblem(await call('POST', 'backups', { body: { vmId: elsewhere } }), 404, 'vm.not-found');
      const restore = { pointId: `p-none-${run}`, target: { kind: 'image' } };
      expectProblem(await call('POST', 'restores', { body: restore }), 404, 'request.not-found');
      for (const path of [`jobs/none-${run}`, `policies/none-${run}`, `restore-points/p-none-${run}`]) {
        expectProblem(await call('GET', path), 404, 'request.not-found');
      }
      expectProblem(await call('POST', `jobs/none-${run}/cancel`), 404, 'request.not-found');
      expect(await stored()).toEqual(before);
    });
  });

  describe('policies', () => {
    test('one that selects nothing says so and starts nothing', async () => {
      const include = { tags: [{ tag: `no-such-tag-${run}` }] };
      const created = await call('PUT', `policies/${policyName}`, { body: { include } });
      expect(created.status).toBe(201);
      const before = await stored();
      const reply = await call('POST', `policies/${policyName}/run`);
      expectProblem(reply, 422, 'policy.selects-nothing');
      expect(reply.body.detail).toMatch(new RegExp(`no-such-tag-${run}`));
      expect(await stored()).toEqual(before);
    });

    test('are replaced under their etag only', async () => {
      const read = await call('GET', `policies/${policyName}`);
      const etag = read.headers.get('etag') ?? '';
      const body = { include: { vmIds: [vm.id] } };
      expect((await call('PUT', `policies/${policyName}`, { body, headers: { 'if-match': etag } })).status).toBe(200);
      expectProblem(
        await call('PUT', `policies/${policyName}`, { body, headers: { 'if-match': etag } }),
        412,
        'policy.changed',
      );
      const preview = await call('POST', `policies/${policyName}/run?dryRun=true`);
      expect(preview.body).toMatchObject({ dryRun: true, wouldStart: [{ vmId: vm.id }] });
    });
  });

  describe('the backbone', () => {
    let pointId: string;

    test(
      'a backup runs to a verified restore point; meanwhile the VM takes no second one',
      async () => {
        const headers = { 'idempotency-key': `backup-${run}` };
        const started = await call('POST', 'backups', { body: { vmId: vm.id }, headers });
        expect(started).toMatchObject({ status: 202, body: { status: 'running' } });
        const { jobId } = started.body;
        expect(started.headers.get('location')).toBe(`/api/jobs/${jobId}`);
        expect(Number(started.headers.get('retry-after'))).toBeGreaterThan(0);

        const second = await call('POST', 'backups', { body: { vmId: vm.id } });
        expectProblem(second, 409, 'job.running');
        expect(second.body.jobId).toBe(jobId);
        const again = await call('POST', 'backups', { body: { vmId: vm.id }, headers });
        expect(again).toMatchObject({ status: 202, body: { jobId } });
        const other = await call('POST', 'backups', { body: { vmId: vm.id, excludeLuns: [] }, headers });
        expectProblem(other, 422, 'idempotency.mismatch');

        const { job, phases } = await client.jobEnd(jobId, jobMsMax);
        expect({ status: job.status, error: job.error }).toEqual({ status: 'succeeded', error: undefined });
        expect(phases.at(-1)).toBe('ended');
        expect(job.progress).toMatchObject({ percent: 100, bytesTotal: vm.sizeBytes, bytesDone: vm.sizeBytes });
        expect(job.stats.logicalBytes).toBe(vm.sizeBytes);
        pointId = job.pointId;
        expectProblem(await call('POST', `jobs/${jobId}/cancel`), 409, 'job.ended');
      },
      jobMsMax + 60_000,
    );

    test('the point is listed first of its VM, verified, and tells its disks', async () => {
      const { body } = await call('GET', `restore-points?vmId=${encodeURIComponent(vm.id)}`);
      const [newest] = body.items;
      expect(newest).toMatchObject({ id: pointId, vmId: vm.id, verifiedAt: expect.any(String) });
      expect(newest.disks).toHaveLength(vm.disks);
      expect(newest.verification.level).not.toBe('none');
      expect((await call('GET', `restore-points/${pointId}`)).body).toMatchObject({ id: pointId });
      const { body: vms } = await call('GET', 'vms');
      const listed = vms.items.find((item: { id: string }) => item.id === vm.id);
      expect(listed).toMatchObject({ lastPoint: { id: pointId }, policies: [policyName] });
    });

    test(
      'it is restored to image files',
      async () => {
        const started = await call('POST', 'restores', { body: { pointId, target: { kind: 'image' } } });
        expect(started.status).toBe(202);
        const { job } = await client.jobEnd(started.body.jobId, jobMsMax);
        expect({ status: job.status, error: job.error }).toEqual({ status: 'succeeded', error: undefined });
        expect(job.targets).toHaveLength(vm.disks);
        for (const { target } of job.targets) expect(target).toMatch(/^[a-z0-9][a-z0-9.-]*$/);
      },
      jobMsMax + 60_000,
    );

    test(
      'a second backup, by the policy, is canceled: it ends so, leaves no point, and the VM is free again',
      async () => {
        const started = await call('POST', `policies/${policyName}/run`);
        expect(started).toMatchObject({ status: 202, body: { selected: 1, running: [], skipped: [] } });
        const { id } = started.body.jobs[0];
        expect((await call('POST', `jobs/${id}/cancel`)).status).toBe(202);
        const { job } = await client.jobEnd(id, jobMsMax);
        expect(job).toMatchObject({ status: 'canceled', phase: 'ended', cancelRequested: true });
        expectProblem(await call('POST', `jobs/${id}/cancel`), 409, 'job.ended');
        const { body } = await call('GET', `restore-points?vmId=${encodeURIComponent(vm.id)}`);
        expect(body.items[0].id).toBe(pointId);
        expect((await call('POST', 'backups?dryRun=true', { body: { vmId: vm.id } })).status).toBe(200);
        const running = await call('GET', `jobs?status=running&vmId=${encodeURIComponent(vm.id)}`);
        expect(running.body.items).toEqual([]);
      },
      jobMsMax + 60_000,
    );
  });
}
