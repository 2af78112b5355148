/** The root key in memory: an hour at most, overwritten when dropped, made by a writer only. */
import { randomBytes } from 'node:crypto';
import { createTenantKeySource } from '../../shared/app/key-source';
import type { KeyWrapper } from '../../shared/blockstore/key-wrapper';
import { openRepository } from '../../shared/blockstore/repository';
import { rewrapRootKey } from '../../shared/blockstore/tenant-keys';
import { manualClock } from '../helpers/manual-clock';
import { type KeyWorld, keyWorld, tenant } from './key-world';

const HOUR_MS = 60 * 60_000;
let world: KeyWorld;
beforeEach(() => {
  world = keyWorld();
});
afterEach(() => world.close());

/** Hands out the very buffers that the source will keep, so that their overwriting can be seen. */
function watched(file: KeyWrapper) {
  const opened: Buffer[] = [];
  const wrapper: KeyWrapper = {
    ...file,
    unwrap: async (wrap, context) => {
      const rootKey = await file.unwrap(wrap, context);
      opened.push(rootKey);
      return rootKey;
    },
  };
  return { opened, wrapper };
}

function sourceOf(wrapper: KeyWrapper) {
  const clock = manualClock();
  const { logger } = world.options([]);
  const source = createTenantKeySource({ wrappers: [wrapper], pinnedCheck: undefined, randomBytes, clock, logger });
  return {
    clock,
    source,
    reader: source.through(world.stores, 'reader'),
    writer: source.through(world.stores, 'writer'),
  };
}

test('kept for an hour, then overwritten and opened again', async () => {
  const { opened, wrapper } = watched(world.keyFile('kek'));
  const key = await world.open([wrapper]);
  const { clock, reader } = sourceOf(wrapper);
  opened.length = 0;
  for (let count = 0; count < 5; count++) expect((await reader.rootKey(tenant)).toString('hex')).toBe(key);
  expect(opened).toHaveLength(1);
  clock.advance(HOUR_MS - 1);
  await reader.rootKey(tenant);
  expect(opened).toHaveLength(1);
  clock.advance(2);
  expect((await reader.rootKey(tenant)).toString('hex')).toBe(key);
  expect(opened).toHaveLength(2);
  expect(opened[0]?.equals(Buffer.alloc(32))).toBe(true);
});

test('many sessions at once open it once for each role, and all get the same key', async () => {
  const { opened, wrapper } = watched(world.keyFile('kek'));
  await world.open([wrapper]);
  opened.length = 0;
  const { reader, writer } = sourceOf(wrapper);
  const keys = await Promise.all([reader, writer, reader, writer, reader].map((one) => one.rootKey(tenant)));
  expect(new Set(keys.map((key) => key.toString('hex'))).size).toBe(1);
  expect(keys[0]?.equals(Buffer.alloc(32))).toBe(false);
  expect(opened.length).toBeLessThanOrEqual(2);
});

test('a caller gets a copy of its own, and giving it back overwrites that copy alone', async () => {
  const file = world.keyFile('kek');
  const key = await world.open([file]);
  const { reader, source } = sourceOf(file);
  const copy = await reader.rootKey(tenant);
  reader.release?.(copy);
  expect(copy.equals(Buffer.alloc(32))).toBe(true);
  expect((await reader.rootKey(tenant)).toString('hex')).toBe(key);
  source.clear();
  expect((await reader.rootKey(tenant)).toString('hex')).toBe(key);
});

test('a failure is not kept', async () => {
  const { reader, writer } = sourceOf(world.keyFile('kek'));
  await expect(reader.rootKey(tenant)).rejects.toMatchObject({ code: 'key.missing' });
  const key = await writer.rootKey(tenant);
  expect((await reader.rootKey(tenant)).equals(key)).toBe(true);
});

test('repositories are opened with it, and packs of new generations after a rotation', async () => {
  const file = world.keyFile('kek');
  const { clock, source } = sourceOf(file);
  const { logger } = world.options([]);
  const open = () => {
    const keys = source.through(world.stores, 'writer');
    return openRepository({ stores: world.stores, tenant, keys, clock, logger });
  };
  const before = await open();
  expect(before.keys.wrapGeneration).toBe(1);
  await rewrapRootKey(world.options([file]), [file], { nextPackGeneration: true });
  clock.advance(HOUR_MS + 1);
  const after = await open();
  expect(after.keys.wrapGeneration).toBe(2);
  expect(after.keys.id.equals(before.keys.id)).toBe(true);
});
