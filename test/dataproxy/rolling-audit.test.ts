/** What no change list ever names is read again within the cycle, whatever the pace of the backups. */
import fc from 'fast-check';
import { listRestorePoints } from '../../shared/blockstore/points';
import { suspectPoints } from '../../shared/blockstore/suspect-points';
import { passedBlocks } from '../../shared/dataproxy/rolling-audit';
import { limits, MIB } from '../../shared/model/limits';
import { backupBench, vmKey } from '../helpers/backup-bench';
import { FakeDisk, noise } from '../helpers/fake-disk';

const cycle = limits.auditCycleMs;

test('runs that follow each other for one cycle pass every block, at any pace', () => {
  const pace = fc.array(fc.integer({ min: 60_000, max: cycle / 3 }), { minLength: 1, maxLength: 60 });
  fc.assert(
    fc.property(
      pace,
      fc.integer({ min: 0, max: 2 * cycle }),
      fc.integer({ min: 1, max: 500 }),
      (steps, from, count) => {
        const seen = new Set<number>();
        let now = from;
        for (let run = 0; now < from + cycle; run++) {
          const next = now + (steps[run % steps.length] ?? 0);
          for (const [start, end] of passedBlocks(count, now, next)) {
            for (let block = start; block < end; block++) seen.add(block);
          }
          now = next;
        }
        return seen.size === count;
      },
    ),
    { numRuns: 200 },
  );
  expect(passedBlocks(100, cycle, cycle)).toEqual([]);
  expect(passedBlocks(100, cycle, 0)).toEqual([]);
  expect(passedBlocks(100, 0, cycle)).toEqual([[0, 100]]);
});

test('one forgotten block in a window of a thousand is found when its time comes, and the whole disk is read next', async () => {
  const bench = backupBench();
  const disk = new FakeDisk(128 * MIB).write(0, noise(1, 128 * MIB, true));
  const first = (await bench.backup('job-1', [{ lun: 0, snapshotId: bench.access.snapshot('s1', disk) }])).point;
  disk.write(100 * MIB, noise(2, 4096));
  bench.access.onChanged = () => [];
  bench.clock.advance(cycle);
  const base = { snapshotId: 's1', pointId: first.id };
  const second = (await bench.backup('job-2', [{ lun: 0, snapshotId: bench.access.snapshot('s2', disk), base }])).point;
  expect(second.disks[0]?.fullReason).toBe('audit-mismatch');
  expect((await bench.restore('res-2', second, 0)).equals(disk.bytes)).toBe(true);
  const again = { snapshotId: 's2', pointId: second.id };
  const third = await bench.backup('job-3', [{ lun: 0, snapshotId: bench.access.snapshot('s3', disk), base: again }]);
  expect(third.point.disks[0]?.fullReason).toBe('base-suspect');
  expect(third.stats.map(({ readBytes }) => readBytes)).toEqual([64 * MIB, 64 * MIB]);
  // The first point was read in full; the one that found it out trusted its list in the other window.
  const points = await listRestorePoints(await bench.repository(), vmKey);
  expect(suspectPoints(points)).toEqual([{ pointId: second.id, lun: 0, foundBy: second.id }]);
});

test('the cursor costs nothing where nothing is: an empty stretch of a large disk is not read', async () => {
  const bench = backupBench();
  const disk = new FakeDisk(640 * MIB).write(0, noise(1, MIB, true));
  const first = (await bench.backup('job-1', [{ lun: 0, snapshotId: bench.access.snapshot('s1', disk) }])).point;
  bench.clock.advance(cycle);
  const base = { snapshotId: 's1', pointId: first.id };
  const target = { lun: 0, snapshotId: bench.access.snapshot('s2', disk), base };
  const { stats, point } = await bench.backup('job-2', [target]);
  const read = stats.reduce((sum, { readBytes }) => sum + readBytes, 0);
  expect(point.disks[0]?.fullReason).toBeUndefined();
  expect(read).toBeGreaterThanOrEqual(MIB);
  expect(read).toBeLessThanOrEqual(MIB + 10 * limits.auditBlocksPerWindow * limits.blockBytes);
});

test('points are suspect back to the last full read of their disk', async () => {
  const bench = backupBench();
  const { point } = await bench.backup('job-1', [
    { lun: 0, snapshotId: bench.access.snapshot('s1', new FakeDisk(64 * MIB)) },
  ]);
  const [disk] = point.disks;
  if (!disk) throw new Error('a disk');
  const make = (id: string, day: number, mode: 'full' | 'incremental', fullReason?: string) => ({
    ...point,
    id,
    createdAt: `2026-11-0${day}T00:00:00.000Z`,
    disks: [{ ...disk, mode, ...(fullReason === undefined ? {} : { fullReason }) }],
  });
  const points = [
    make('p-1', 1, 'full'),
    make('p-2', 2, 'incremental'),
    make('p-3', 3, 'incremental', 'base-suspect'),
    make('p-4', 4, 'incremental'),
    make('p-5', 5, 'incremental', 'audit-mismatch'),
    make('p-6', 6, 'full', 'base-suspect'),
  ];
  expect(suspectPoints(points).map(({ pointId, foundBy }) => [pointId, foundBy])).toEqual([
    ['p-5', 'p-5'],
    ['p-4', 'p-5'],
  ]);
});
