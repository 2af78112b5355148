/** The Key Vault wrapper against the simulated vault, by the real client. */
import { randomBytes } from 'node:crypto';
import { KeyClient } from '@azure/keyvault-keys';
import { createAzureCredential } from '../../shared/azure/credential';
import { createKeyVaultWrapper } from '../../shared/azure/key-vault';
import type { WrappedRootKey } from '../../shared/blockstore/key-wrapper';
import { rewrapRootKey } from '../../shared/blockstore/tenant-keys';
import { AppError } from '../../shared/model/errors';
import { type Fixture, identityObject, startFixture } from '../azure/cloud-fixture';
import { type KeyWorld, keyWorld, namesIn } from './key-world';

const credential = createAzureCredential();
const context = { tenant: 'acme', generation: 1 };
let fixture: Fixture;
let admin: KeyClient;
let world: KeyWorld;

beforeAll(async () => {
  fixture = await startFixture({
    vms: [],
    scaleSets: [],
    keyVault: { keys: ['acme', 'other', 'states'].map((name) => ({ name, bits: 2048 })) },
  });
  admin = new KeyClient(fixture.cloud.endpoints.keyVault, credential, { disableChallengeResourceVerification: true });
});
afterAll(() => fixture.close());
beforeEach(() => {
  world = keyWorld();
});
afterEach(() => {
  world.close();
  fixture.clearFaults();
});

const wrapperOf = (name: string) =>
  createKeyVaultWrapper({
    keyId: `${fixture.cloud.endpoints.keyVault}/keys/${name}`,
    credential,
    rule: { attemptsMax: 4, firstDelayMs: 2, delayMsMax: 10 },
    deadlineMs: 1000,
  });
const code = (wanted: string, retryable = false) => expect.objectContaining({ code: wanted, retryable });

test('a root key is made, opened and wrapped anew under a rotated key', async () => {
  const vault = wrapperOf('acme');
  const key = await world.open([vault]);
  expect(await world.open([wrapperOf('acme')])).toBe(key);
  await admin.rotateKey('acme');
  const envelope = await rewrapRootKey(world.options([vault]), [vault, world.keyFile('second')]);
  expect(envelope.wraps.map(({ kind }) => kind)).toEqual(['key-vault', 'key-file']);
  expect(envelope.wraps[0]?.keyId).toMatch(/\/keys\/acme\/[0-9a-f]{32}$/);
  expect(await world.open([vault])).toBe(key);
});

test('throttling, errors, resets, stalls and a dead token are lived through', async () => {
  const vault = wrapperOf('acme');
  const key = await world.open([vault]);
  for (const action of [
    { kind: 'status', status: 429 },
    { kind: 'status', status: 503 },
    { kind: 'reset' },
    { kind: 'lost-reply' },
    { kind: 'cut' },
    { kind: 'stall', ms: 3000 },
    { kind: 'expire' },
  ] as const) {
    fixture.clearFaults();
    fixture.fault({ id: action.kind, service: 'keyvault', times: 2, action });
    expect(await world.open([vault])).toBe(key);
  }
}, 30_000);

test('a vault that stays down, or throttles for good, is told as that, and nothing is written', async () => {
  for (const [status, wanted] of [
    [429, 'cloud.throttled'],
    [503, 'cloud.unavailable'],
  ] as const) {
    fixture.clearFaults();
    fixture.fault({ id: 'f', service: 'keyvault', action: { kind: 'status', status } });
    await expect(world.open([wrapperOf('acme')])).rejects.toEqual(code(wanted, true));
    expect(namesIn(world.stores)).toEqual([]);
  }
});

test('a key that is not there, deleted, disabled, or may not be used: each by its own code, and nothing is written', async () => {
  await expect(world.open([wrapperOf('nobody')])).rejects.toEqual(code('key.missing'));
  const vault = wrapperOf('states');
  const key = await world.open([vault]);
  const before = namesIn(world.stores);
  const version = (await admin.getKey('states')).properties.version ?? '';
  await admin.updateKeyProperties('states', version, { enabled: false });
  await expect(world.open([vault])).rejects.toEqual(code('key.disabled'));
  await expect(rewrapRootKey(world.options([vault]), [vault])).rejects.toEqual(code('key.disabled'));
  await expect(vault.wrap(randomBytes(32), context)).rejects.toEqual(code('key.disabled'));
  // Expired is not disabled: what was wrapped must open.
  await admin.updateKeyProperties('states', version, { enabled: true, expiresOn: new Date(Date.now() - 1000) });
  expect(await world.open([vault])).toBe(key);
  await admin.updateKeyProperties('states', version, { keyOps: ['wrapKey'] });
  await expect(world.open([vault])).rejects.toEqual(code('key.disabled'));
  await admin.updateKeyProperties('states', version, { keyOps: ['wrapKey', 'unwrapKey'] });
  await fixture.control('POST', '/keyvault/grants', { objectId: identityObject, permissions: ['get'] });
  await expect(world.open([vault])).rejects.toEqual(code('cloud.denied'));
  await fixture.control('POST', '/keyvault/grants', { objectId: identityObject, permissions: null });
  await (await admin.beginDeleteKey('states')).pollUntilDone();
  await expect(world.open([vault])).rejects.toEqual(code('key.missing'));
  expect(namesIn(world.stores)).toEqual(before);
}, 20_000);

test('another key of the vault does not open it, and says what is needed', async () => {
  await world.open([wrapperOf('acme')]);
  await expect(world.open([wrapperOf('other')])).rejects.toThrow(
    /needs key-vault .*\/keys\/acme\/.*given is key-vault .*\/keys\/other/,
  );
});

test('a token goes to the vault of the settings and to no host that an envelope names', async () => {
  const vault = wrapperOf('acme');
  const honest = await vault.wrap(randomBytes(32), context);
  fixture.cloud.context.log.clear();
  for (const keyId of [
    'https://evil.example/keys/acme/0123456789abcdef0123456789abcdef',
    'https://evil.vault.azure.net/keys/acme/0123456789abcdef0123456789abcdef',
    honest.keyId.replace('https://', 'http://'),
    honest.keyId.replace('/acme/', '/other/'),
    honest.keyId.replace(/\/[0-9a-f]{32}$/, ''),
    `${honest.keyId}?x=1`,
  ]) {
    const wrap: WrappedRootKey = { ...honest, keyId };
    expect(await vault.opens(wrap)).toBe(false);
    if (/[0-9a-f]{32}$/.test(keyId)) {
      await expect(async () => vault.unwrap(wrap, context)).rejects.toMatchObject({
        code: expect.stringMatching(/^(key\.wrong|config\.invalid)$/),
      });
    }
  }
  expect(fixture.cloud.context.log.entries({ service: 'keyvault' })).toEqual([]);
});

test.each([
  'https://evil.example/keys/k',
  'http://a.vault.azure.net/keys/k',
  'https://a.vault.azure.net/secrets/k',
  'x',
])('%s is no key of a vault', (keyId) => {
  expect(() => createKeyVaultWrapper({ keyId, credential })).toThrow(
    expect.objectContaining({ code: 'config.invalid' }),
  );
});

test('many at once, on clients that have not met the challenge yet, lose nothing', async () => {
  const vault = wrapperOf('acme');
  const secrets = Array.from({ length: 6 }, () => randomBytes(32));
  const wraps = await Promise.all(secrets.map((secret) => vault.wrap(secret, context)));
  const opened = await Promise.all(wraps.map((wrap) => vault.unwrap(wrap, context)));
  expect(opened.every((one, index) => secrets[index]?.equals(one))).toBe(true);
});

test('an abort is an abort', async () => {
  fixture.fault({ id: 'f', service: 'keyvault', action: { kind: 'delay', ms: 500 } });
  const stop = new AbortController();
  const wrapping = wrapperOf('acme').wrap(randomBytes(32), { ...context, signal: stop.signal });
  stop.abort(new AppError('job.canceled', 'canceled'));
  await expect(wrapping).rejects.toMatchObject({ code: 'job.canceled' });
});

test('no token and no key is in an error', async () => {
  const vault = wrapperOf('acme');
  const secret = randomBytes(32);
  const wrap = await vault.wrap(secret, context);
  await admin.updateKeyProperties('acme', { enabled: false });
  const error: unknown = await vault.unwrap(wrap, context).catch((thrown: unknown) => thrown);
  const text = error instanceof AppError ? `${error.stack}${JSON.stringify(error)}${String(error.cause)}` : '';
  expect(text).toContain('key.disabled');
  expect(text).not.toMatch(/eyJ|Bearer/);
  for (const form of ['hex', 'base64', 'base64url'] as const) expect(text).not.toContain(secret.toString(form));
  expect(text).not.toContain(wrap.wrapped.slice(0, 30));
});
