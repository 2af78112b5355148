/** Tokens, good and forged in every way we know, against keys served over a socket. */
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { exportJWK, generateKeyPair, type JWTPayload, SignJWT } from 'jose';
import { createTokenVerifier } from '../../shared/azure/entra-tokens';

const TENANT = '8f1a6c52-7d0e-4b3c-9a45-2f6b1c3d4e50';
const OID = '0b9ec700-0000-4000-8000-000000000001';
const AUDIENCE = 'api://blockferry-api';
const NOW = Date.parse('2026-11-26T12:00:00Z');
const seconds = NOW / 1000;

let server: Server;
let authority: string;
let keys: Awaited<ReturnType<typeof generateKeyPair>>;
let others: Awaited<ReturnType<typeof generateKeyPair>>;
const fetched: string[] = [];

beforeAll(async () => {
  keys = await generateKeyPair('RS256', { extractable: true });
  others = await generateKeyPair('RS256', { extractable: true });
  const jwk = { ...(await exportJWK(keys.publicKey)), kid: 'k1', use: 'sig' };
  server = createServer((request, response) => {
    fetched.push(request.url ?? '');
    response.setHeader('content-type', 'application/json').end(JSON.stringify({ keys: [jwk] }));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  authority = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterAll(() => server.close());

const verifier = () =>
  createTokenVerifier({ authority, tenantId: TENANT, audience: ['app-id', AUDIENCE], now: () => NOW });

type Change = Readonly<Record<string, unknown>>;

const claims = (change: Change = {}): JWTPayload => ({
  iss: `${authority}/${TENANT}/v2.0`,
  aud: AUDIENCE,
  iat: seconds,
  nbf: seconds,
  exp: seconds + 3600,
  oid: OID,
  sub: 'pairwise',
  tid: TENANT,
  ver: '2.0',
  name: 'Ada',
  roles: ['viewer', 'something-else'],
  ...change,
});

const sign = (payload: JWTPayload, key = keys.privateKey, header: Record<string, unknown> = {}): Promise<string> =>
  new SignJWT(payload).setProtectedHeader({ alg: 'RS256', kid: 'k1', ...header }).sign(key);

test('a good token says who, with which roles', async () => {
  expect(await verifier()(await sign(claims()))).toEqual({
    objectId: OID,
    name: 'Ada',
    roles: ['viewer', 'something-else'],
    groups: [],
  });
  expect((await verifier()(await sign(claims({ aud: 'app-id', roles: undefined })))).roles).toEqual([]);
  expect(new Set(fetched)).toEqual(new Set([`/${TENANT}/discovery/v2.0/keys`]));
});

test.each<[string, Change, RegExp]>([
  ['another issuer', { iss: 'https://login.microsoftonline.com/other/v2.0' }, /iss/],
  ['another audience', { aud: 'https://management.azure.com' }, /aud/],
  ['another tenant', { tid: '11111111-7d0e-4b3c-9a45-2f6b1c3d4e50' }, /another tenant/],
  ['version 1', { ver: '1.0' }, /ver/],
  ['its end passed', { exp: seconds - 61 }, /expired/],
  ['no end', { exp: undefined }, /exp/],
  ['a start to come', { nbf: seconds + 61 }, /nbf/],
  ['no start', { nbf: undefined }, /nbf/],
  ['no object id', { oid: undefined }, /oid/],
  ['an object id that is none', { oid: 'function-key' }, /oid/],
  ['roles that are no list', { roles: 'security-admin' }, /roles/],
])('a token with %s is not believed, and the refusal does not quote it', async (_what, change, why) => {
  const token = await sign(claims(change));
  const refusal = verifier()(token);
  await expect(refusal).rejects.toMatchObject({ code: 'caller.unknown', message: expect.stringMatching(why) });
  await expect(refusal).rejects.not.toThrow(token.slice(0, 20));
});

test('a signature by another key, an altered claim, no algorithm, another algorithm: none is believed', async () => {
  const good = await sign(claims());
  const [head = '', , signature = ''] = good.split('.');
  const encode = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');
  const richer = encode(claims({ roles: ['security-admin'] }));
  const asSecret = new TextEncoder().encode(JSON.stringify(await exportJWK(keys.publicKey)));
  const forged = [
    await sign(claims(), others.privateKey),
    await sign(claims(), others.privateKey, { kid: 'k2' }),
    await sign(claims(), keys.privateKey, { alg: 'PS256' }).catch(() => 'a.b.c'),
    await new SignJWT(claims()).setProtectedHeader({ alg: 'HS256', kid: 'k1' }).sign(asSecret),
    `${head}.${richer}.${signature}`,
    `${encode({ alg: 'none', kid: 'k1' })}.${richer}.`,
    `${encode({ alg: 'none', kid: 'k1' })}.${richer}.x`,
    'a.b.c',
    '',
    'x'.repeat(20_000),
  ];
  for (const token of forged) await expect(verifier()(token)).rejects.toMatchObject({ code: 'caller.unknown' });
});

test('keys of our own choice are never fetched, and absent ones are no refusal of the caller', async () => {
  const before = fetched.length;
  const jku = await sign(claims(), others.privateKey, { jku: `${authority}/evil`, kid: 'k1' });
  await expect(verifier()(jku)).rejects.toMatchObject({ code: 'caller.unknown' });
  expect(fetched.slice(before)).toEqual([`/${TENANT}/discovery/v2.0/keys`]);
  const nowhere = createTokenVerifier({
    authority: 'http://127.0.0.1:9',
    tenantId: TENANT,
    audience: [AUDIENCE],
    now: () => NOW,
  });
  await expect(nowhere(await sign(claims()))).rejects.toMatchObject({ code: 'cloud.unavailable', retryable: true });
});
