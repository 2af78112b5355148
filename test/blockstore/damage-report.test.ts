/** From a damaged pack to the restore points, disks and blocks that need it. */
import { damageReport } from '../../shared/blockstore/damage-report';
import { verifyRestorePoint } from '../../shared/blockstore/verify';
import { limits, MIB } from '../../shared/model/limits';
import { backupBench, vmKey } from '../helpers/backup-bench';
import { FakeDisk, noise } from '../helpers/fake-disk';

async function twoPoints() {
  const bench = backupBench();
  const disk = new FakeDisk(65 * MIB).write(MIB, noise(1, 300_000));
  const first = (await bench.backup('job-1', [{ lun: 0, snapshotId: bench.access.snapshot('s1', disk) }])).point;
  disk.write(40 * MIB, noise(2, 100_000));
  const base = { snapshotId: 's1', pointId: first.id };
  const second = (await bench.backup('job-2', [{ lun: 0, snapshotId: bench.access.snapshot('s2', disk), base }])).point;
  const packs = [...bench.stores.data.objects.keys()].filter((key) => key.includes('/u/'));
  const unitOf = (key: string | undefined): string => key?.slice(key.lastIndexOf('/') + 1) ?? '';
  return { bench, first, second, oldUnit: unitOf(packs[0]), newUnit: unitOf(packs[1]) };
}

test('a pack is traced to every point, disk and range that refers to it', async () => {
  const { bench, first, second, oldUnit, newUnit } = await twoPoints();
  const repository = await bench.repository();
  const { blockBytes } = limits;
  const report = await damageReport(repository, oldUnit);
  expect(report.points.map(({ pointId }) => pointId)).toEqual([second.id, first.id]);
  const ranges = [{ start: MIB, end: MIB + 5 * blockBytes }];
  expect(report.points[0]?.disks).toEqual([{ lun: 0, blocks: 5, ranges }]);
  expect((await damageReport(repository, newUnit, vmKey)).points.map(({ pointId }) => pointId)).toEqual([second.id]);
  expect(await damageReport(repository, 'ab'.repeat(16))).toEqual({
    unit: 'ab'.repeat(16),
    points: [],
    unreadable: [],
  });
});

test('a manifest that cannot be read is told, and the others are looked into all the same', async () => {
  const { bench, first, second, oldUnit } = await twoPoints();
  bench.stores.data.objects.delete(`t/acme/m/job-2/0-root`);
  const report = await damageReport(await bench.repository(), oldUnit);
  expect(report.points.map(({ pointId }) => pointId)).toEqual([first.id]);
  expect(report.unreadable).toEqual([{ pointId: second.id, lun: 0 }]);
});

test('a verification that meets damage names the other points that share it', async () => {
  const { bench, first, second, oldUnit } = await twoPoints();
  const body = bench.stores.data.objects.get(`t/acme/u/${oldUnit.slice(0, 2)}/${oldUnit}`)?.body;
  body?.fill(3, 300, 400);
  const request = { vmKey, pointId: second.id, sampleBlocks: 50, seed: 's' };
  const error: unknown = await verifyRestorePoint(await bench.repository(), request).catch((reason: unknown) => reason);
  expect(error).toMatchObject({
    code: 'pack.corrupt',
    context: { unit: oldUnit, lun: 0, points: 2, blocks: 10, affected: `${second.id} ${first.id}` },
  });
});
