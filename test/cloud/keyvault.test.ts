/** The simulated Key Vault speaks with the unmodified SDK client as the real one does. */
import { randomBytes } from 'node:crypto';
import { CryptographyClient, KeyClient } from '@azure/keyvault-keys';
import { createAzureCredential } from '../../shared/azure/credential';
import { type Fixture, identityObject, startFixture } from '../azure/cloud-fixture';

const options = { disableChallengeResourceVerification: true, retryOptions: { maxRetries: 0 } };
const credential = createAzureCredential();
let fixture: Fixture;
let keys: KeyClient;

beforeAll(async () => {
  fixture = await startFixture({ vms: [], scaleSets: [], keyVault: { keys: [{ name: 'seeded', bits: 2048 }] } });
  keys = new KeyClient(fixture.cloud.endpoints.keyVault, credential, options);
});
afterAll(() => fixture.close());
afterEach(() => fixture.clearFaults());

const crypto = (id: string | undefined): CryptographyClient => new CryptographyClient(id ?? '', credential, options);
const refused = (statusCode: number, inner?: string) => ({
  statusCode,
  ...(inner === undefined ? {} : { details: { error: { innerError: { code: inner } } } }),
});

test('a request without a token gets the challenge of a vault', async () => {
  const node = new CryptographyClient(`${fixture.cloud.endpoints.keyVault}/keys/seeded`, credential, {
    retryOptions: { maxRetries: 0 },
  });
  // The SDK holds the challenge's resource against the host, as it should outside of a simulator.
  await expect(node.wrapKey('RSA-OAEP-256', randomBytes(32))).rejects.toThrow(/challenge resource/);
  const bare = await fetch(`${fixture.cloud.endpoints.keyVault}/keys/seeded?api-version=7.4`);
  expect(bare.status).toBe(401);
  expect(bare.headers.get('www-authenticate')).toMatch(
    /^Bearer authorization="https:\/\/login\.windows\.net\/[0-9a-f-]{36}", resource="https:\/\/vault\.azure\.net"$/,
  );
  const entries = fixture.cloud.context.log.entries({ service: 'keyvault' });
  expect(entries.at(-1)).toMatchObject({ operation: 'keyvault.getKey', status: 401 });
});

test('a token for another audience is refused', async () => {
  const token = await credential.getToken('https://management.azure.com/.default');
  const reply = await fetch(`${fixture.cloud.endpoints.keyVault}/keys/seeded?api-version=7.4`, {
    headers: { authorization: `Bearer ${token?.token}` },
  });
  expect(reply.status).toBe(401);
});

test('versions: wrap with the newest, unwrap with the one that wrapped', async () => {
  const first = await keys.createRsaKey('versions', { keySize: 2048 });
  const secret = randomBytes(32);
  const { result } = await crypto(first.id).wrapKey('RSA-OAEP-256', secret);
  const second = await keys.rotateKey('versions');
  expect(second.id).not.toBe(first.id);
  expect((await keys.getKey('versions')).id).toBe(second.id);
  expect(Buffer.from((await crypto(first.id).unwrapKey('RSA-OAEP-256', result)).result).equals(secret)).toBe(true);
  await expect(crypto(second.id).unwrapKey('RSA-OAEP-256', result)).rejects.toMatchObject(refused(400));
  const versions: (string | undefined)[] = [];
  for await (const { id } of keys.listPropertiesOfKeyVersions('versions', {})) versions.push(id);
  expect(versions).toEqual([second.id, first.id]);
});

test('lists come in pages', async () => {
  const names: string[] = [];
  for await (const one of keys.listPropertiesOfKeys({}).byPage({ maxPageSize: 1 }))
    names.push(...one.map(({ name }) => name));
  expect(names).toContain('seeded');
});

test('a disabled key wraps and does not unwrap; an expired one the other way round', async () => {
  const key = await keys.createRsaKey('states', { keySize: 2048 });
  const { result } = await crypto(key.id).wrapKey('RSA-OAEP-256', randomBytes(32));
  await keys.updateKeyProperties('states', key.properties.version ?? '', { enabled: false });
  await crypto(key.id).wrapKey('RSA-OAEP-256', randomBytes(32));
  await expect(crypto(key.id).unwrapKey('RSA-OAEP-256', result)).rejects.toMatchObject(refused(403, 'KeyDisabled'));
  await keys.updateKeyProperties('states', { enabled: true, expiresOn: new Date(Date.now() - 60_000) });
  const { id = '', name, properties } = key;
  const { vaultUrl, version = '' } = properties;
  const direct = new CryptographyClient({ id, name, properties: { vaultUrl, name, version } }, credential, options);
  await expect(direct.unwrapKey('RSA-OAEP-256', result)).resolves.toBeDefined();
  await expect(direct.wrapKey('RSA-OAEP-256', randomBytes(32))).rejects.toMatchObject(refused(403));
  await keys.updateKeyProperties('states', { keyOps: ['wrapKey'] });
  await expect(direct.unwrapKey('RSA-OAEP-256', result)).rejects.toMatchObject(refused(403, 'KeyOperationForbidden'));
});

test('a deleted key is gone, keeps its name, can be recovered, and is purged for good', async () => {
  const key = await keys.createRsaKey('doomed', { keySize: 2048 });
  const deleted = await (await keys.beginDeleteKey('doomed')).pollUntilDone();
  expect(deleted.properties.scheduledPurgeDate?.getTime()).toBeGreaterThan(Date.now() + 89 * 86_400_000);
  await expect(keys.getKey('doomed')).rejects.toMatchObject({ ...refused(404), code: 'KeyNotFound' });
  await expect(keys.createRsaKey('doomed')).rejects.toMatchObject(refused(409, 'ObjectIsDeletedButRecoverable'));
  await (await keys.beginRecoverDeletedKey('doomed')).pollUntilDone();
  expect((await keys.getKey('doomed')).id).toBe(key.id);
  await (await keys.beginDeleteKey('doomed')).pollUntilDone();
  await keys.purgeDeletedKey('doomed');
  await expect(keys.getDeletedKey('doomed')).rejects.toMatchObject(refused(404));
}, 20_000);

test('permissions are per operation', async () => {
  await fixture.control('POST', '/keyvault/grants', { objectId: identityObject, permissions: ['get'] });
  const key = await keys.getKey('seeded');
  await expect(crypto(key.id).wrapKey('RSA-OAEP-256', randomBytes(32))).rejects.toMatchObject(
    refused(403, 'ForbiddenByRbac'),
  );
  await fixture.control('POST', '/keyvault/grants', { objectId: identityObject, permissions: null });
});

test('injected faults look like the service', async () => {
  fixture.fault({
    id: 'f',
    service: 'keyvault',
    times: 1,
    action: { kind: 'status', status: 429, retryAfterSeconds: 2 },
  });
  await expect(keys.getKey('seeded')).rejects.toMatchObject({ statusCode: 429, code: 'Throttled' });
  fixture.fault({ id: 'e', service: 'keyvault', times: 1, action: { kind: 'expire' } });
  expect((await keys.getKey('seeded')).name).toBe('seeded');
});
