import type { HttpRequest } from '@azure/functions';
import type { ApiRequest } from '../../shared/api/http';
import { emptyStats } from '../../shared/model/transfer';
import { apiHarness } from '../helpers/api-harness';
import { OTHER_SUBSCRIPTION, sampleJob, sampleMachine, vmIdOf } from '../helpers/samples';

const web = sampleMachine('web');
const foreign = sampleMachine('foreign', { id: vmIdOf('foreign', 'prod', OTHER_SUBSCRIPTION) });
const make = () => apiHarness([web, foreign]);

test('a request of @azure/functions is one of ours', () => {
  const fits = (request: HttpRequest): ApiRequest => request;
  expect(fits).toBeDefined();
});

describe('backups', () => {
  test('start with 202 and say where to look', async () => {
    const { call, backups } = make();
    const answer = await call('POST', 'backups', { body: { vmId: web.id.toUpperCase(), excludeLuns: [0] } });
    expect(answer).toMatchObject({ status: 202, body: { status: 'running' } });
    expect(answer.headers).toMatchObject({ location: `/api/jobs/${answer.body.jobId}`, 'retry-after': '2' });
    expect(backups).toMatchObject([{ machine: { id: web.id }, excludeLuns: [0], trigger: 'request' }]);
  });

  test('a second one of the same VM is 409 and names the job', async () => {
    const { call, backups } = make();
    const first = await call('POST', 'backups', { body: { vmId: web.id } });
    const second = await call('POST', 'backups', { body: { vmId: web.id } });
    expect(second).toMatchObject({ status: 409, body: { code: 'job.running', jobId: first.body.jobId } });
    expect((await call('POST', 'backups?dryRun=true', { body: { vmId: web.id } })).status).toBe(409);
    expect(backups).toHaveLength(1);
  });

  test.each([
    ['an unknown VM', vmIdOf('nobody')],
    ['a VM of a subscription that is not ours', foreign.id],
  ])('%s is 404, told alike', async (_what, vmId) => {
    const { call, records } = make();
    const answer = await call('POST', 'backups', { body: { vmId } });
    expect(answer).toMatchObject({ status: 404, body: { code: 'vm.not-found' } });
    expect(answer.body.detail.replace(vmId, '')).toBe('no virtual machine  in the subscriptions of this installation');
    expect(records.size()).toBe(0);
  });

  test.each<[string, object, string]>([
    ['no VM', {}, '/vmId'],
    ['a text that is no id', { vmId: 'web' }, '/vmId'],
    ['a disk', { vmId: web.id.replace('virtualMachines', 'disks') }, '/vmId'],
    ['a LUN that is not there', { vmId: web.id, excludeLuns: [0, 9] }, '/excludeLuns/1'],
    ['a LUN of text', { vmId: web.id, excludeLuns: ['0'] }, '/excludeLuns/0'],
    ['an unknown field', { vmId: web.id, exclude: [0] }, '/exclude'],
  ])('%s is 400 with a pointer', async (_what, body, pointer) => {
    const { call, records } = make();
    const answer = await call('POST', 'backups', { body });
    expect(answer).toMatchObject({ status: 400, body: { errors: [{ pointer }] } });
    expect(records.size()).toBe(0);
  });

  test('a dry run tells the disks and starts nothing', async () => {
    const { call, records } = make();
    const answer = await call('POST', 'backups?dryRun=true', {
      body: { vmId: web.id, excludeLuns: [0] },
      headers: { 'idempotency-key': 'k' },
    });
    expect(answer).toMatchObject({ status: 200, body: { dryRun: true, disks: [{ lun: 'os' }] } });
    expect(records.size()).toBe(0);
  });

  test('one key, one job: repeated it is answered alike, with another body it is refused', async () => {
    const { call, backups, clock } = make();
    const headers = { 'idempotency-key': 'key-1' };
    const first = await call('POST', 'backups', { body: { vmId: web.id }, headers });
    const again = await call('POST', 'backups', { text: ` {"vmId" : "${web.id}"}`, headers });
    expect(again.body).toEqual(first.body);
    const other = await call('POST', 'backups', { body: { vmId: web.id, excludeLuns: [0] }, headers });
    expect(other).toMatchObject({ status: 422, body: { code: 'idempotency.mismatch' } });
    expect(backups).toHaveLength(1);
    clock.advance(86_400_000);
    expect((await call('POST', 'backups', { body: { vmId: web.id }, headers })).status).toBe(409);
    expect(
      await call('POST', 'backups', { body: { vmId: web.id }, headers: { 'idempotency-key': 'ü' } }),
    ).toMatchObject({ status: 400, body: { errors: [{ header: 'Idempotency-Key' }] } });
  });

  test('a start whose answer was lost is repeated under the same job id', async () => {
    const { call, deps, backups } = make();
    const headers = { 'idempotency-key': 'key-2' };
    const { keep } = deps.catalog.idempotency;
    Object.assign(deps.catalog.idempotency, { keep: async () => Promise.reject(new Error('killed here')) });
    expect((await call('POST', 'backups', { body: { vmId: web.id }, headers })).status).toBe(500);
    Object.assign(deps.catalog.idempotency, { keep });
    const again = await call('POST', 'backups', { body: { vmId: web.id }, headers });
    expect(again).toMatchObject({ status: 202, body: { jobId: backups[0]?.jobId } });
    expect(backups).toHaveLength(1);
  });
});

describe('jobs', () => {
  test('show their progress, and at the end exactly what was done', async () => {
    const { call, catalog, clock } = make();
    await catalog.jobs.create(sampleJob('job-1', { phase: 'transferring' }));
    await catalog.jobs.setPlan('job-1', { bytesTotal: 4000, windowsTotal: 2 });
    clock.advance(10_000);
    const stats = { ...emptyStats, logicalBytes: 4000, changedBytes: 4000 };
    const event = { kind: 'progress', jobId: 'job-1', lun: 'os', windowIndex: 0 } as const;
    await catalog.jobs.putProgress({ ...event, stats: { ...stats, readBytes: 1000 }, at: clock.now() - 2000 });
    await catalog.jobs.putProgress({ ...event, stats: { ...stats, readBytes: 3000 }, at: clock.now() });
    const running = await call('GET', 'jobs/job-1');
    expect(running).toMatchObject({
      status: 200,
      body: {
        id: 'job-1',
        phase: 'transferring',
        stats: { readBytes: 3000 },
        progress: {
          bytesTotal: 4000,
          bytesDone: 3000,
          percent: 75,
          windowsTotal: 2,
          rateBytesPerSecond: 1500,
          etaSeconds: 1,
        },
      },
    });
    expect(running.headers['retry-after']).toBe('2');
    await catalog.jobs.update('job-1', (job) => ({ ...job, status: 'succeeded', phase: 'ended' }));
    expect((await call('GET', 'jobs/job-1')).body.progress).toMatchObject({
      percent: 100,
      bytesDone: 4000,
      windowsDone: 2,
      rateBytesPerSecond: 0,
      etaSeconds: null,
    });
  });

  test.each(['job-9', 'no', 'UPPER', '..%2f..', '%00'])('%s is 404', async (id) => {
    const { call } = make();
    expect(await call('GET', `jobs/${id}`)).toMatchObject({ status: 404, body: { code: 'request.not-found' } });
    expect((await call('POST', `jobs/${id}/cancel`)).status).toBe(404);
  });

  test('are listed in pages by an opaque cursor', async () => {
    const { call, catalog } = make();
    for (let index = 0; index < 5; index++) {
      await catalog.jobs.create(sampleJob(`job-${index}`, { createdAt: `2026-11-22T12:00:0${index}.000Z` }));
    }
    const seen: string[] = [];
    let cursor = '';
    do {
      const { body } = await call('GET', `jobs?limit=2${cursor && `&cursor=${cursor}`}`);
      seen.push(...body.items.map((job: { id: string }) => job.id));
      cursor = body.nextCursor ?? '';
    } while (cursor !== '');
    expect(seen).toEqual(['job-4', 'job-3', 'job-2', 'job-1', 'job-0']);
  });

  test.each([
    ['limit=0', 'limit'],
    ['limit=201', 'limit'],
    ['limit=ten', 'limit'],
    ['limit=1&limit=2', 'limit'],
    ['status=finished', 'status'],
    ['vmId=web', 'vmId'],
    ['statsu=running', 'statsu'],
    ['cursor=zzzz', 'cursor'],
    ['__proto__=1', '__proto__'],
  ])('the query %s is 400 and names the parameter', async (query, parameter) => {
    const { call } = make();
    expect(await call('GET', `jobs?${query}`)).toMatchObject({ status: 400, body: { errors: [{ parameter }] } });
  });

  test('the host’s own parameter for its key is let through', async () => {
    const { call } = make();
    expect((await call('GET', 'jobs?code=abc')).status).toBe(200);
  });

  test('cancel tells a running job, and is 409 for one that has ended', async () => {
    const { call, catalog } = make();
    await catalog.jobs.create(sampleJob('job-1'));
    expect(await call('POST', 'jobs/job-1/cancel')).toMatchObject({ status: 202, body: { cancelRequested: true } });
    await catalog.jobs.update('job-1', (job) => ({ ...job, status: 'canceled', phase: 'ended' }));
    expect(await call('POST', 'jobs/job-1/cancel')).toMatchObject({
      status: 409,
      body: { code: 'job.ended', detail: 'job job-1 can no longer be canceled: it has ended (canceled)' },
    });
  });
});
