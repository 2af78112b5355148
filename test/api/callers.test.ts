/** Who asks, how often, and where: what stands before every route. */
import { inScope } from '../../shared/api/caller';
import { answerUnknown } from '../../shared/api/fallback';
import { createIdentify, parseCallerScopes, type TokenFacts } from '../../shared/api/identify';
import { createRateLimiter } from '../../shared/api/rate-limit';
import { routes } from '../../shared/api/routes';
import { AppError } from '../../shared/model/errors';
import { apiHarness } from '../helpers/api-harness';
import { manualClock } from '../helpers/manual-clock';
import { sampleMachine, vmIdOf } from '../helpers/samples';

const OID = '0b9ec700-0000-4000-8000-000000000001';
const GROUP = '0b9ec700-0000-4000-8000-0000000000aa';
const scope = '/subscriptions/11111111-2222-4333-8444-555555555555/resourceGroups/prod';
const facts: TokenFacts = { objectId: OID, name: 'Ada', roles: ['viewer', 'owner'], groups: [GROUP] };
const asking = (authorization?: string) => ({
  headers: new Headers(authorization === undefined ? {} : { authorization }),
});

describe('identify', () => {
  const entra = createIdentify({ mode: 'entra', verifyToken: async () => facts, scopes: {} });

  test('a token makes a caller of known roles only', async () => {
    expect(await entra(asking('Bearer a.b.c'))).toEqual({ id: OID, name: 'Ada', roles: ['viewer'], scopes: 'all' });
  });

  test.each([undefined, '', 'Basic YTpi', 'Bearer', 'Bearer x', 'Bearer a.b.c, Bearer d.e.f'])(
    '%j is 401 with a challenge',
    async (header) => {
      await expect(entra(asking(header))).rejects.toMatchObject({
        parts: { status: 401, headers: { 'www-authenticate': expect.stringMatching(/^Bearer/) } },
      });
    },
  );

  test('a token that is not believed is 401, one that cannot be checked is not', async () => {
    const failing = (error: AppError) =>
      createIdentify({ mode: 'entra', verifyToken: async () => Promise.reject(error), scopes: {} })(
        asking('Bearer a.b.c'),
      );
    await expect(failing(new AppError('caller.unknown', 'expired'))).rejects.toMatchObject({ parts: { status: 401 } });
    await expect(failing(new AppError('cloud.unavailable', 'x'))).rejects.toMatchObject({ code: 'cloud.unavailable' });
  });

  test('a key is one person without the approver’s role; a token beside it says who it is', async () => {
    const byKey = createIdentify({ mode: 'function-key', verifyToken: async () => facts, scopes: {} });
    const holder = await byKey(asking());
    expect(holder.roles).not.toContain('security-admin');
    expect(await byKey(asking('Bearer a.b.c'))).toMatchObject({ id: OID, roles: ['viewer'] });
    const without = createIdentify({ mode: 'function-key', scopes: {} });
    await expect(without(asking('Bearer a.b.c'))).rejects.toMatchObject({ parts: { status: 401 } });
  });

  test.each([
    ['own', `${OID}=${scope}`, [scope]],
    ['by group', `${GROUP}=${scope}/`, [scope]],
    ['of both, together', `${OID}=${scope};${GROUP}=all`, 'all'],
    ['everybody else', '*=all', 'all'],
    ['none', `${OID.replace('1', '2')}=all`, []],
  ])('scopes: %s', async (_what, text, expected) => {
    const identify = createIdentify({ mode: 'entra', verifyToken: async () => facts, scopes: parseCallerScopes(text) });
    expect((await identify(asking('Bearer a.b.c'))).scopes).toEqual(expected);
  });

  test.each(['x=all', `${OID}=everything`, `${OID}=/subscriptions/1`, OID, `__proto__=all`])(
    'scopes that cannot be read: %s',
    (text) => expect(() => parseCallerScopes(text)).toThrow('config.invalid'),
  );
});

test('a scope is whole segments, without case', () => {
  const id = vmIdOf('web', 'prod');
  const within = (given: string) => inScope({ scopes: [given] }, id);
  expect([scope, scope.toUpperCase(), '/subscriptions/11111111-2222-4333-8444-555555555555'].map(within)).toEqual([
    true,
    true,
    true,
  ]);
  expect([scope.slice(0, -1), `${scope}2`, '/subscriptions/1', ''].map(within)).toEqual([false, false, false, false]);
});

describe('too much', () => {
  test('a caller that does not stop gets 429, others do not notice, and a second later it goes on', () => {
    const clock = manualClock();
    const limit = createRateLimiter(clock);
    const ask = (id: string) => {
      try {
        limit({ id });
        return 200;
      } catch (error) {
        return (error as { parts: { status: number; headers: Record<string, string> } }).parts;
      }
    };
    const answers = Array.from({ length: 201 }, () => ask('loop'));
    expect(answers.slice(0, 200)).toEqual(Array(200).fill(200));
    expect(answers[200]).toMatchObject({ status: 429, headers: { 'retry-after': '1' } });
    expect(ask('other')).toBe(200);
    clock.advance(1000);
    expect(Array.from({ length: 26 }, () => ask('loop')).filter((answer) => answer === 200)).toHaveLength(25);
  });

  test('starts of jobs have an hourly quota across processes; dry runs cost nothing', async () => {
    const { call, deps } = apiHarness([sampleMachine('web')]);
    await call('PUT', 'policies/none', { body: { include: { regions: ['westeurope'] } } });
    for (let count = 0; count < 60; count++) await deps.catalog.quotas.take('runPolicy/everyone', 60);
    const refused = await call('POST', 'policies/none/run');
    expect(refused).toMatchObject({ status: 429, body: { code: 'caller.too-many-requests' } });
    expect(Number(refused.headers['retry-after'])).toBeGreaterThan(0);
    expect((await call('POST', 'policies/none/run?dryRun=true')).status).toBe(200);
  });
});

test('what is not in the table is 404, what is there under another method 405 with the right ones', () => {
  const ask = (method: string, path: string) => answerUnknown(routes, method, path, 'id');
  expect(ask('GET', 'nothing/here')).toMatchObject({
    status: 404,
    headers: { 'content-type': 'application/problem+json' },
  });
  expect(ask('PATCH', 'policies/nightly')).toMatchObject({ status: 405, headers: { allow: 'GET, PUT, DELETE' } });
  expect(ask('DELETE', 'VMS/')).toMatchObject({ status: 405, headers: { allow: 'GET' } });
});
