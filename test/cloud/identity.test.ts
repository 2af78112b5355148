import { createPublicKey, verify } from 'node:crypto';
import { request } from 'node:https';
import { ManagedIdentityCredential } from '@azure/identity';
import { type AzureFixture, computeClient, GROUP, SUBSCRIPTION, startAzureFixture, TENANT } from './arm-fixture';

const ARM_RESOURCE = 'https://management.azure.com';

let fixture: AzureFixture;
beforeEach(async () => {
  fixture = await startAzureFixture();
});
afterEach(() => fixture.close());

async function askToken(query: string, header = fixture.azure.endpoints.identityHeader) {
  const response = await fetch(`${fixture.azure.endpoints.identity}?${query}`, {
    headers: { 'x-identity-header': header },
  });
  const body = (await response.json()) as Readonly<Record<string, string>>;
  return { status: response.status, body, token: body['access_token'] ?? '' };
}

const claimsOf = (token: string): unknown =>
  JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString('utf8'));

async function getVm(authorization: string | undefined) {
  const url = `${fixture.azure.endpoints.arm}/subscriptions/${SUBSCRIPTION}/resourceGroups/${GROUP}/providers/Microsoft.Compute/virtualMachines/web?api-version=2026-04-01`;
  return new Promise<{ status: number; code: string | undefined; challenge: string | undefined }>((resolve, reject) => {
    request(url, { headers: authorization === undefined ? {} : { authorization }, agent: false }, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (chunk: string) => {
        text += chunk;
      });
      response.on('end', () => {
        const body = JSON.parse(text) as { error?: { code: string } };
        resolve({
          status: response.statusCode ?? 0,
          code: body.error?.code,
          challenge: response.headers['www-authenticate'],
        });
      });
    })
      .on('error', reject)
      .end();
  });
}

test('the token is one of Entra ID version 1, signed with the published key', async () => {
  const { token, body } = await askToken('api-version=2019-08-01&resource=api://blockferry');
  const claims = claimsOf(token);
  const issuer = `${new URL(fixture.azure.endpoints.identity).origin}/${TENANT}/`;
  expect(claims).toMatchObject({
    aud: 'api://blockferry',
    iss: issuer,
    sub: 'object-1',
    oid: 'object-1',
    appid: 'client-1',
    tid: TENANT,
    ver: '1.0',
  });
  expect(body).toMatchObject({ resource: 'api://blockferry', token_type: 'Bearer' });

  const discovery = (await (await fetch(`${issuer}.well-known/openid-configuration`)).json()) as {
    issuer: string;
    jwks_uri: string;
  };
  expect(discovery.issuer).toBe(issuer);
  const { keys } = (await (await fetch(discovery.jwks_uri)).json()) as {
    keys: readonly { kid: string }[];
  };
  const [head = '', payload = '', signature = ''] = token.split('.');
  const { kid } = JSON.parse(Buffer.from(head, 'base64url').toString('utf8')) as { kid: string };
  const key = keys.find((candidate) => candidate.kid === kid);
  const publicKey = createPublicKey({ key: key ?? {}, format: 'jwk' });
  expect(verify('sha256', Buffer.from(`${head}.${payload}`), publicKey, Buffer.from(signature, 'base64url'))).toBe(
    true,
  );
});

test('the managed-identity credential of the SDK gets its token here', async () => {
  const { IDENTITY_ENDPOINT, IDENTITY_HEADER } = process.env;
  process.env['IDENTITY_ENDPOINT'] = fixture.azure.endpoints.identity;
  process.env['IDENTITY_HEADER'] = fixture.azure.endpoints.identityHeader;
  try {
    const { token } = await new ManagedIdentityCredential({ clientId: 'client-1' }).getToken(
      'api://blockferry/.default',
    );
    expect(claimsOf(token)).toMatchObject({ aud: 'api://blockferry', appid: 'client-1' });
  } finally {
    restore('IDENTITY_ENDPOINT', IDENTITY_ENDPOINT);
    restore('IDENTITY_HEADER', IDENTITY_HEADER);
  }
});

test('a wrong header, version, resource or client is refused', async () => {
  const good = `api-version=2019-08-01&resource=${ARM_RESOURCE}`;
  expect((await askToken(good, 'wrong')).status).toBe(401);
  expect((await askToken(`resource=${ARM_RESOURCE}`)).status).toBe(400);
  expect((await askToken('api-version=2019-08-01&resource=nonsense')).status).toBe(400);
  expect((await askToken(`${good}&client_id=unknown`)).status).toBe(400);
});

test('ARM accepts its own audience only, and no expired or changed token', async () => {
  const { token } = await askToken(`api-version=2019-08-01&resource=${ARM_RESOURCE}/`);
  expect((await getVm(`Bearer ${token}`)).status).toBe(200);
  expect(await getVm(undefined)).toMatchObject({
    status: 401,
    code: 'AuthenticationFailed',
    challenge: expect.stringContaining('Bearer'),
  });
  const [head, , signature] = token.split('.');
  const forged = Buffer.from(JSON.stringify({ aud: ARM_RESOURCE })).toString('base64url');
  expect(await getVm(`Bearer ${head}.${forged}.${signature}`)).toMatchObject({
    status: 401,
    code: 'InvalidAuthenticationToken',
  });
  const other = await askToken('api-version=2019-08-01&resource=api://blockferry');
  expect(await getVm(`Bearer ${other.token}`)).toMatchObject({
    status: 401,
    code: 'InvalidAuthenticationTokenAudience',
  });
  fixture.shiftClock(86_401_000);
  expect(await getVm(`Bearer ${token}`)).toMatchObject({ status: 401, code: 'ExpiredAuthenticationToken' });
});

test('the fault "expire" gives a token that has expired, and makes ARM refuse a good one', async () => {
  fixture.context.faults.add({ id: 'old', operation: 'identity.token', times: 1, action: { kind: 'expire' } });
  const old = await askToken(`api-version=2019-08-01&resource=${ARM_RESOURCE}`);
  expect(await getVm(`Bearer ${old.token}`)).toMatchObject({ code: 'ExpiredAuthenticationToken' });
  fixture.context.faults.add({ id: 'arm', service: 'arm', times: 1, action: { kind: 'expire' } });
  await expect(computeClient(fixture.azure).virtualMachines.get(GROUP, 'web')).rejects.toMatchObject({
    statusCode: 401,
  });
});

test('keys, secret and port stay the same over a restart', async () => {
  const { token } = await askToken(`api-version=2019-08-01&resource=${ARM_RESOURCE}`);
  const before = fixture.azure.endpoints;
  fixture = await fixture.restart();
  expect(fixture.azure.endpoints).toEqual(before);
  expect((await getVm(`Bearer ${token}`)).status).toBe(200);
});

function restore(name: string, value: string | undefined): void {
  if (value === undefined) delete process.env[name];
  else process.env[name] = value;
}
