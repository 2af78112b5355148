/** A window that is broken off goes on where it stopped: what was read and stored is neither read nor stored again. */

import { abortSession, openSession } from '../../shared/blockstore/session';
import { AppError } from '../../shared/model/errors';
import { limits, MIB } from '../../shared/model/limits';
import type { BackupTransfer } from '../../shared/model/transfer';
import { type BackupBench, backupBench, type DiskOf, signal, vmKey } from '../helpers/backup-bench';
import { FakeDisk, noise } from '../helpers/fake-disk';
import { FaultyStores } from '../helpers/faulty-object-store';
import { SyntheticAccess } from '../helpers/synthetic-disk';

const target = { lun: 0, snapshotId: 's1' } as const;
const spanBytes = limits.leafBytes;
const checkpoint = 't/acme/s/job-1/c/0-0';
/** Made once: every block is another, and compresses well. */
const content = noise(1, spanBytes, true);
const filled = (): FakeDisk => new FakeDisk(spanBytes).write(0, content);
const packsOf = (bench: BackupBench): string[] =>
  [...bench.stores.data.objects.keys()].filter((key) => key.includes('/u/'));

async function begun(bench: BackupBench, disk: DiskOf = target): Promise<BackupTransfer> {
  await openSession(await bench.repository(), { sessionId: 'job-1', vmKey, kind: 'BACKUP' });
  const [transfer] = bench.backupTransfers('job-1', disk, spanBytes);
  if (!transfer) throw new Error('a window');
  return transfer;
}

/** Stops the window when it has read so much. */
async function stopAt(
  bench: BackupBench,
  transfer: BackupTransfer,
  readBytes: number,
  reason: unknown = new Error('SIGTERM'),
): Promise<void> {
  const stop = new AbortController();
  const run = bench.handler()(transfer, stop.signal, (stats) => {
    if (stats.readBytes >= readBytes) stop.abort(reason);
  });
  await expect(run).rejects.toBe(reason);
}

test('told to stop, a window stores what it has begun, and another proxy reads only the rest', async () => {
  const bench = backupBench();
  const disk = filled();
  bench.access.snapshot('s1', disk);
  const transfer = await begun(bench);
  await stopAt(bench, transfer, 40 * MIB);
  const packs = packsOf(bench);
  expect(packs.length).toBeGreaterThan(0);
  bench.access.reads.length = 0;
  const stats = await bench.handler()(transfer, signal);
  expect(bench.access.readBytes).toBe(spanBytes - 40 * MIB);
  expect(Math.min(...bench.access.reads.map(([, start]) => start))).toBe(40 * MIB);
  // The figures are those of the whole window, and every block was stored once.
  expect(stats).toMatchObject({ readBytes: spanBytes, newBytes: spanBytes, dedupBytes: 0, changedBytes: spanBytes });
  expect(stats.packs).toBe(packsOf(bench).length);
  const point = await bench.publish('job-1', [target], bench.stores, spanBytes);
  expect((await bench.restore('res-1', point, 0)).equals(disk.bytes)).toBe(true);
});

test('stopped in an incremental, it goes on with the parent, and does not audit twice', async () => {
  const bench = backupBench();
  const disk = filled();
  const first = await bench.backup('job-0', [{ lun: 0, snapshotId: bench.access.snapshot('s0', disk) }], spanBytes);
  disk
    .write(MIB, noise(2, 30 * MIB, true))
    .write(50 * MIB, noise(3, MIB))
    .write(40 * MIB, Buffer.alloc(3 * MIB));
  bench.access.snapshot('s1', disk);
  const base = { snapshotId: 's0', pointId: first.point.id };
  const transfer = await begun(bench, { ...target, base });
  await stopAt(bench, transfer, 20 * MIB);
  bench.access.reads.length = 0;
  const stats = await bench.handler()(transfer, signal);
  expect(bench.access.readBytes).toBeLessThanOrEqual(34 * MIB - 16 * MIB);
  expect(stats.readBytes).toBe(stats.changedBytes + stats.auditBytes);
  const point = await bench.publish('job-1', [{ ...target, base }], bench.stores, spanBytes);
  expect((await bench.restore('res-1', point, 0)).equals(disk.bytes)).toBe(true);
});

test.each([
  ['damaged', (body: Buffer) => body.fill(7, 60, 64)],
  ['gone', undefined],
])('a checkpoint that is %s costs a second reading and nothing else', async (_case, damage) => {
  const bench = backupBench();
  const disk = filled();
  bench.access.snapshot('s1', disk);
  const transfer = await begun(bench);
  await stopAt(bench, transfer, 40 * MIB);
  const held = bench.stores.control.objects.get(checkpoint);
  if (!held) throw new Error('a checkpoint');
  if (damage) damage(held.body);
  else bench.stores.control.objects.delete(checkpoint);
  const stats = await bench.handler()(transfer, signal);
  expect(stats).toMatchObject({ readBytes: spanBytes, dedupBytes: 40 * MIB });
  const point = await bench.publish('job-1', [target], bench.stores, spanBytes);
  expect((await bench.restore('res-1', point, 0)).equals(disk.bytes)).toBe(true);
});

test('without its message, or fenced, a window saves nothing', async () => {
  const bench = backupBench();
  bench.access.snapshot('s1', filled());
  const transfer = await begun(bench);
  await stopAt(bench, transfer, 24 * MIB, new AppError('job.stalled', 'lost', { retryable: true }));
  expect(bench.stores.control.objects.has(checkpoint)).toBe(false);
  await abortSession(await bench.repository(), 'job-1');
  await expect(bench.handler()(transfer, signal)).rejects.toMatchObject({ code: 'session.fenced' });
  expect(bench.stores.control.objects.has(checkpoint)).toBe(false);
});

test('a proxy that dies without a word loses at most what it did since its last checkpoint', async () => {
  const diskBytes = 1280 * MIB;
  const access = new SyntheticAccess(diskBytes, () => [{ start: 0, end: diskBytes }], 32);
  const bench = backupBench(undefined, access);
  const [transfer] = bench.backupTransfers('job-1', target, diskBytes);
  if (!transfer) throw new Error('a window');
  await openSession(await bench.repository(), { sessionId: 'job-1', vmKey, kind: 'BACKUP' });
  const faulty = new FaultyStores();
  const broken = faulty.wrap(bench.stores);
  const run = bench.handler(broken)(transfer, signal, (stats) => {
    if (stats.readBytes > limits.checkpointReadBytes + 100 * MIB) throw new Error('killed');
  });
  await expect(run).rejects.toThrow('killed');
  access.reads.length = 0;
  const stats = await bench.handler()(transfer, signal);
  expect(access.readBytes).toBeLessThanOrEqual(diskBytes - limits.checkpointReadBytes);
  expect(stats).toMatchObject({ readBytes: diskBytes, newBytes: 32 * limits.blockBytes });
});
