/** The end of a tenant: on the simulated S3 and Key Vault, with the role that may, and with those that may not. */
import { randomBytes } from 'node:crypto';
import { KeyClient } from '@azure/keyvault-keys';
import { roleArn } from '../../local/stack/aws-seed';
import { createObjectEraser } from '../../shared/aws/object-eraser';
import { createAzureCredential, createTokenProvider } from '../../shared/azure/credential';
import { createKeyVaultWrapper } from '../../shared/azure/key-vault';
import { createDestroyableKey } from '../../shared/azure/key-vault-destroy';
import { silentLogger } from '../../shared/base/logger';
import type { KeyWrapper } from '../../shared/blockstore/key-wrapper';
import type { ObjectEraser } from '../../shared/blockstore/object-store';
import { openRootKey, rewrapRootKey } from '../../shared/blockstore/tenant-keys';
import { eraseTenantKeys } from '../../shared/blockstore/tenant-keys-erase';
import { names, type StoreFixture, startStoreFixture } from '../aws/store-fixture';
import { accountId, audience } from '../azure/cloud-fixture';
import { type KeyWorld, keyWorld, tenant } from './key-world';

const credential = createAzureCredential();
const rule = { attemptsMax: 4, firstDelayMs: 2, delayMsMax: 10 };
let fixture: StoreFixture;
let vault: KeyClient;
let world: KeyWorld;

beforeAll(async () => {
  fixture = await startStoreFixture();
  const { keyVault } = fixture.cloud.cloud.endpoints;
  vault = new KeyClient(keyVault, credential, { disableChallengeResourceVerification: true });
});
afterAll(() => fixture.close());
beforeEach(() => {
  world = keyWorld();
});
afterEach(() => {
  world.close();
  fixture.cloud.clearFaults();
});

const stores = (role: 'writer' | 'reader') => fixture.access.open({ role, tenant, sessionId: 'keys-1' });
const place = (role: 'writer' | 'reader', wrappers: readonly KeyWrapper[]) =>
  world.options(wrappers, { stores: stores(role), logger: silentLogger });
const keyIdOf = (name: string): string => `${fixture.cloud.cloud.endpoints.keyVault}/keys/${name}`;

function eraser(role: 'eraser' | 'writer' | 'reader' = 'eraser'): ObjectEraser {
  return createObjectEraser({
    region: names.region,
    endpoint: fixture.cloud.cloud.endpoints.aws,
    webIdentityToken: createTokenProvider(credential, audience),
    roleArn: roleArn(accountId, role),
    dataBucket: names.dataBucket,
    controlBucket: names.controlBucket,
    accountId,
    tenant,
    rule,
  });
}

async function vaultKey(name: string) {
  await vault.createRsaKey(name, { keySize: 2048 });
  const wrappers = [createKeyVaultWrapper({ keyId: keyIdOf(name), credential, rule })];
  return { wrappers, vaultKeys: [createDestroyableKey({ keyId: keyIdOf(name), credential, rule })] };
}

test('every wrap is gone, in both buckets and the vault, and it is proven; repeating it says the same', async () => {
  const { wrappers, vaultKeys } = await vaultKey('ended');
  await openRootKey(place('writer', wrappers), true);
  await rewrapRootKey(place('writer', wrappers), wrappers);
  const data = stores('writer');
  await data.data.putOnce(`t/${tenant}/u/00/pack`, randomBytes(64));
  const request = { ...place('reader', wrappers), objects: eraser(), vaultKeys, purge: true };
  fixture.cloud.fault({ id: 'f', operation: 's3.*', times: 2, action: { kind: 'status', status: 503 } });
  const report = await eraseTenantKeys(request);
  expect(report).toMatchObject({
    envelopesFound: 2,
    versionsDeleted: 4,
    envelopesKept: [],
    vaultKeys: [{ state: 'purged' }],
    stillOpens: [],
    mustBeDestroyed: [],
    erased: true,
  });
  // The data are there and stay closed: nobody makes a new key over them.
  for (const role of ['writer', 'reader'] as const) {
    await expect(openRootKey(place(role, wrappers), true)).rejects.toMatchObject({ code: 'key.missing' });
  }
  expect(await eraseTenantKeys(request)).toMatchObject({ envelopesFound: 0, versionsDeleted: 0, erased: true });
}, 20_000);

test('no job role can erase an envelope, and the eraser can erase nothing else', async () => {
  for (const role of ['writer', 'reader'] as const) {
    await stores('writer').control.putOnce(`t/${tenant}/k/1/77`, Buffer.from('x'));
    await expect(eraser(role).eraseAll('control', `t/${tenant}/k/`)).rejects.toMatchObject({ code: 'store.denied' });
  }
  await expect(eraser().eraseAll('data', `t/${tenant}/u/`)).rejects.toThrow('only key envelopes');
  expect(await eraser().eraseAll('control', `t/${tenant}/k/`)).toEqual({ deletedCount: 1, kept: [] });
});

describe('what is not in our hand is named', () => {
  const kept: ObjectEraser = {
    eraseAll: async (bucket, prefix) => ({ deletedCount: 0, kept: bucket === 'data' ? [`${prefix}1/0`] : [] }),
  };

  test('a locked envelope whose key file still exists: not erased; without the file: erased', async () => {
    const file = world.keyFile('kek');
    await world.open([file]);
    const request = { ...world.options([file]), objects: kept, vaultKeys: [], purge: true };
    const report = await eraseTenantKeys(request);
    expect(report.erased).toBe(false);
    expect(report.stillOpens).toEqual([expect.stringMatching(/^key-file [0-9a-f]{32}$/)]);
    expect(report.mustBeDestroyed).toEqual(report.stillOpens);
    expect(report.envelopesKept).toEqual([`data t/${tenant}/k/1/0`]);
    const other = { ...request, wrappers: [world.keyFile('kek')] };
    expect(await eraseTenantKeys(other)).toMatchObject({ erased: true, stillOpens: [] });
  });

  test('a vault that cannot answer proves nothing', async () => {
    const { wrappers } = await vaultKey('silent');
    await world.open(wrappers);
    fixture.cloud.fault({ id: 'f', service: 'keyvault', action: { kind: 'status', status: 503 } });
    const erasing = eraseTenantKeys({ ...world.options(wrappers), objects: kept, vaultKeys: [], purge: true });
    await expect(erasing).rejects.toThrow(/not proven erased/);
  });

  test('a deleted vault key that nobody purged can come back until its day', async () => {
    const { wrappers, vaultKeys } = await vaultKey('kept');
    await world.open(wrappers);
    const report = await eraseTenantKeys({ ...world.options(wrappers), objects: kept, vaultKeys, purge: false });
    expect(report.vaultKeys).toEqual([expect.objectContaining({ state: 'recoverable' })]);
    expect(Date.parse(report.vaultKeys[0]?.endsAt ?? '')).toBeGreaterThan(Date.now());
    expect(report.erased).toBe(true);
  }, 20_000);
});
