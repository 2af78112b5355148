/** Whatever bit is flipped in the store: it is found, named, and no wrong byte reaches a target. */
import { inlinePool } from '../../shared/blockstore/compute-pool';
import { openPack, planFrameReads, readFrames } from '../../shared/blockstore/pack-reader';
import { verifyRestorePoint } from '../../shared/blockstore/verify';
import { AppError } from '../../shared/model/errors';
import { MIB } from '../../shared/model/limits';
import { backupBench, signal, vmKey } from '../helpers/backup-bench';
import { FakeDisk, noise } from '../helpers/fake-disk';
import { copyStores } from '../helpers/memory-object-store';

const disk = new FakeDisk(66 * MIB + 512)
  .write(0, noise(1, 300_000))
  .write(8 * MIB, noise(2, 2 * MIB, true))
  .write(66 * MIB, noise(3, 512));

async function published() {
  const bench = backupBench();
  const { point } = await bench.backup('job-1', [{ lun: 0, snapshotId: bench.access.snapshot('s1', disk) }]);
  return { bench, point };
}

/** Positions of an object that matter: its header, its end, and some between. */
const positions = (length: number): number[] =>
  [
    ...new Set([
      0,
      3,
      5,
      9,
      20,
      40,
      60,
      90,
      97,
      length >> 2,
      length >> 1,
      length - 40,
      length - 17,
      length - 12,
      length - 1,
    ]),
  ].filter((at) => at >= 0 && at < length);

test('a flipped bit in any object that the point needs is found by a restore or a full sample', async () => {
  const { bench, point } = await published();
  const needed = [...bench.stores.data.objects.keys()].filter((key) => !key.includes('/x/'));
  expect(needed.length).toBeGreaterThanOrEqual(5);
  for (const key of needed) {
    const length = bench.stores.data.objects.get(key)?.body.length ?? 0;
    for (const at of positions(length)) {
      const stores = copyStores(bench.stores);
      const body = stores.data.objects.get(key)?.body;
      if (body) body[at] = (body[at] ?? 0) ^ (1 << (at % 8));
      const damaged = backupBench(stores, bench.access);
      const request = { vmKey, pointId: point.id, sampleBlocks: 1_000, seed: 's' };
      const error: unknown = await damaged
        .repository()
        .then((repository) => verifyRestorePoint(repository, request, signal))
        .catch((reason: unknown) => reason);
      const found = error instanceof AppError ? error.code : 'nothing found';
      expect(`${key} ${at}: ${found}`).toMatch(
        /: (manifest\.corrupt|pack\.corrupt|block\.corrupt|key\.wrong|format\.unknown)$/,
      );
      const jobId = `res-${at}`;
      const restored = await damaged.restore(jobId, point, 0).catch((reason: unknown) => reason);
      expect(restored).toBeInstanceOf(AppError);
    }
  }
});

test('damage is named with its pack, disk and block', async () => {
  const { bench, point } = await published();
  const unit = [...bench.stores.data.objects].find(([key, { body }]) => key.includes('/u/') && body.length > 200_000);
  if (unit) unit[1].body[150_000] = (unit[1].body[150_000] ?? 0) ^ 4;
  const error: unknown = await bench.restore('res-1', point, 0).catch((reason: unknown) => reason);
  expect(error).toMatchObject({
    code: 'pack.corrupt',
    context: { lun: 0, block: 0, unit: unit?.[0].slice(-32), frame: 0 },
  });
});

test('packs and manifests that change places are found', async () => {
  const { bench, point } = await published();
  const swap = async (pattern: RegExp): Promise<unknown> => {
    const stores = copyStores(bench.stores);
    const [a, b] = [...stores.data.objects.keys()].filter((key) => pattern.test(key));
    const [one, two] = [stores.data.objects.get(a ?? ''), stores.data.objects.get(b ?? '')];
    if (!a || !b || !one || !two) throw new Error(`two objects like ${pattern}`);
    stores.data.objects.set(a, two).set(b, one);
    const request = { vmKey, pointId: point.id, sampleBlocks: 1_000, seed: 's' };
    return await verifyRestorePoint(await backupBench(stores, bench.access).repository(), request).catch(
      (error: unknown) => error,
    );
  };
  expect(await swap(/\/u\//)).toMatchObject({ code: 'pack.corrupt' });
  expect(await swap(/\/m\//)).toMatchObject({ code: 'manifest.corrupt' });
});

test('an object cut short, grown or missing is found', async () => {
  const { bench, point } = await published();
  const request = { vmKey, pointId: point.id, sampleBlocks: 10, seed: 's' };
  for (const key of [...bench.stores.data.objects.keys()].filter((name) => /\/[um]\//.test(name))) {
    for (const change of ['cut', 'grown', 'missing'] as const) {
      const stores = copyStores(bench.stores);
      const entry = stores.data.objects.get(key);
      if (!entry) continue;
      if (change === 'missing') stores.data.objects.delete(key);
      else entry.body = change === 'cut' ? entry.body.subarray(0, -1) : Buffer.concat([entry.body, Buffer.alloc(1)]);
      const repository = await backupBench(stores, bench.access).repository();
      await expect(verifyRestorePoint(repository, request)).rejects.toBeInstanceOf(AppError);
    }
  }
});

test('a damaged index segment costs deduplication, not the backup', async () => {
  const { bench } = await published();
  for (const [key, { body }] of bench.stores.data.objects) if (key.includes('/x/')) body[100] = (body[100] ?? 0) ^ 1;
  const again = await bench.backup('job-2', [{ lun: 0, snapshotId: 's1' }]);
  expect(again.stats.some(({ newBytes }) => newBytes > 0)).toBe(true);
  expect((await bench.restore('res-1', again.point, 0)).equals(disk.bytes)).toBe(true);
});

test('a pack that lies about a block is found by the block id', async () => {
  const { bench } = await published();
  const repository = await bench.repository();
  const other = { ...repository, keys: { ...repository.keys, id: Buffer.alloc(32, 9) } };
  const key = [...bench.stores.data.objects.keys()].find((name) => name.includes('/u/')) ?? '';
  const sizeBytes = bench.stores.data.objects.get(key)?.body.length ?? 0;
  const footer = bench.stores.data.objects.get(key)?.body.subarray(-16) ?? Buffer.alloc(16);
  const unit = { unit: key.slice(-32), sizeBytes, tailBytes: footer.readUInt32LE(4) + 16 };
  const pack = await openPack(repository, unit);
  const [read] = planFrameReads(pack, [0]);
  if (!read) throw new Error('a read');
  expect((await readFrames(repository, inlinePool, pack, read)).size).toBeGreaterThan(0);
  await expect(readFrames(other, inlinePool, pack, read)).rejects.toMatchObject({
    code: 'block.corrupt',
    context: { slot: 0 },
  });
  expect(() => planFrameReads(pack, [16_000])).toThrow(/no slot/);
});
