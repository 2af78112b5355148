/** In any doubt about the parent point the window is read in full, says why, and the result is the same as ever. */
import { MIB } from '../../shared/model/limits';
import type { RestorePoint } from '../../shared/model/restore-point';
import { type BackupBench, backupBench } from '../helpers/backup-bench';
import { FakeDisk, noise } from '../helpers/fake-disk';

const small = (): FakeDisk =>
  new FakeDisk(65 * MIB)
    .write(0, noise(1, 300_000))
    .write(30 * MIB, noise(2, 100_000, true))
    .write(64 * MIB, noise(3, 70_000));

async function firstPoint(bench: BackupBench, disk: FakeDisk): Promise<RestorePoint> {
  return (await bench.backup('job-1', [{ lun: 0, snapshotId: bench.access.snapshot('s1', disk) }])).point;
}

async function secondPoint(bench: BackupBench, disk: FakeDisk, base: RestorePoint): Promise<RestorePoint> {
  const snapshotId = bench.access.snapshot('s2', disk);
  return (await bench.backup('job-2', [{ lun: 0, snapshotId, base: { snapshotId: 's1', pointId: base.id } }])).point;
}

const reasonOf = (point: RestorePoint): string | undefined => point.disks[0]?.fullReason;

test.each([
  ['grown by some leaves', 200 * MIB],
  ['grown inside its last leaf', 66 * MIB],
  ['grown by one page', 65 * MIB + 512],
])('a disk that has %s is an incremental all the same', async (_case, sizeBytes) => {
  const bench = backupBench();
  const disk = small();
  const base = await firstPoint(bench, disk);
  disk
    .resize(sizeBytes)
    .write(sizeBytes - 512, noise(8, 512))
    .write(1_000_000, noise(9, 5_000));
  const point = await secondPoint(bench, disk, base);
  expect(reasonOf(point)).toBeUndefined();
  expect((await bench.restore('res-1', point, 0)).equals(disk.bytes)).toBe(true);
});

test('an odd-sized disk that grows has its old short block replaced', async () => {
  const bench = backupBench();
  const disk = new FakeDisk(MIB + 512).write(MIB, noise(1, 512));
  const base = await firstPoint(bench, disk);
  disk.resize(2 * MIB).write(MIB + 512, noise(2, 512));
  const point = await secondPoint(bench, disk, base);
  expect((await bench.restore('res-1', point, 0)).equals(disk.bytes)).toBe(true);
});

test('a disk that shrank is read in full', async () => {
  const bench = backupBench();
  const disk = small();
  const base = await firstPoint(bench, disk);
  disk.resize(40 * MIB + 512);
  const point = await secondPoint(bench, disk, base);
  expect(reasonOf(point)).toBe('disk-shrunk');
  expect((await bench.restore('res-1', point, 0)).equals(disk.bytes)).toBe(true);
});

test.each([
  [
    'out of order',
    [
      { start: 4096, end: 8192 },
      { start: 0, end: 512 },
    ],
  ],
  ['no whole pages', [{ start: 100, end: 700 }]],
  ['outside of the window', [{ start: 0, end: 1024 * MIB }]],
])('a change list that is %s is not believed', async (_case, ranges) => {
  const bench = backupBench();
  const disk = small();
  const base = await firstPoint(bench, disk);
  disk.write(20 * MIB, noise(7, 100_000));
  bench.access.onChanged = () => ranges;
  const point = await secondPoint(bench, disk, base);
  expect(reasonOf(point)).toBe('bad-ranges');
  expect((await bench.restore('res-1', point, 0)).equals(disk.bytes)).toBe(true);
});

test('a change list that forgets changes is found out by the audit', async () => {
  const bench = backupBench();
  const disk = small();
  const base = await firstPoint(bench, disk);
  // Half of the first window is rewritten and none of it listed: 16 sampled blocks meet it.
  disk.write(0, noise(7, 32 * MIB, true));
  bench.access.onChanged = () => [];
  const point = await secondPoint(bench, disk, base);
  expect(reasonOf(point)).toBe('audit-mismatch');
  expect((await bench.restore('res-1', point, 0)).equals(disk.bytes)).toBe(true);
});

test('a parent point that is gone or damaged costs a full read, not the backup', async () => {
  for (const damage of ['gone', 'damaged'] as const) {
    const bench = backupBench();
    const disk = small();
    const base = await firstPoint(bench, disk);
    const root = bench.stores.data.objects.get(`t/acme/m/job-1/0-root`);
    if (damage === 'damaged' && root) root.body[60] = (root.body[60] ?? 0) ^ 1;
    const point = await secondPoint(bench, disk, damage === 'gone' ? { ...base, id: 'p-none' } : base).catch(
      (error: unknown) => error,
    );
    // What was read in full refers to nothing of the parent, so publishing does not need it either.
    expect(reasonOf(point as RestorePoint)).toBe(damage === 'gone' ? 'base-gone' : 'base-unreadable');
    expect((await bench.restore('res-1', point as RestorePoint, 0)).equals(disk.bytes)).toBe(true);
  }
});

test('an unchanged disk read in full against its parent shares every leaf', async () => {
  const bench = backupBench();
  const disk = small();
  const base = await firstPoint(bench, disk);
  bench.access.onChanged = () => [{ start: 1, end: 2 }];
  const point = await secondPoint(bench, disk, base);
  expect(reasonOf(point)).toBe('bad-ranges');
  expect([...bench.stores.data.objects.keys()].filter((key) => key.includes('/m/job-2/'))).toEqual([
    't/acme/m/job-2/0-root',
  ]);
});
