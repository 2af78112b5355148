/** The lock keeper in memory: what it locks, until when, when it is due, and that it goes on where it stopped. */
import { expirePoint } from '../../shared/blockstore/expiry';
import type { LockExtender } from '../../shared/blockstore/object-store';
import { openSession, readRegister } from '../../shared/blockstore/session';
import { type KeeperContext, type KeeperPlace, keepLocks, keepLocksStep } from '../../shared/collector/keep-locks';
import { beginRun, readState } from '../../shared/collector/keeper-state';
import { tenantPrefix } from '../../shared/format/store-keys';
import { AppError } from '../../shared/model/errors';
import { signal, tenant, vmKey } from '../helpers/backup-bench';
import { memoryVersions } from '../helpers/memory-object-store';
import { type CollectorBench, collectorBench, DAY_MS } from './collector-bench';

const WINDOW_MS = 30 * DAY_MS;

async function backup(bench: CollectorBench, jobId: string, ...seeds: number[]) {
  const target = bench.snapshot(jobId, ...seeds);
  await openSession(await bench.repository(), { sessionId: jobId, vmKey, kind: 'BACKUP' }, signal);
  const handler = bench.handler();
  for (const transfer of bench.backupTransfers(jobId, target)) await handler(transfer, signal);
  return bench.publish(jobId, [target]);
}

let sessions = 0;
const keeperOf = async (bench: CollectorBench, locks?: LockExtender): Promise<KeeperContext> => {
  sessions += 1;
  return {
    repository: await bench.repository(),
    locks: locks ?? memoryVersions(bench.stores.data),
    sessionId: `keep-${sessions}`,
    windowMs: WINDOW_MS,
  };
};

/** All objects but index segments, which can be made anew. */
const needed = (bench: CollectorBench): string[] =>
  [...bench.stores.data.objects.keys()].filter((key) => !key.startsWith(`${tenantPrefix(tenant)}x/`)).sort();
const lockedUntil = (bench: CollectorBench, untilMs: number): string[] =>
  [...bench.stores.data.locks].flatMap(([key, until]) => (until >= untilMs ? [key] : [])).sort();

test('everything that a point needs is locked for a window from now, and is locked anew in each half window', async () => {
  const bench = collectorBench();
  await backup(bench, 'job-1', 1, 2);
  await backup(bench, 'job-2', 2, 3);
  const first = await keepLocks(await keeperOf(bench));
  expect(first).toMatchObject({ outcome: 'kept', missing: 0 });
  expect(lockedUntil(bench, bench.clock.now() + WINDOW_MS)).toEqual(needed(bench));
  expect(first.extended).toBe(needed(bench).length); // shared packs once

  bench.pass(14);
  expect(await keepLocks(await keeperOf(bench))).toMatchObject({ outcome: 'not-now', extended: 0 });
  bench.pass(1);
  expect(await keepLocks(await keeperOf(bench))).toMatchObject({ outcome: 'kept' });
  expect(lockedUntil(bench, bench.clock.now() + WINDOW_MS)).toEqual(needed(bench));
});

test('a run that was broken off is begun anew after an eighth of the window, and the old one stops', async () => {
  const bench = collectorBench();
  await backup(bench, 'job-1', 1);
  const begun = await beginRun(await keeperOf(bench), WINDOW_MS);
  if (begun.kind !== 'begun') throw new Error(begun.why);
  bench.pass(3);
  expect(await keepLocks(await keeperOf(bench))).toMatchObject({ outcome: 'not-now' });
  bench.pass(1);
  expect(await keepLocks(await keeperOf(bench))).toMatchObject({ outcome: 'kept' });
  const late = await keepLocksStep(await keeperOf(bench), begun.run, undefined, Number.POSITIVE_INFINITY);
  expect(late.superseded).toBe(true);
});

test('steps of one batch each reach everything, whatever the ids of the sessions are', async () => {
  const bench = collectorBench();
  // In a listing `job-1-x/register` comes before `job-1/register`.
  for (const [index, id] of ['job-1', 'job-1-x', 'job-0'].entries()) await backup(bench, id, index, index + 1);
  const begun = await beginRun(await keeperOf(bench), WINDOW_MS);
  if (begun.kind !== 'begun') throw new Error(begun.why);
  let steps = 0;
  for (let next: KeeperPlace | undefined; ; steps++) {
    const step = await keepLocksStep(await keeperOf(bench), begun.run, next, 0);
    next = step.next;
    if (next === undefined) break;
  }
  expect(steps).toBe(3);
  expect(lockedUntil(bench, bench.clock.now() + WINDOW_MS)).toEqual(needed(bench));
  expect((await readState(await bench.repository()))?.state.endedAt).toBeDefined();
});

test('an expired point is kept as long as it can be had back, and then left to the collector', async () => {
  const bench = collectorBench();
  const first = await backup(bench, 'job-1', 1);
  await backup(bench, 'job-2', 2);
  const before = bench.packs();
  await expirePoint(await bench.repository(), first.id, { by: 'test', reason: 'over' });
  await keepLocks(await keeperOf(bench));
  expect(lockedUntil(bench, bench.clock.now() + WINDOW_MS)).toEqual(needed(bench));
  bench.pass(15);
  const second = await keepLocks(await keeperOf(bench));
  expect(second.extended).toBeLessThan(needed(bench).length);
  // Locked still from the first time: the collector waits, and then takes it.
  await bench.collect();
  expect(bench.packs()).toEqual(before);
  bench.pass(16);
  await keepLocks(await keeperOf(bench));
  await bench.collect();
  expect(bench.packs().length).toBeLessThan(before.length);
});

test('a session stands while locks are extended, and has ended afterwards', async () => {
  const bench = collectorBench();
  await backup(bench, 'job-1', 1);
  const versions = memoryVersions(bench.stores.data);
  const states: (string | undefined)[] = [];
  const context = await keeperOf(bench, {
    extendLock: async (key, untilMs) => {
      states.push((await readRegister(await bench.repository(), context.sessionId))?.register.state);
      await versions.extendLock(key, untilMs);
    },
  });
  await keepLocks(context);
  expect(new Set(states)).toEqual(new Set(['PENDING']));
  expect((await readRegister(await bench.repository(), context.sessionId))?.register).toMatchObject({
    kind: 'KEEP',
    state: 'ABORTED',
  });
});

test('a missing object is said, and the others are locked all the same; another failure ends the step', async () => {
  const bench = collectorBench();
  await backup(bench, 'job-1', 1, 2);
  const [lost = ''] = bench.packs();
  bench.stores.data.objects.delete(lost);
  expect(await keepLocks(await keeperOf(bench))).toMatchObject({ outcome: 'kept', missing: 1 });
  expect(lockedUntil(bench, bench.clock.now() + WINDOW_MS)).toEqual(needed(bench));

  const refuse = { extendLock: () => Promise.reject(new AppError('store.denied', 'no right to do so')) };
  bench.pass(20);
  await expect(keepLocks(await keeperOf(bench, refuse))).rejects.toMatchObject({ code: 'store.denied' });
  expect((await readState(await bench.repository()))?.state.endedAt).toBeUndefined();
});

test('a point that cannot be read is said again and again, and the locks of the others do not run out for it', async () => {
  const bench = collectorBench();
  await backup(bench, 'job-1', 1);
  const root = [...bench.stores.data.objects.keys()].find((key) => key.endsWith('-root')) ?? '';
  await backup(bench, 'job-2', 2);
  bench.stores.data.objects.delete(root);
  expect(await keepLocks(await keeperOf(bench))).toMatchObject({ outcome: 'kept', damaged: 1 });
  const others = needed(bench).filter((key) => key.includes('/m/job-2/'));
  expect(others.length).toBeGreaterThan(1);
  expect(lockedUntil(bench, bench.clock.now() + WINDOW_MS)).toEqual(expect.arrayContaining(others));
  expect((await readState(await bench.repository()))?.state.endedAt).toBeUndefined();
  bench.pass(4);
  expect(await keepLocks(await keeperOf(bench))).toMatchObject({ outcome: 'kept', damaged: 1 });
});
