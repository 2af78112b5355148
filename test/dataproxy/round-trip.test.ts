/** Backup, publish, verify, restore: what comes back is what the snapshot held, byte for byte. */
import { openSession } from '../../shared/blockstore/session';
import { verifyRestorePoint } from '../../shared/blockstore/verify';
import { limits, MIB } from '../../shared/model/limits';
import { addStats, emptyStats } from '../../shared/model/transfer';
import { backupBench, signal, vmKey } from '../helpers/backup-bench';
import { FakeDisk, noise } from '../helpers/fake-disk';

const sum = (all: readonly (typeof emptyStats)[]) => all.reduce(addStats, emptyStats);

const sampleDisk = (): FakeDisk =>
  new FakeDisk(130 * MIB + 512)
    .write(0, noise(1, 3 * MIB, true))
    .write(40 * MIB + 4096, noise(2, 200_000))
    .write(64 * MIB - 512, noise(3, 1024))
    .write(130 * MIB, noise(4, 512));

test('a full backup of a disk with an odd size restores byte for byte', async () => {
  const bench = backupBench();
  const disk = sampleDisk();
  const { point, stats } = await bench.backup('job-1', [{ lun: 'os', snapshotId: bench.access.snapshot('s1', disk) }]);
  expect((await bench.restore('res-1', point, 'os')).equals(disk.bytes)).toBe(true);
  const total = sum(stats);
  expect(total.logicalBytes).toBe(disk.bytes.length);
  expect(total.newBytes + total.dedupBytes).toBeLessThan(4 * MIB);
  expect(total.storedBytes).toBeLessThan(2 * MIB);
  const report = await verifyRestorePoint(
    await bench.repository(),
    { vmKey, pointId: point.id, sampleBlocks: 20, seed: 'a' },
    signal,
  );
  expect(report).toMatchObject({ level: 'sample', sampledBlocks: 20 });
  expect(report.packs).toBeGreaterThan(0);
});

test('an incremental reads the changed blocks and the audit sample, shares the other leaves, and restores alone', async () => {
  const bench = backupBench();
  const disk = sampleDisk();
  const first = await bench.backup('job-1', [{ lun: 0, snapshotId: bench.access.snapshot('s1', disk) }]);
  disk.write(5 * MIB, noise(9, 70_000)).write(40 * MIB, Buffer.alloc(200_000));
  bench.access.reads.length = 0;
  const base = { snapshotId: 's1', pointId: first.point.id };
  const second = await bench.backup('job-2', [{ lun: 0, snapshotId: bench.access.snapshot('s2', disk), base }]);
  const total = sum(second.stats);
  expect(bench.access.readBytes).toBe(total.changedBytes + total.auditBytes);
  expect(total.changedBytes).toBeLessThanOrEqual(8 * limits.blockBytes);
  expect(total.newBytes).toBeLessThanOrEqual(4 * limits.blockBytes);
  expect(second.point.disks[0]?.fullReason).toBeUndefined();
  expect(second.point.previousDigest).toBeDefined();
  expect((await bench.restore('res-2', second.point, 0)).equals(disk.bytes)).toBe(true);
  const leaves = [...bench.stores.data.objects.keys()].filter((key) => /\/m\/job-2\/0-\d/.test(key));
  expect(leaves).toHaveLength(1);
});

test('the zstd level of the message is the one that is used', async () => {
  const stored = async (zstdLevel: number | undefined): Promise<number> => {
    const bench = backupBench();
    const text = Array.from({ length: 120_000 }, (_, line) => `${line * line} of ${line % 97} goes to ${line % 13}\n`);
    const disk = new FakeDisk(64 * MIB).write(0, Buffer.from(text.join('')));
    const [transfer] = bench.backupTransfers('job-1', { lun: 0, snapshotId: bench.access.snapshot('s1', disk) });
    if (!transfer) throw new Error('a window');
    await openSession(await bench.repository(), { sessionId: 'job-1', vmKey, kind: 'BACKUP' });
    const level = zstdLevel === undefined ? {} : { zstdLevel };
    return (await bench.handler()({ ...transfer, ...level }, signal)).storedBytes;
  };
  const [byDefault, fast, small] = [await stored(undefined), await stored(1), await stored(9)];
  expect(byDefault).toBe(fast);
  expect(small).toBeLessThan(0.97 * fast);
});
