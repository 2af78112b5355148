/** Any bytes of a point's disk, straight from the store: right, cheap, and with damage named. */
import fc from 'fast-check';
import { joinExtents, sliceSource } from '../../shared/device/block-source';
import { LoadingCache } from '../../shared/device/loading-cache';
import { ReadAhead } from '../../shared/device/read-ahead';
import { AppError } from '../../shared/model/errors';
import { MIB } from '../../shared/model/limits';
import { vmKey } from '../helpers/backup-bench';
import { FakeDisk, noise } from '../helpers/fake-disk';
import { copyStores } from '../helpers/memory-object-store';
import { type StoredDisk, storeDisk } from './stored-disk';

jest.setTimeout(120_000);

const content = new FakeDisk(130 * MIB + 512)
  .write(0, noise(1, 12 * MIB))
  .write(40 * MIB + 65_536, noise(2, 700_000, true))
  .write(66 * MIB, noise(3, 3 * MIB))
  .write(130 * MIB, noise(4, 512));
let stored: StoredDisk;

beforeAll(async () => {
  stored = await storeDisk(content);
});

test('any range reads as the disk was, and extents never call data zeros', async () => {
  const { disk } = await stored.open();
  await fc.assert(
    fc.asyncProperty(fc.nat(disk.sizeBytes), fc.nat(3 * MIB), async (start, wish) => {
      const end = Math.min(disk.sizeBytes, start + wish);
      expect((await disk.read(start, end - start)).equals(content.bytes.read(start, end))).toBe(true);
      const extents = await disk.extents({ start, end });
      expect(extents.reduce((at, extent) => (extent.start === at ? extent.end : -1), start)).toBe(end);
      for (const { zero, ...range } of extents) {
        if (zero) expect(content.bytes.read(range.start, range.end).every((byte) => byte === 0)).toBe(true);
      }
    }),
    { numRuns: 60 },
  );
});

test('a random read of 4 KiB is one ranged GET of a frame once leaves and directory are at hand, and zeros are none', async () => {
  const { disk } = await stored.open();
  await disk.read(5 * MIB, 4096);
  stored.bench.stores.data.calls.length = 0;
  expect((await disk.read(9 * MIB + 4096, 4096)).equals(content.bytes.read(9 * MIB + 4096, 9 * MIB + 8192))).toBe(true);
  expect(stored.bench.stores.data.calls).toHaveLength(1);
  await disk.read(9 * MIB + 12_288, 4096);
  await disk.read(20 * MIB, 4096);
  expect(stored.bench.stores.data.calls).toHaveLength(1);
});

test('a walk along the disk is fetched ahead in few reads, each frame once', async () => {
  const { disk } = await stored.open();
  for (let at = 0; at < 12 * MIB; at += 65_536) await disk.read(at, 65_536);
  const reads = stored.bench.stores.data.calls.filter((call) => call.includes('/u/'));
  expect(reads.length).toBeLessThanOrEqual(14);
});

test('many readers of one frame share its fetch, and one who gives up does not fail the others', async () => {
  const { disk } = await stored.open();
  const impatient = new AbortController();
  const reads = Array.from({ length: 20 }, (_, index) =>
    disk.read(66 * MIB + index * 4096, 4096, index === 7 ? impatient.signal : undefined),
  );
  impatient.abort(new Error('enough'));
  const settled = await Promise.allSettled(reads);
  expect(settled.filter(({ status }) => status === 'rejected')).toHaveLength(1);
  // Header and tail of the pack, leaves, one frame: nothing twice.
  expect(new Set(stored.bench.stores.data.calls).size).toBeLessThanOrEqual(4);
  expect(stored.bench.stores.data.calls.length).toBeLessThanOrEqual(5);
});

test('damage and loss are typed errors that name pack, point, disk and block; what is whole still reads', async () => {
  const stores = copyStores(stored.bench.stores);
  const packs = [...stores.data.objects].filter(([key]) => key.includes('/u/'));
  for (const [, entry] of packs) entry.body[2000] = (entry.body[2000] ?? 0) ^ 1;
  const { disk } = await stored.open(stores);
  const error: unknown = await disk.read(0, 4096).catch((reason: unknown) => reason);
  expect(error).toBeInstanceOf(AppError);
  expect(error).toMatchObject({ code: 'pack.corrupt', context: { point: stored.pointId, lun: 'os', block: 0 } });
  expect((await disk.read(8 * MIB, 4096)).equals(content.bytes.read(8 * MIB, 8 * MIB + 4096))).toBe(true);
  for (const [key] of packs) stores.data.objects.delete(key);
  const { disk: bare } = await stored.open(stores);
  await expect(bare.read(66 * MIB, 1)).rejects.toMatchObject({ code: 'store.not-found', context: { block: 1056 } });
  expect(await bare.read(20 * MIB, 10)).toEqual(Buffer.alloc(10));
});

test('what does not exist or lies outside is refused', async () => {
  const { disk, disks } = await stored.open();
  const unknown = { vmKey, pointId: 'p-none', lun: 'os' } as const;
  await expect(disks.open(unknown)).rejects.toMatchObject({ code: 'store.not-found' });
  await expect(disks.open({ ...unknown, pointId: stored.pointId, lun: 7 })).rejects.toMatchObject({
    code: 'request.not-found',
  });
  for (const [offset, length] of [
    [-1, 1],
    [0.5, 1],
    [disk.sizeBytes, 1],
    [Number.MAX_SAFE_INTEGER, 2],
    [0, 40 * MIB],
  ] as const) {
    await expect(disk.read(offset, length)).rejects.toMatchObject({ code: 'request.invalid' });
  }
  const slice = sliceSource(disk, { start: 66 * MIB, end: 67 * MIB });
  expect((await slice.read(10, 20)).equals(content.bytes.read(66 * MIB + 10, 66 * MIB + 30))).toBe(true);
  await expect(slice.read(MIB, 1)).rejects.toMatchObject({ code: 'request.invalid' });
  disks.close();
  await expect(disk.read(0, 4096)).rejects.toBeInstanceOf(AppError);
});

test('the cache keeps to its weight and forgets what failed', async () => {
  const cache = new LoadingCache<number>({ weightMax: 10, weigh: (value) => value });
  let loads = 0;
  const load = async (): Promise<number> => {
    loads++;
    return 4;
  };
  for (const key of ['a', 'b', 'a', 'c', 'a']) await cache.get(key, load);
  expect([loads, cache.has('a'), cache.has('b'), cache.has('c')]).toEqual([3, true, false, true]);
  await expect(cache.get('d', () => Promise.reject(new Error('no')))).rejects.toThrow('no');
  expect(await cache.get('d', load)).toBe(4);
});

test('jumps are not walks, and walks in several lanes out of order are', () => {
  const ahead = new ReadAhead();
  for (let at = 0; at < 50; at++) {
    const start = ((at * 7919) % 997) * 100 * MIB;
    expect(ahead.note(start, start + 4096, 2 ** 40)).toBeUndefined();
  }
  const lanes = [3, 0, 1, 2, 7, 5, 6, 4].map((lane) => ahead.note(lane * 262_144, (lane + 1) * 262_144, 2 ** 40));
  expect(lanes.filter((range) => range !== undefined).length).toBeGreaterThan(0);
  expect(joinExtents([])).toEqual([]);
});
