import { randomBytes } from 'node:crypto';
import type { StorePair } from '../../shared/blockstore/object-store';
import { openRootKey, rewrapRootKey } from '../../shared/blockstore/tenant-keys';
import { decodeEnvelope, encodeEnvelope, rootKeyCheck } from '../../shared/format/key-envelope';
import { AppError } from '../../shared/model/errors';
import { copyStores } from '../helpers/memory-object-store';
import { envelopeAt, type KeyWorld, keyWorld, namesIn, tenant } from './key-world';

let world: KeyWorld;
const worlds: KeyWorld[] = [];
const keyWorldOf = (): KeyWorld => {
  const made = keyWorld();
  worlds.push(made);
  return made;
};
beforeEach(() => {
  world = keyWorld();
});
afterEach(() => {
  for (const made of [world, ...worlds.splice(0)]) made.close();
});

const code = (wanted: string) => expect.objectContaining({ code: wanted });

describe('the first writer', () => {
  test('makes the root key, kept only wrapped, in both buckets', async () => {
    const file = world.keyFile('kek');
    const key = await world.open([file]);
    expect(namesIn(world.stores)).toEqual(['control t/acme/k/1/0', 't/acme/k/1/0']);
    const stored = world.stores.data.objects.get(envelopeAt(0))?.body ?? Buffer.alloc(0);
    expect(world.stores.control.objects.get(envelopeAt(0))?.body.equals(stored)).toBe(true);
    for (const form of [Buffer.from(key, 'hex'), key, Buffer.from(key, 'hex').toString('base64').slice(0, 40)]) {
      expect(stored.includes(form)).toBe(false);
    }
    expect(decodeEnvelope(stored, envelopeAt(0)).wraps.map(({ kind }) => kind)).toEqual(['key-file']);
    expect(await world.open([file])).toBe(key);
  });

  test('is one of many: all get the same key', async () => {
    const file = world.keyFile('kek');
    const keys = await Promise.all(Array.from({ length: 8 }, () => world.open([file])));
    expect(new Set(keys).size).toBe(1);
    expect(world.stores.data.objects.size).toBe(1);
  });

  test('is never a reader', async () => {
    const opening = openRootKey(world.options([world.keyFile('kek')]), false);
    await expect(opening).rejects.toEqual(code('key.missing'));
    expect(namesIn(world.stores)).toEqual([]);
  });

  test('makes no key for a tenant that has data: that key is lost', async () => {
    await world.stores.data.putOnce(`t/${tenant}/u/00/pack`, Buffer.from('x'));
    await expect(world.open([world.keyFile('kek')])).rejects.toEqual(code('key.missing'));
    await world.stores.control.putOnce(`t/other/s/1`, Buffer.from('x'));
    expect(namesIn(world.stores)).toEqual(['control t/other/s/1', 't/acme/u/00/pack']);
  });

  test('makes no key where the settings pin one', async () => {
    const opening = world.open([world.keyFile('kek')], { pinnedCheck: 'a'.repeat(64) });
    await expect(opening).rejects.toEqual(code('key.missing'));
    expect(namesIn(world.stores)).toEqual([]);
  });

  test('may die after any call: the next one goes on with one and the same key', async () => {
    const kek = world.keyFile('kek');
    for (let calls = 1; ; calls++) {
      const { stores } = keyWorldOf();
      const faulty = faultyPair(stores, calls);
      const died = await world.open([kek], { stores: faulty.pair }).then(
        () => false,
        (error: unknown) => {
          expect(error).toEqual(code('store.unavailable'));
          return true;
        },
      );
      const key = await world.open([kek], { stores });
      expect(await world.open([kek], { stores })).toBe(key);
      expect(namesIn(stores)).toEqual(['control t/acme/k/1/0', 't/acme/k/1/0']);
      if (!died) break;
    }
  });
});

describe('a wrong key', () => {
  test('is told by name, and nothing is written', async () => {
    await world.open([world.keyFile('kek')]);
    const before = namesIn(copyStores(world.stores));
    const opening = world.open([world.keyFile('other')]);
    await expect(opening).rejects.toEqual(code('key.wrong'));
    await expect(opening).rejects.toThrow(/needs key-file [0-9a-f]{32}; given is key-file [0-9a-f]{32}/);
    expect(namesIn(world.stores)).toEqual(before);
  });

  test('that the settings do not expect is refused', async () => {
    const file = world.keyFile('kek');
    const key = Buffer.from(await world.open([file]), 'hex');
    const pinnedCheck = rootKeyCheck(key, tenant);
    expect(await world.open([file], { pinnedCheck })).toBe(key.toString('hex'));
    await expect(world.open([file], { pinnedCheck: 'b'.repeat(64) })).rejects.toEqual(code('key.wrong'));
  });

  test('does not come from an envelope of another tenant', async () => {
    const file = world.keyFile('kek');
    await world.open([file], { tenant: 'fabrikam' });
    const stolen = world.stores.data.objects.get('t/fabrikam/k/1/0')?.body ?? Buffer.alloc(0);
    for (const text of [stolen.toString(), stolen.toString().replace('fabrikam', 'acme')]) {
      for (const bucket of ['data', 'control'] as const) {
        world.stores[bucket].objects.set(envelopeAt(0), { body: Buffer.from(text), etag: '"x"' });
      }
      await expect(world.open([file])).rejects.toMatchObject({ code: expect.stringMatching(/^key\.(corrupt|wrong)$/) });
    }
  });
});

describe('two copies', () => {
  test.each(['data', 'control'] as const)(
    'one lost in the %s bucket is served by the other and put back',
    async (bucket) => {
      const file = world.keyFile('kek');
      const key = await world.open([file]);
      world.tamper(bucket, 0, () => undefined);
      expect(await world.open([file])).toBe(key);
      expect(namesIn(world.stores)).toHaveLength(2);
      expect(world.log.join()).toContain('was missing in one bucket');
    },
  );

  test.each(['data', 'control'] as const)(
    'one damaged in the %s bucket is served by the other, and reported',
    async (bucket) => {
      const file = world.keyFile('kek');
      const key = await world.open([file]);
      const whole = world.stores[bucket].objects.get(envelopeAt(0))?.body ?? Buffer.alloc(0);
      for (let at = 0; at < whole.length; at += 7) {
        const bytes = Buffer.from(whole);
        bytes[at] = (bytes[at] ?? 0) ^ 0x04;
        world.stores[bucket].objects.set(envelopeAt(0), { body: bytes, etag: '"x"' });
        world.log.length = 0;
        expect(await world.open([file])).toBe(key);
        expect(world.log.length).toBeGreaterThan(0);
      }
    },
  );

  test('both damaged: refused, and nothing is written', async () => {
    const file = world.keyFile('kek');
    await world.open([file]);
    const before = namesIn(world.stores);
    for (const change of [
      (text: string) => text.slice(0, -20),
      (text: string) => text.replace('"packGeneration":1', '"packGeneration":2'),
      (text: string) => text.replace(/"wrapped":"../, '"wrapped":"zz'),
      () => '',
    ]) {
      const kept = copyStores(world.stores);
      for (const bucket of ['data', 'control'] as const) world.tamper(bucket, 0, change);
      await expect(world.open([file])).rejects.toMatchObject({ code: expect.stringMatching(/^key\.(corrupt|wrong)$/) });
      expect(namesIn(world.stores)).toEqual(before);
      for (const bucket of ['data', 'control'] as const) {
        const held = kept[bucket].objects.get(envelopeAt(0));
        if (held) world.stores[bucket].objects.set(envelopeAt(0), held);
      }
    }
  });

  test('two keys that both authenticate: a bucket was replaced, and nothing is believed', async () => {
    const file = world.keyFile('kek');
    await world.open([file]);
    const elsewhere = keyWorldOf();
    await world.open([file], { stores: elsewhere.stores });
    const foreign = elsewhere.stores.control.objects.get(envelopeAt(0));
    if (foreign) world.stores.control.objects.set(envelopeAt(0), foreign);
    await expect(world.open([file])).rejects.toEqual(code('key.corrupt'));
  });

  test('an unknown version or generation is refused by name', async () => {
    const file = world.keyFile('kek');
    await world.open([file]);
    for (const bucket of ['data', 'control'] as const) {
      world.tamper(bucket, 0, (text) => text.replace('"version":1', '"version":2'));
    }
    await expect(world.open([file])).rejects.toEqual(code('format.unknown'));
    await world.stores.data.putOnce(`t/${tenant}/k/2/0`, Buffer.from('x'));
    await expect(world.open([file])).rejects.toThrow(/generation 2/);
  });
});

describe('wrapping anew', () => {
  test('a new key file opens the same root key; the old one still serves from the older envelope', async () => {
    const [old, fresh] = [world.keyFile('old'), world.keyFile('fresh')];
    const key = await world.open([old]);
    const envelope = await rewrapRootKey(world.options([old]), [fresh]);
    expect(envelope).toMatchObject({ rewrap: 1, packGeneration: 1 });
    expect(await world.open([fresh])).toBe(key);
    expect(await world.open([old])).toBe(key);
    await rewrapRootKey(world.options([fresh]), [fresh], { nextPackGeneration: true });
    const opened = await openRootKey(world.options([fresh]), false);
    expect(opened.envelope).toMatchObject({ rewrap: 2, packGeneration: 2 });
    expect(opened.rootKey.toString('hex')).toBe(key);
    // Opened through the oldest envelope, the generation does not go back.
    expect(await rewrapRootKey(world.options([old]), [fresh])).toMatchObject({ rewrap: 3, packGeneration: 2 });
  });

  test('two at once: one wins, the other is told to try again, and the key is the same', async () => {
    const file = world.keyFile('kek');
    const key = await world.open([file]);
    const results = await Promise.allSettled([1, 2].map(() => rewrapRootKey(world.options([file]), [file])));
    const lost = results.filter(({ status }) => status === 'rejected');
    expect(lost.length).toBeLessThanOrEqual(1);
    for (const one of lost) expect(one).toMatchObject({ reason: { code: 'record.conflict', retryable: true } });
    expect(await world.open([file])).toBe(key);
  });

  test('an envelope of a stranger is passed over, whatever its number: it neither takes the tenant over nor stops it', async () => {
    const file = world.keyFile('kek');
    const key = await world.open([file]);
    const stranger = randomBytes(32);
    const wraps = [await file.wrap(stranger, { tenant, generation: 1 })];
    const check = rootKeyCheck(stranger, tenant);
    const body = encodeEnvelope({ tenant, generation: 1, rewrap: 9, packGeneration: 1, check, wraps }, stranger);
    for (const bucket of ['data', 'control'] as const) await world.stores[bucket].putOnce(envelopeAt(9), body);
    await world.stores.data.putOnce(envelopeAt(8), Buffer.from('rubbish'));
    await world.stores.data.putOnce(`t/${tenant}/k/readme`, Buffer.from('rubbish'));
    expect(await world.open([file])).toBe(key);
    expect(world.log.join()).toContain('find out who wrote it');
    // Nor does it use the numbers up.
    await world.stores.data.putOnce(envelopeAt(9999), Buffer.from('rubbish'));
    for (const rewrap of [1, 2]) expect((await rewrapRootKey(world.options([file]), [file])).rewrap).toBe(rewrap);
    expect(await world.open([file])).toBe(key);
  });

  test('a key that gives back something else than it was given is found out before anything depends on it', async () => {
    const honest = world.keyFile('kek');
    const broken = { ...honest, unwrap: async () => randomBytes(32) };
    await expect(world.open([broken])).rejects.toEqual(code('key.wrong'));
    expect(namesIn(world.stores)).toEqual([]);
  });
});

describe('a wrapper that cannot answer', () => {
  test('leaves the work to the next one; alone, its own error is told', async () => {
    const file = world.keyFile('kek');
    const key = await world.open([file]);
    const busy = new AppError('cloud.throttled', 'the vault is busy', { retryable: true });
    const down = { ...file, opens: async () => true, unwrap: () => Promise.reject(busy) };
    expect(await world.open([down, file])).toBe(key);
    await expect(world.open([world.keyFile('wrong'), down])).rejects.toBe(busy);
  });
});

test('no byte of a key is in any error or log', async () => {
  const kekBytes = randomBytes(32);
  const file = world.keyFile('kek', kekBytes);
  const rootKey = Buffer.from(await world.open([file]), 'hex');
  const said: string[] = [];
  const listen = async (run: Promise<unknown>): Promise<void> => {
    const error: unknown = await run.catch((thrown: unknown) => thrown);
    if (error instanceof AppError) said.push(error.stack ?? '', JSON.stringify(error), JSON.stringify(error.context));
  };
  await listen(world.open([world.keyFile('other')]));
  world.tamper('data', 0, (text) => text.replace(/"wrapped":"../, '"wrapped":"zz'));
  await listen(world.open([file]));
  world.tamper('control', 0, () => 'gone');
  await listen(world.open([file]));
  world.tamper('data', 0, () => undefined);
  await listen(world.open([file]));
  const all = [...said, ...world.log].join('\n');
  expect(said.length).toBeGreaterThan(2);
  for (const secret of [rootKey, kekBytes]) {
    for (const form of ['hex', 'base64', 'base64url', 'latin1'] as const) {
      expect(all).not.toContain(secret.toString(form).slice(0, 20));
    }
  }
});

/** Both buckets fail from the nth call on, counted over both. */
function faultyPair(stores: StorePair, nth: number): { readonly pair: StorePair } {
  let calls = 0;
  const wrap = (store: StorePair['data']): StorePair['data'] => {
    const count = (): void => {
      if (++calls >= nth) throw new AppError('store.unavailable', 'died here');
    };
    return new Proxy(store, {
      get: (target, name) => {
        const method: unknown = Reflect.get(target, name);
        if (typeof method !== 'function') return method;
        return (...parameters: unknown[]) => {
          count();
          return Reflect.apply(method, target, parameters);
        };
      },
    });
  };
  return { pair: { data: wrap(stores.data), control: wrap(stores.control) } };
}
