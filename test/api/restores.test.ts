import { apiHarness } from '../helpers/api-harness';
import {
  OTHER_SUBSCRIPTION,
  SUBSCRIPTION,
  sampleMachine,
  samplePoint,
  sampleVerification,
  vmIdOf,
} from '../helpers/samples';

const web = sampleMachine('web');
const wide = sampleMachine('wide', { disks: web.disks.map((disk) => ({ ...disk, logicalSectorBytes: 4096 })) });
const gone = sampleMachine('gone', { id: vmIdOf('gone', 'prod', OTHER_SUBSCRIPTION) });

async function make() {
  const harness = apiHarness([web, wide]);
  const at = '2026-11-22T02:00:00.000Z';
  await harness.catalog.points.put(samplePoint('job-1', at, web), sampleVerification(at));
  await harness.catalog.points.put(samplePoint('job-2', at, gone), { level: 'none' });
  return harness;
}

describe('restore points', () => {
  test('are listed and shown in chosen fields: no key or digest of the store', async () => {
    const { call } = await make();
    const list = await call('GET', `restore-points?vmId=${encodeURIComponent(web.id)}`);
    expect(list.body.items).toMatchObject([
      {
        id: 'p-job-1',
        vmId: web.id,
        vmName: 'web',
        consistency: 'crash-per-disk',
        verifiedAt: '2026-11-22T02:00:00.000Z',
        verification: { level: 'sample' },
        disks: [{ lun: 'os', mode: 'full' }, { lun: 0 }],
      },
    ]);
    expect(JSON.stringify(list.body)).not.toMatch(/manifest|digest/i);
    expect((await call('GET', 'restore-points')).body.items).toHaveLength(2);
    expect((await call('GET', 'restore-points/p-job-2')).body).not.toHaveProperty('verifiedAt');
    expect((await call('GET', `restore-points/p-job-2?vmId=${encodeURIComponent(web.id)}`)).status).toBe(404);
  });

  test('of one VM say why their policy keeps them, and which it would let go', async () => {
    const { call, catalog } = await make();
    await call('PUT', 'policies/nightly', { body: { include: {}, retention: { keepLast: 1 } } });
    for (const [jobId, at, policy] of [
      ['job-3', '2026-11-20T02:00:00.000Z', 'nightly'],
      ['job-4', '2026-11-21T02:00:00.000Z', 'nightly'],
      ['job-5', '2026-11-21T03:00:00.000Z', 'deleted'],
    ] as const) {
      await catalog.points.put({ ...samplePoint(jobId, at, web), policy }, sampleVerification(at));
    }
    const { body } = await call('GET', `restore-points?vmId=${encodeURIComponent(web.id)}`);
    const reasons = body.items.map((point: { id: string; keepReasons?: string[] }) => [point.id, point.keepReasons]);
    expect(reasons).toEqual([
      ['p-job-1', undefined],
      ['p-job-5', undefined],
      ['p-job-4', ['last', 'newest']],
      ['p-job-3', []],
    ]);
  });

  test.each(['p-job-9', 'job-1', 'p-', '..%2f', 'P-JOB-1'])('%s is 404', async (id) => {
    const { call } = await make();
    expect((await call('GET', `restore-points/${id}`)).status).toBe(404);
  });
});

describe('restores', () => {
  test('of all disks into images', async () => {
    const { call, restores } = await make();
    const answer = await call('POST', 'restores', { body: { pointId: 'p-job-1', target: { kind: 'image' } } });
    expect(answer).toMatchObject({ status: 202, body: { status: 'running' } });
    expect(answer.headers['location']).toBe(`/api/jobs/${answer.body.jobId}`);
    expect(restores).toMatchObject([{ point: { id: 'p-job-1' }, luns: ['os', 0], target: { kind: 'image' } }]);
  });

  test('of one disk into a new managed disk, in the VM’s subscription unless told otherwise', async () => {
    const { call, restores } = await make();
    const target = { kind: 'disk', resourceGroup: 'rescue', namePrefix: 'back' };
    await call('POST', 'restores', { body: { pointId: 'p-job-1', luns: [0, 0], target } });
    expect(restores).toMatchObject([{ luns: [0], target: { ...target, subscription: SUBSCRIPTION } }]);
  });

  test('a VM of a lost subscription comes back in one of ours', async () => {
    const { call, restores } = await make();
    const target = { kind: 'disk', resourceGroup: 'rescue' };
    expect(await call('POST', 'restores', { body: { pointId: 'p-job-2', target } })).toMatchObject({
      status: 400,
      body: { errors: [{ pointer: '/target/subscription' }] },
    });
    const named = { ...target, subscription: SUBSCRIPTION.toUpperCase() };
    expect((await call('POST', 'restores', { body: { pointId: 'p-job-2', target: named } })).status).toBe(202);
    expect(restores).toMatchObject([{ target: { subscription: SUBSCRIPTION } }]);
  });

  test('with one key is one job', async () => {
    const { call, restores } = await make();
    const options = {
      body: { pointId: 'p-job-1', target: { kind: 'image' } },
      headers: { 'idempotency-key': 'restore-1' },
    };
    const [first, second] = await Promise.all([call('POST', 'restores', options), call('POST', 'restores', options)]);
    expect(second.body.jobId).toBe(first.body.jobId);
    expect(restores).toHaveLength(1);
  });

  const image = { kind: 'image' };
  test.each<[string, object, number, string | undefined]>([
    ['no target', { pointId: 'p-job-1' }, 400, '/target'],
    ['an unknown kind', { pointId: 'p-job-1', target: { kind: 'tape' } }, 400, '/target/kind'],
    ['a file name of the caller', { pointId: 'p-job-1', target: { kind: 'image', name: '../x' } }, 400, '/target/name'],
    [
      'a disk id of the caller',
      { pointId: 'p-job-1', target: { kind: 'disk', resourceGroup: 'r', diskId: 'x' } },
      400,
      '/target/diskId',
    ],
    [
      'a group with a slash',
      { pointId: 'p-job-1', target: { kind: 'disk', resourceGroup: 'a/../b' } },
      400,
      '/target/resourceGroup',
    ],
    [
      'a prefix with a slash',
      { pointId: 'p-job-1', target: { kind: 'disk', resourceGroup: 'a', namePrefix: '../b' } },
      400,
      '/target/namePrefix',
    ],
    [
      'a group that does not exist',
      { pointId: 'p-job-1', target: { kind: 'disk', resourceGroup: 'missing' } },
      400,
      '/target/resourceGroup',
    ],
    [
      'a disk with 4096-byte sectors as an upload',
      { pointId: 'p-job-wide', luns: ['os'], target: { kind: 'disk', resourceGroup: 'rescue' } },
      400,
      '/target/kind',
    ],
    ['a disk the point lacks', { pointId: 'p-job-1', luns: ['os', 7], target: image }, 400, '/luns/1'],
    ['no disk', { pointId: 'p-job-1', luns: [], target: image }, 400, '/luns'],
    ['a text that is no point id', { pointId: '../p', target: image }, 400, '/pointId'],
    ['an unknown point', { pointId: 'p-job-9', target: image }, 404, undefined],
    [
      'a subscription that is not ours',
      { pointId: 'p-job-1', target: { kind: 'disk', resourceGroup: 'r', subscription: OTHER_SUBSCRIPTION } },
      404,
      undefined,
    ],
  ])('%s is refused', async (_what, body, status, pointer) => {
    const { call, catalog, restores } = await make();
    await catalog.points.put(samplePoint('job-wide', '2026-11-22T02:00:00.000Z', wide), { level: 'none' });
    const answer = await call('POST', 'restores', { body });
    expect(answer.status).toBe(status);
    if (pointer !== undefined) expect(answer.body.errors).toMatchObject([{ pointer }]);
    expect((await call('POST', 'restores?dryRun=true', { body })).status).toBe(status);
    expect(restores).toEqual([]);
  });

  test('a dry run starts nothing', async () => {
    const { call, restores } = await make();
    const body = { pointId: 'p-job-1', luns: ['os'], target: { kind: 'image' } };
    expect(await call('POST', 'restores?dryRun=true', { body })).toMatchObject({
      status: 200,
      body: { dryRun: true, disks: [{ lun: 'os' }] },
    });
    expect(restores).toEqual([]);
  });
});
