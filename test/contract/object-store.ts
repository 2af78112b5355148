/** The promises of ObjectStore, one test each. Every implementation runs this suite. */
import { randomBytes } from 'node:crypto';
import type { ObjectStore, StoredObject } from '../../shared/blockstore/object-store';
import { isAppError } from '../../shared/model/errors';

/**
 * `make` gives a store whose keys below `prefix` this suite may use; the prefix ends with '/'. Nothing is deleted, as no
 * role of the product may delete.
 */
export function objectStoreContract(
  make: () => Promise<{ readonly store: ObjectStore; readonly prefix: string }>,
): void {
  describe('object store contract', () => {
    let store: ObjectStore;
    let prefix: string;
    const body = (text: string): Buffer => Buffer.from(text);
    const listed = async (below: string): Promise<StoredObject[]> => {
      const objects: StoredObject[] = [];
      for await (const object of store.list(below)) objects.push(object);
      return objects;
    };
    const errorOf = (attempt: Promise<unknown>): Promise<unknown> =>
      attempt.then(
        () => undefined,
        (error: unknown) => error,
      );

    beforeAll(async () => {
      const made = await make();
      store = made.store;
      prefix = `${made.prefix}contract-${randomBytes(6).toString('hex')}/`;
    });

    test('putOnce writes a new key, and get gives exactly these bytes with the same etag', async () => {
      const bytes = randomBytes(70_000);
      const put = await store.putOnce(`${prefix}new`, bytes);
      expect(put.outcome).toBe('created');
      const got = await store.get(`${prefix}new`);
      expect(got.body.equals(bytes)).toBe(true);
      expect(got.etag).toBe(put.etag);
    });

    test('putOnce with the same bytes again is created, with other bytes exists, and changes nothing', async () => {
      const key = `${prefix}once`;
      const first = await store.putOnce(key, body('one'));
      expect(await store.putOnce(key, body('one'))).toEqual({ outcome: 'created', etag: first.etag });
      expect((await store.putOnce(key, body('two'))).outcome).toBe('exists');
      expect((await store.get(key)).body.toString()).toBe('one');
    });

    test('of many putOnce at one key exactly one wins', async () => {
      const key = `${prefix}race`;
      const bodies = Array.from({ length: 8 }, (_, index) => body(`body ${index}`));
      const puts = await Promise.all(bodies.map((bytes) => store.putOnce(key, bytes)));
      const winners = puts.flatMap((put, index) => (put.outcome === 'created' ? [index] : []));
      expect(winners).toHaveLength(1);
      expect((await store.get(key)).body).toEqual(bodies[winners[0] ?? -1]);
    });

    test('replace writes while the etag is the one given, and gives a new etag', async () => {
      const key = `${prefix}swap`;
      const { etag } = await store.putOnce(key, body('a'));
      const replaced = await store.replace(key, body('b'), etag);
      expect(replaced.outcome).toBe('replaced');
      const now = await store.get(key);
      expect(now.body.toString()).toBe('b');
      expect(replaced.outcome === 'replaced' && replaced.etag).toBe(now.etag);
      expect(now.etag).not.toBe(etag);
    });

    test('replace with an old etag, or of a key that is not there, is changed and writes nothing', async () => {
      const key = `${prefix}stale`;
      const { etag } = await store.putOnce(key, body('a'));
      await store.replace(key, body('b'), etag);
      expect(await store.replace(key, body('c'), etag)).toEqual({ outcome: 'changed' });
      expect((await store.get(key)).body.toString()).toBe('b');
      expect(await store.replace(`${prefix}absent`, body('c'), etag)).toEqual({ outcome: 'changed' });
      expect(await listed(`${prefix}absent`)).toEqual([]);
    });

    test('of many replaces from one etag exactly one wins', async () => {
      const key = `${prefix}swap-race`;
      const { etag } = await store.putOnce(key, body('start'));
      const swaps = await Promise.all(
        Array.from({ length: 6 }, (_, index) => store.replace(key, body(`swap ${index}`), etag)),
      );
      expect(swaps.filter(({ outcome }) => outcome === 'replaced')).toHaveLength(1);
    });

    test('get gives exactly the range asked for', async () => {
      const bytes = randomBytes(10_000);
      const key = `${prefix}range`;
      await store.putOnce(key, bytes);
      for (const [start, end] of [
        [0, 1],
        [0, 10_000],
        [9_999, 10_000],
        [1_234, 5_678],
      ] as const) {
        expect((await store.get(key, { start, end })).body.equals(bytes.subarray(start, end))).toBe(true);
      }
    });

    test('get into memory of the caller gives the same, whether or not there is room', async () => {
      const key = `${prefix}into`;
      const bytes = randomBytes(10_000);
      await store.putOnce(key, bytes);
      for (const room of [0, 9_999, 10_000, 20_000]) {
        const into = Buffer.alloc(room);
        const { body } = await store.get(key, { into });
        expect(body.equals(bytes)).toBe(true);
        if (body.buffer === into.buffer) expect(into.subarray(0, bytes.length).equals(bytes)).toBe(true);
        const part = await store.get(key, { start: 100, end: 5_000, into });
        expect(part.body.equals(bytes.subarray(100, 5_000))).toBe(true);
      }
    });

    test('get of more than there is fails instead of giving less', async () => {
      const key = `${prefix}short`;
      await store.putOnce(key, randomBytes(100));
      expect(await errorOf(store.get(key, { start: 50, end: 200 }))).toBeDefined();
    });

    test('get of nothing is store.not-found', async () => {
      expect(isAppError(await errorOf(store.get(`${prefix}nothing`)), 'store.not-found')).toBe(true);
    });

    test('list gives everything below a prefix, in key order, with sizes and etags, at once after the write', async () => {
      const keys = Array.from(
        { length: 25 },
        (_, index) => `${prefix}list/${String((index * 7) % 25).padStart(3, '0')}`,
      );
      const etags = new Map<string, string>();
      for (const key of keys) etags.set(key, (await store.putOnce(key, body(key))).etag);
      await store.putOnce(`${prefix}list-other`, body('x'));
      const objects = await listed(`${prefix}list/`);
      expect(objects.map(({ key }) => key)).toEqual([...keys].sort());
      for (const { key, sizeBytes, etag } of objects) {
        expect(sizeBytes).toBe(Buffer.byteLength(key));
        expect(etag).toBe(etags.get(key));
      }
      expect(await listed(`${prefix}list/none`)).toEqual([]);
    });

    test('an aborted call ends', async () => {
      const signal = AbortSignal.abort(new Error('stop'));
      expect(await errorOf(store.putOnce(`${prefix}aborted`, body('x'), { signal }))).toBeDefined();
      expect(await errorOf(store.get(`${prefix}once`, { signal }))).toBeDefined();
    });

    test('an empty object and one of some MiB come back whole', async () => {
      const large = randomBytes(5 * 1024 * 1024 + 1);
      await store.putOnce(`${prefix}empty`, Buffer.alloc(0));
      await store.putOnce(`${prefix}large`, large);
      expect((await store.get(`${prefix}empty`)).body).toHaveLength(0);
      expect((await store.get(`${prefix}large`)).body.equals(large)).toBe(true);
    });
  });
}
