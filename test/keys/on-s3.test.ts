/** Root keys through the real S3 client, with the rights of the roles and no more. */
import { randomBytes } from 'node:crypto';
import { silentLogger } from '../../shared/base/logger';
import { openRootKey, rewrapRootKey } from '../../shared/blockstore/tenant-keys';
import { type StoreFixture, startStoreFixture } from '../aws/store-fixture';
import { type KeyWorld, keyWorld, tenant } from './key-world';

let fixture: StoreFixture;
let world: KeyWorld;
beforeAll(async () => {
  fixture = await startStoreFixture();
  world = keyWorld();
});
afterAll(async () => {
  world.close();
  await fixture.close();
});
afterEach(() => fixture.cloud.clearFaults());

const stores = (role: 'writer' | 'reader') => fixture.access.open({ role, tenant, sessionId: 'job-1' });
const through = (role: 'writer' | 'reader') =>
  world.options([world.keyFile('kek', Buffer.alloc(32, 5))], {
    stores: stores(role),
    logger: silentLogger,
    randomBytes,
  });

test('a writer makes the key through lost replies, a reader opens it, a writer wraps it anew', async () => {
  await expect(openRootKey(through('reader'), true)).rejects.toMatchObject({ code: 'store.denied' });
  fixture.cloud.fault({ id: 'lost', operation: 's3.PutObject', times: 2, action: { kind: 'lost-reply' } });
  const made = await openRootKey(through('writer'), true);
  expect(made.envelope.rewrap).toBe(0);
  const read = await openRootKey(through('reader'), false);
  expect(read.rootKey.equals(made.rootKey)).toBe(true);
  expect((await rewrapRootKey(through('writer'), through('writer').wrappers)).rewrap).toBe(1);
  expect((await openRootKey(through('reader'), false)).rootKey.equals(made.rootKey)).toBe(true);
});

test('no role overwrites an envelope or writes one of another generation', async () => {
  const { data, control } = stores('writer');
  const { etag } = await data.get(`t/${tenant}/k/1/0`);
  const replacing = data.replace(`t/${tenant}/k/1/0`, Buffer.from('mine'), etag);
  await expect(replacing).rejects.toMatchObject({ code: 'store.denied' });
  const held = await control.get(`t/${tenant}/k/1/0`);
  await expect(control.replace(`t/${tenant}/k/1/0`, Buffer.from('mine'), held.etag)).rejects.toMatchObject({
    code: 'store.denied',
  });
  for (const store of [data, control]) {
    await expect(store.putOnce(`t/${tenant}/k/2/0`, Buffer.from('x'))).rejects.toMatchObject({ code: 'store.denied' });
  }
});
