import fc from 'fast-check';
import { findJsonFlaw } from '../../shared/api/json-scan';
import { problemResponse } from '../../shared/api/problem';
import { AppError } from '../../shared/model/errors';
import { limits } from '../../shared/model/limits';
import { apiHarness } from '../helpers/api-harness';
import { sampleMachine, samplePoint, sampleVerification } from '../helpers/samples';

const web = sampleMachine('web');

describe('bodies', () => {
  const include = '"include":{}';
  test.each<[string, string, number, string]>([
    ['nothing', '', 400, ''],
    ['half a document', `{${include}`, 400, ''],
    ['no object', '[]', 400, ''],
    ['null', 'null', 400, ''],
    ['a key twice', `{${include},"enabled":true,"enabled":false}`, 400, '/enabled'],
    ['a key twice, once escaped', `{${include},"enabled":true,"en\\u0061bled":false}`, 400, '/enabled'],
    [
      'a key twice, deep inside',
      '{"include":{"tags":[{"tag":"a"},{"tag":"b","tag":"c"}]}}',
      400,
      '/include/tags/1/tag',
    ],
    ['__proto__', `{${include},"__proto__":{"enabled":false}}`, 400, '/__proto__'],
    ['__proto__, escaped', `{${include},"\\u005f_proto__":{}}`, 400, '/__proto__'],
    ['constructor', `{${include},"constructor":{"prototype":{"x":1}}}`, 400, '/constructor'],
    ['a name with a slash', `{${include},"a/b~c":1}`, 400, '/a~1b~0c'],
    ['deep nesting', `${'['.repeat(100_000)}`, 400, '/0'.repeat(20)],
    ['a long number', `{${include},"retention":{"keepLast":1e400}}`, 400, '/retention/keepLast'],
  ])('%s', async (_what, text, status, pointer) => {
    const { call, records } = apiHarness([web]);
    const answer = await call('PUT', 'policies/nightly', { text });
    expect(answer).toMatchObject({ status, body: { code: 'request.invalid', errors: [{ pointer }] } });
    expect(records.size()).toBe(0);
    expect({}).not.toHaveProperty('enabled');
  });

  test('bytes that are not UTF-8', async () => {
    const { call } = apiHarness([web]);
    const text = Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x7d]);
    expect(await call('PUT', 'policies/nightly', { text })).toMatchObject({ status: 400 });
  });

  test('more than 1 MiB is 413, announced or not', async () => {
    const { call } = apiHarness([web]);
    const text = JSON.stringify({ include: {}, pad: 'x'.repeat(limits.requestBodyBytesMax) });
    expect(await call('PUT', 'policies/nightly', { text })).toMatchObject({ status: 413 });
    const headers = { 'content-length': String(limits.requestBodyBytesMax + 1) };
    expect(await call('PUT', 'policies/nightly', { text: '{}', headers })).toMatchObject({
      status: 413,
      body: { code: 'request.too-large' },
    });
  });

  test.each(['text/plain', 'application/json; charset=latin1', 'application/jsonx', ''])(
    'of type %p are 415',
    async (type) => {
      const { call, records } = apiHarness([web]);
      const options = { text: '{"include":{}}', headers: { 'content-type': type } };
      expect(await call('PUT', 'policies/nightly', options)).toMatchObject({ status: 415, body: { status: 415 } });
      expect(records.size()).toBe(0);
    },
  );

  test.each(['application/json', 'Application/JSON; charset=utf-8', 'application/json;charset="UTF-8"'])(
    'of type %p are read',
    async (type) => {
      const { call } = apiHarness([web]);
      const options = { text: '{"include":{}}', headers: { 'content-type': type } };
      expect(await call('PUT', 'policies/nightly', options)).toMatchObject({ status: 201 });
    },
  );
});

describe('fuzzed bodies', () => {
  const words = [
    'name',
    'include',
    'exclude',
    'tags',
    'tag',
    'value',
    'vmIds',
    'regions',
    'schedule',
    'cron',
    'timeZone',
    'enabled',
    'retention',
    'keepLast',
    'excludeLuns',
    'vmId',
    'pointId',
    'luns',
    'target',
    'kind',
    'image',
    'disk',
    'os',
    'nightly',
    'resourceGroup',
    'subscription',
    '0 0 2 * * *',
    'UTC',
    'westeurope',
    web.id,
    'p-job-1',
    '__proto__',
    'constructor',
    'toString',
    '',
    '../..',
    '\u0000',
    '%2e%2e',
    'ﬀ',
    '\ud800',
  ];
  const leaf = fc.oneof(
    fc.constantFrom(...words),
    fc.constantFrom(0, 1, -1, 63, 64, 1e9, 1.5, true, false, null),
    fc.string({ maxLength: 30, unit: 'binary' }),
  );
  const key = fc.oneof(
    { weight: 6, arbitrary: fc.constantFrom(...words) },
    { weight: 1, arbitrary: fc.string({ maxLength: 8 }) },
  );
  const { tree } = fc.letrec((tie) => ({
    tree: fc.oneof(
      { depthSize: 'small', withCrossShrink: true },
      leaf,
      fc.array(tie('tree'), { maxLength: 4 }),
      fc.array(fc.tuple(key, tie('tree')), { maxLength: 5 }).map((entries) => Object.fromEntries(entries)),
    ),
  }));
  /** Near misses find more than noise: well-formed bodies with one part replaced. */
  const nearMiss = fc
    .tuple(
      fc.constantFrom<Record<string, unknown>>(
        {
          include: { tags: [{ tag: 'backup', value: 'yes' }] },
          schedule: { cron: '0 0 2 * * *' },
          retention: { keepLast: 3 },
        },
        { vmId: web.id, excludeLuns: [0] },
        { pointId: 'p-job-1', luns: ['os', 0], target: { kind: 'disk', resourceGroup: 'r', namePrefix: 'x' } },
      ),
      key,
      tree,
    )
    .map(([body, at, value]) => ({ ...body, [at]: value }));
  const text = fc.oneof(
    fc.oneof(tree, nearMiss).map((value) => JSON.stringify(value)),
    fc.tuple(nearMiss, fc.nat(), fc.string({ maxLength: 3 })).map(([value, at, junk]) => {
      const whole = JSON.stringify(value);
      const cut = at % (whole.length + 1);
      return whole.slice(0, cut) + junk + whole.slice(cut + 1);
    }),
    fc.string({ maxLength: 200, unit: 'binary' }),
  );
  const target = fc.constantFrom(
    ['PUT', 'policies/nightly'],
    ['POST', 'policies/nightly/run'],
    ['POST', 'backups'],
    ['POST', 'restores'],
    ['POST', 'jobs/job-1/cancel'],
  );

  test('never crash, never store what was refused, and leave the prototype alone', async () => {
    const before = Object.getOwnPropertyNames(Object.prototype).length;
    const harness = apiHarness([web]);
    await harness.catalog.points.put(samplePoint('job-1', '2026-11-22T02:00:00.000Z', web), sampleVerification('x'));
    let stored = harness.records.size();
    await fc.assert(
      fc.asyncProperty(target, text, async ([method = '', path = ''], body) => {
        const answer = await harness.call(method, path, { text: body });
        expect([200, 201, 202, 400, 404, 409, 422]).toContain(answer.status);
        if (answer.status >= 400) {
          expect(answer.body).toMatchObject({
            status: answer.status,
            code: expect.any(String),
            detail: expect.any(String),
          });
          expect(harness.records.size()).toBe(stored);
        }
        if (answer.status === 400) expect(answer.body.errors.length).toBeGreaterThan(0);
        stored = harness.records.size();
      }),
      { numRuns: 2000 },
    );
    expect(Object.getOwnPropertyNames(Object.prototype)).toHaveLength(before);
  });

  test('the scan agrees with JSON.parse: no flaw found means that no key was lost', () => {
    fc.assert(
      fc.property(fc.oneof(tree, nearMiss), (value) => {
        const json = JSON.stringify(value);
        const flaw = findJsonFlaw(json, 1000);
        expect(flaw === undefined || json.includes('__proto__')).toBe(true);
      }),
      { numRuns: 1000 },
    );
  });
});

describe('what fails inside', () => {
  const secret = 'https://md-1.blob.core.windows.net/x?sig=c2VjcmV0&se=1';

  test('a foreign error is 500 without its message, in the answer and in the log', async () => {
    const harness = apiHarness([web]);
    Object.assign(harness.deps.compute, { getMachine: async () => Promise.reject(new Error(secret)) });
    const answer = await harness.call('POST', 'backups', { body: { vmId: web.id } });
    expect(answer).toMatchObject({ status: 500, body: { code: 'internal' } });
    expect(JSON.stringify(answer)).not.toMatch(/sig=|md-1/);
    expect(harness.logged.join('\n')).toMatch(/request failed.*11111111/);
    expect(harness.logged.join('\n')).not.toMatch(/sig=|md-1/);
  });

  test.each([
    [new AppError('cloud.throttled', secret, { retryable: true, retryAfterMs: 4200 }), 503, '5'],
    [new AppError('store.unavailable', secret, { retryable: true }), 503, '10'],
    [new AppError('record.conflict', secret), 503, '10'],
    [new AppError('cloud.denied', secret), 502, undefined],
    [new AppError('format.unknown', secret), 500, undefined],
    [new TypeError(secret), 500, undefined],
    [secret, 500, undefined],
    [undefined, 500, undefined],
  ])('%# a failure below is told by its kind only', (error, status, retryAfter) => {
    const response = problemResponse(error, 'id');
    expect(response.status).toBe(status);
    expect(response.headers['retry-after']).toBe(retryAfter);
    expect(JSON.stringify(response)).not.toMatch(/sig=|md-1/);
  });
});

describe('answers', () => {
  test('are JSON that nobody caches or takes for something else', async () => {
    const { call } = apiHarness([web]);
    expect(await call('GET', 'healthz')).toMatchObject({
      status: 200,
      body: { status: 'ok' },
      headers: { 'content-type': 'application/json', 'cache-control': 'no-store', 'x-content-type-options': 'nosniff' },
    });
  });
});

describe('VMs', () => {
  test('are listed with what protects them and their newest point, those of other subscriptions never', async () => {
    const tagged = sampleMachine('web', { tags: { backup: 'yes' } });
    const { call, catalog } = apiHarness([tagged, sampleMachine('db')]);
    await call('PUT', 'policies/nightly', { body: { include: { tags: [{ tag: 'backup' }] } } });
    await call('PUT', 'policies/off', { body: { include: { tags: [{ tag: 'backup' }] }, enabled: false } });
    await catalog.points.put(samplePoint('job-1', '2026-11-22T02:00:00.000Z', tagged), sampleVerification('x'));
    expect((await call('GET', 'vms')).body.items).toEqual([
      {
        id: tagged.id,
        name: 'web',
        region: 'westeurope',
        sizeBytes: 128 * 2 ** 20,
        disks: 2,
        tags: { backup: 'yes' },
        policies: ['nightly'],
        lastPoint: { id: 'p-job-1', createdAt: '2026-11-22T02:00:00.000Z' },
      },
      expect.objectContaining({ name: 'db', policies: [] }),
    ]);
  });
});
