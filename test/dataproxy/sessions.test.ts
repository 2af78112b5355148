/** Sessions fence, windows are done once, and blocks are stored once, whoever asks how often. */

import { silentLogger } from '../../shared/base/logger';
import { listRestorePoints } from '../../shared/blockstore/points';
import { publishRestorePoint } from '../../shared/blockstore/publish';
import { openRepository } from '../../shared/blockstore/repository';
import { abortSession, openSession, readSession } from '../../shared/blockstore/session';
import { verifyRestorePoint } from '../../shared/blockstore/verify';
import { listFinishedWindowNames, listFinishedWindows } from '../../shared/blockstore/window-facts';
import { limits, MIB } from '../../shared/model/limits';
import { addStats, emptyStats } from '../../shared/model/transfer';
import { backupBench, signal, tenant, vmKey } from '../helpers/backup-bench';
import { FakeDisk, noise } from '../helpers/fake-disk';
import { manualClock } from '../helpers/manual-clock';

const disk = (): FakeDisk =>
  new FakeDisk(65 * MIB).write(0, noise(1, 2 * MIB)).write(64 * MIB, noise(1, 2 * limits.blockBytes));
const code = (attempt: Promise<unknown>): Promise<unknown> =>
  attempt.then(
    () => 'fulfilled',
    (error: { code?: string }) => error.code,
  );

test('opening a session twice is opening it once; aborting it ends it for good', async () => {
  const bench = backupBench();
  const repository = await bench.repository();
  const request = { sessionId: 'job-1', vmKey, kind: 'BACKUP' } as const;
  expect(await openSession(repository, request)).toEqual({ state: 'PENDING' });
  expect(await openSession(repository, request)).toEqual({ state: 'PENDING' });
  expect(await code(openSession(repository, { ...request, kind: 'RESTORE' }))).toBe('store.conflict');
  expect(await abortSession(repository, 'job-1')).toBe('aborted');
  expect(await abortSession(repository, 'job-1')).toBe('aborted');
  expect(await code(openSession(repository, request))).toBe('session.fenced');
  expect(await abortSession(repository, 'job-none')).toBe('absent');
  expect(await readSession(repository, 'job-none')).toBeUndefined();
});

test('a fenced session finishes no window and publishes nothing', async () => {
  const bench = backupBench();
  const source = disk();
  const target = { lun: 0, snapshotId: bench.access.snapshot('s1', source) } as const;
  const repository = await bench.repository();
  await openSession(repository, { sessionId: 'job-1', vmKey, kind: 'BACKUP' });
  const handler = bench.handler();
  const [first, second] = bench.backupTransfers('job-1', target);
  if (!first || !second) throw new Error('two windows');
  await handler(first, signal);
  await abortSession(repository, 'job-1');
  expect(await code(handler(second, signal))).toBe('session.fenced');
  expect(await listFinishedWindows(repository, 'job-1')).toHaveLength(1);
  expect(await listFinishedWindowNames(repository, 'job-1')).toEqual([{ lun: 0, index: 0 }]);
  expect(await code(bench.publish('job-1', [target]))).toBe('session.fenced');
  expect(await listRestorePoints(repository)).toEqual([]);
});

test('a session fenced in the middle of a window writes no fact', async () => {
  const bench = backupBench();
  const repository = await bench.repository();
  const target = { lun: 0, snapshotId: bench.access.snapshot('s1', disk()) } as const;
  await openSession(repository, { sessionId: 'job-1', vmKey, kind: 'BACKUP' });
  const open = bench.access.openSnapshot.bind(bench.access);
  bench.access.openSnapshot = async (request) => {
    await abortSession(repository, 'job-1');
    return await open(request);
  };
  const [first] = bench.backupTransfers('job-1', target);
  if (!first) throw new Error('a window');
  expect(await code(bench.handler()(first, signal))).toBe('session.fenced');
  expect(await listFinishedWindows(repository, 'job-1')).toEqual([]);
});

test('a committed point stays: aborting says so, publishing again gives the same point', async () => {
  const bench = backupBench();
  const source = { lun: 0, snapshotId: bench.access.snapshot('s1', disk()) } as const;
  const { point } = await bench.backup('job-1', [source]);
  const repository = await bench.repository();
  expect(await abortSession(repository, 'job-1')).toBe('committed');
  expect(await bench.publish('job-1', [source])).toEqual(point);
  expect(await listRestorePoints(repository, vmKey)).toEqual([point]);
  // A record lost between commit and its own write comes back from the register.
  bench.stores.data.objects.delete(`t/acme/p/${vmKey}/p-job-1`);
  expect(await bench.publish('job-1', [source])).toEqual(point);
  expect(await listRestorePoints(repository, vmKey)).toEqual([point]);
});

test('a second delivery of a finished window reads and writes nothing more', async () => {
  const bench = backupBench();
  const target = { lun: 0, snapshotId: bench.access.snapshot('s1', disk()) } as const;
  const { stats } = await bench.backup('job-1', [target]);
  const objects = bench.stores.data.objects.size;
  bench.access.reads.length = 0;
  const handler = bench.handler();
  const again = await Promise.all(bench.backupTransfers('job-1', target).map((transfer) => handler(transfer, signal)));
  expect(again).toEqual(stats);
  expect(bench.access.reads).toEqual([]);
  expect(bench.stores.data.objects.size).toBe(objects);
  const point = (await listRestorePoints(await bench.repository()))[0];
  if (!point) throw new Error('a point');
  await bench.restore('res-1', point, 0);
  const gets = bench.stores.data.calls.filter((call) => call.startsWith('get') && call.includes('/u/')).length;
  await bench.restore('res-1', point, 0);
  expect(bench.stores.data.calls.filter((call) => call.startsWith('get') && call.includes('/u/'))).toHaveLength(gets);
});

test('the same window worked on by two proxies at once ends in one fact and a right point', async () => {
  const bench = backupBench();
  const source = disk();
  const target = { lun: 0, snapshotId: bench.access.snapshot('s1', source) } as const;
  await openSession(await bench.repository(), { sessionId: 'job-1', vmKey, kind: 'BACKUP' });
  const proxies = [bench.handler(), bench.handler()];
  const runs = proxies.flatMap((handler) =>
    bench.backupTransfers('job-1', target).map((transfer) => handler(transfer, signal)),
  );
  const stats = await Promise.all(runs);
  expect(stats.slice(0, 2)).toEqual(stats.slice(2));
  const point = await bench.publish('job-1', [target]);
  expect((await bench.restore('res-1', point, 0)).equals(source.bytes)).toBe(true);
});

test('equal blocks of concurrent windows and disks are stored once', async () => {
  const bench = backupBench();
  const same = noise(5, 3 * MIB);
  const one = new FakeDisk(130 * MIB)
    .write(0, same)
    .write(64 * MIB, same)
    .write(128 * MIB, same.subarray(0, MIB));
  const two = new FakeDisk(8 * MIB).write(2 * MIB, same);
  const disks = [
    { lun: 'os', snapshotId: bench.access.snapshot('s-os', one) },
    { lun: 3, snapshotId: bench.access.snapshot('s-3', two) },
  ] as const;
  const { point, stats } = await bench.backup('job-1', disks);
  const total = stats.reduce(addStats, emptyStats);
  expect(total.newBytes).toBe(3 * MIB);
  expect(total.dedupBytes).toBe(7 * MIB);
  expect(bench.stores.data.bytesBelow('t/acme/u/')).toBeLessThan(3.1 * MIB);
  expect((await bench.restore('res-1', point, 'os')).equals(one.bytes)).toBe(true);
  expect((await bench.restore('res-2', point, 3)).equals(two.bytes)).toBe(true);
  // Another process knows them from the index segments.
  const later = await bench.backup('job-2', disks, undefined, bench.handler());
  expect(later.stats.reduce(addStats, emptyStats).newBytes).toBe(0);
  const seed = { vmKey, pointId: later.point.id, sampleBlocks: 1_000, seed: 'x' };
  expect((await verifyRestorePoint(await bench.repository(), seed)).sampledBlocks).toBe(10 * 16);
});

test('publishing names what is missing', async () => {
  const bench = backupBench();
  const target = { lun: 0, snapshotId: bench.access.snapshot('s1', disk()) } as const;
  const repository = await bench.repository();
  expect(await code(bench.publish('job-1', [target]))).toBe('session.not-found');
  await openSession(repository, { sessionId: 'job-1', vmKey, kind: 'BACKUP' });
  const handler = bench.handler();
  const transfers = bench.backupTransfers('job-1', target);
  for (const transfer of transfers.slice(0, 1)) await handler(transfer, signal);
  await expect(bench.publish('job-1', [target])).rejects.toMatchObject({
    code: 'manifest.incomplete',
    context: { lun: 0, window: 1 },
  });
  for (const transfer of transfers) await handler(transfer, signal);
  const unit = [...bench.stores.data.objects.keys()].find((key) => key.includes('/u/')) ?? '';
  const kept = bench.stores.data.objects.get(unit);
  bench.stores.data.objects.delete(unit);
  await expect(bench.publish('job-1', [target])).rejects.toMatchObject({
    code: 'manifest.incomplete',
    context: { lun: 0 },
  });
  if (kept) bench.stores.data.objects.set(unit, { ...kept, body: kept.body.subarray(1) });
  await expect(bench.publish('job-1', [target])).rejects.toMatchObject({ code: 'pack.corrupt' });
  expect(typeof publishRestorePoint).toBe('function');
});

test('a wrong root key is refused before anything is written', async () => {
  const bench = backupBench();
  await bench.backup('job-1', [{ lun: 0, snapshotId: bench.access.snapshot('s1', disk()) }]);
  const writes = bench.stores.data.calls.length;
  const open = openRepository({
    stores: bench.stores,
    tenant,
    keys: { rootKey: async () => Buffer.alloc(32, 8) },
    clock: manualClock(),
    logger: silentLogger,
  });
  expect(await code(open)).toBe('key.wrong');
  expect(bench.stores.data.calls.slice(writes).filter((call) => call.startsWith('put'))).toEqual([]);
});
