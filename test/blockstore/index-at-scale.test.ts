/** The index can be made anew from the packs, and where it does not fit, hooks find what lies together. */
import { DedupIndex } from '../../shared/blockstore/dedup-index';
import { rebuildIndex, rebuildSegments } from '../../shared/blockstore/rebuild-index';
import { isHook, TenantIndex } from '../../shared/blockstore/tenant-index';
import { limits, MIB } from '../../shared/model/limits';
import { addStats, emptyStats } from '../../shared/model/transfer';
import { backupBench } from '../helpers/backup-bench';
import { FakeDisk, noise } from '../helpers/fake-disk';

const content = noise(1, 96 * MIB, true);
const disk = (): FakeDisk => new FakeDisk(128 * MIB).write(0, content).write(120 * MIB, noise(2, 512));

async function backedUp() {
  const bench = backupBench();
  const { point } = await bench.backup('job-1', [{ lun: 0, snapshotId: bench.access.snapshot('s1', disk()) }]);
  return { bench, point };
}

test('rebuilt from pack directories it names every block where it was', async () => {
  const { bench } = await backedUp();
  const repository = await bench.repository();
  const before = new TenantIndex();
  await before.refresh(repository);
  const after = new DedupIndex();
  const rebuilt = await rebuildIndex(repository, after);
  expect(rebuilt).toMatchObject({ blocks: before.index.blockCount, unreadable: 0 });
  expect(after.blockCount).toBe(before.index.blockCount);
  expect(after.memoryBytes).toBeGreaterThan(0);
});

test('segments that are lost are written anew, and the next backup stores nothing twice', async () => {
  const { bench } = await backedUp();
  const { objects } = bench.stores.data;
  for (const key of [...objects.keys()].filter((name) => name.includes('/x/'))) objects.delete(key);
  const packs = [...objects.keys()].filter((name) => name.includes('/u/'));
  const repository = await bench.repository();
  await rebuildSegments(repository, repository, new TenantIndex(), 'rebuilt-1');
  await bench.backup('job-2', [{ lun: 1, snapshotId: bench.access.snapshot('s2', disk()) }]);
  expect([...objects.keys()].filter((name) => name.includes('/u/'))).toEqual(packs);
});

test('a pack that is damaged is left out and told', async () => {
  const { bench } = await backedUp();
  const { objects } = bench.stores.data;
  const [key] = [...objects.keys()].filter((name) => name.includes('/u/'));
  const body = objects.get(key ?? '')?.body;
  if (!body) throw new Error('a pack');
  body[body.length - 40] = (body[body.length - 40] ?? 0) ^ 1;
  expect(await rebuildIndex(await bench.repository(), new DedupIndex())).toMatchObject({ unreadable: 1 });
});

test('with hooks only, most of a second copy is found, what is not costs space, and the restore is right', async () => {
  const { bench } = await backedUp();
  const source = disk();
  const handler = bench.handler(bench.stores, { indexBlocksMax: 100 });
  const target = { lun: 1, snapshotId: bench.access.snapshot('s2', source) };
  const { stats, point } = await bench.backup('job-2', [target], limits.leafBytes, handler);
  const sum = stats.reduce(addStats, emptyStats);
  expect(sum.dedupBytes).toBeGreaterThan(0.8 * 96 * MIB);
  expect(sum.dedupBytes + sum.newBytes).toBe(96 * MIB + limits.blockBytes);
  expect((await bench.restore('res-2', point, 1)).equals(source.bytes)).toBe(true);
  const index = new TenantIndex(100);
  await index.refresh(await bench.repository());
  expect(index.keepsHooksOnly).toBe(true);
  expect(index.index.blockCount).toBeLessThan(100);
});

test('one id in 64 is a hook', () => {
  let hooks = 0;
  const ids = noise(9, 64_000 * 32);
  for (let at = 0; at < ids.length; at += 32) if (isHook(ids.subarray(at, at + 32))) hooks++;
  expect(hooks).toBeGreaterThan(850);
  expect(hooks).toBeLessThan(1150);
});
