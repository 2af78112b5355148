/** The promises of RecordStore, one test each. Every implementation runs this suite. */
import type { RecordStore } from '../../shared/catalog/record-store';
import { isAppError } from '../../shared/model/errors';

/** `make` gives an empty store, or one whose partitions of this run are empty. */
export function recordStoreContract(make: () => Promise<RecordStore>): void {
  describe('record store contract', () => {
    let store: RecordStore;
    let partition: string;
    let run = 0;

    beforeAll(async () => {
      store = await make();
    });
    beforeEach(() => {
      run += 1;
      partition = `contract-${run}`;
    });

    const ids = async (idPrefix?: string): Promise<string[]> => {
      const found: string[] = [];
      for await (const record of store.list(partition, idPrefix)) found.push(record.id);
      return found;
    };
    const expectConflict = async (attempt: Promise<unknown>): Promise<void> => {
      const error = await attempt.then(
        () => undefined,
        (reason: unknown) => reason,
      );
      expect(isAppError(error, 'record.conflict')).toBe(true);
    };

    test('an unknown record reads as undefined, an unknown partition lists as empty', async () => {
      expect(await store.read(partition, 'none')).toBeUndefined();
      expect(await ids()).toEqual([]);
    });

    test('what was created is read back, deep and exact', async () => {
      const value = { text: 'ü "quoted"\n\u0000', list: [1, 2.5, null, true, { deep: [] }], empty: {}, negative: -1 };
      await store.create(partition, 'a', value);
      const record = await store.read(partition, 'a');
      expect(record).toMatchObject({ partition, id: 'a' });
      expect(record?.value).toEqual(value);
    });

    test('a second create conflicts and changes nothing', async () => {
      await store.create(partition, 'a', { first: true });
      await expectConflict(store.create(partition, 'a', { first: false }));
      expect((await store.read(partition, 'a'))?.value).toEqual({ first: true });
    });

    test('update needs the current etag, and gives a new one', async () => {
      const first = await store.create(partition, 'a', 1);
      const second = await store.update(partition, 'a', 2, first);
      expect(second).not.toBe(first);
      await expectConflict(store.update(partition, 'a', 3, first));
      expect(await store.read(partition, 'a')).toMatchObject({ value: 2, etag: second });
    });

    test('update of a record that is gone conflicts', async () => {
      const etag = await store.create(partition, 'a', 1);
      await store.remove(partition, 'a');
      await expectConflict(store.update(partition, 'a', 2, etag));
    });

    test('of many who update with one etag, one wins', async () => {
      const etag = await store.create(partition, 'a', 'start');
      const attempts = await Promise.allSettled(
        Array.from({ length: 6 }, (_, index) => store.update(partition, 'a', index, etag)),
      );
      expect(attempts.filter((attempt) => attempt.status === 'fulfilled')).toHaveLength(1);
    });

    test('of many who create, one wins', async () => {
      const attempts = await Promise.allSettled(
        Array.from({ length: 6 }, (_, index) => store.create(partition, 'a', index)),
      );
      expect(attempts.filter((attempt) => attempt.status === 'fulfilled')).toHaveLength(1);
    });

    test('put writes whatever is there and changes the etag', async () => {
      await store.put(partition, 'a', { n: 1, only: 'here' });
      const before = await store.read(partition, 'a');
      await store.put(partition, 'a', { n: 2 });
      const after = await store.read(partition, 'a');
      expect(after?.value).toEqual({ n: 2 });
      expect(after?.etag).not.toBe(before?.etag);
    });

    test('remove with an old etag conflicts; without one it removes; gone already is fine', async () => {
      const old = await store.create(partition, 'a', 1);
      await store.update(partition, 'a', 2, old);
      await expectConflict(store.remove(partition, 'a', old));
      await store.remove(partition, 'a');
      await store.remove(partition, 'a');
      await store.remove(partition, 'a', old);
      expect(await store.read(partition, 'a')).toBeUndefined();
    });

    test('lists in id order, by prefix, and one partition only', async () => {
      for (const id of ['b~2', 'b~10', 'a', 'b', 'b-1', 'c']) await store.create(partition, id, id);
      await store.create(`${partition}-other`, 'b~3', 0);
      expect(await ids()).toEqual(['a', 'b', 'b-1', 'b~10', 'b~2', 'c']);
      expect(await ids('b~')).toEqual(['b~10', 'b~2']);
      expect(await ids('zzz')).toEqual([]);
    });

    test('a value of many kilobytes survives, and shrinks again', async () => {
      const large = { text: 'ä'.repeat(150_000), tail: 'end' };
      const etag = await store.create(partition, 'large', large);
      expect((await store.read(partition, 'large'))?.value).toEqual(large);
      await store.update(partition, 'large', { small: true }, etag);
      expect((await store.read(partition, 'large'))?.value).toEqual({ small: true });
    });
  });
}
