/** The collector deletes what no restore point needs, and nothing else, whoever works at the same time. */
import { readCollectorState } from '../../shared/blockstore/collector-state';
import { expirePoint, holdPoint, undoExpiry } from '../../shared/blockstore/expiry';
import { rebuildSegments } from '../../shared/blockstore/rebuild-index';
import { abortSession, beatSession, openSession, readRegister, readSession } from '../../shared/blockstore/session';
import { TenantIndex } from '../../shared/blockstore/tenant-index';
import { condemn } from '../../shared/collector/condemn';
import { deleteFixed } from '../../shared/collector/delete';
import { fixDeleteSet } from '../../shared/collector/fix';
import { runCycle } from '../../shared/collector/run-cycle';
import { fenceSessions, openSessions } from '../../shared/collector/wait';
import { signal, vmKey } from '../helpers/backup-bench';
import { memoryVersions } from '../helpers/memory-object-store';
import { type CollectorBench, collectorBench, DAY_MS } from './collector-bench';

const by = { by: 'test', reason: 'no longer needed' };

/** Two points with a pack each; the first has expired and its time to undo is over. */
async function expired(bench: CollectorBench): Promise<void> {
  await bench.backup('job-1', [bench.snapshot('s1', 1)]);
  await bench.backup('job-2', [bench.snapshot('s2', 3)]);
  await expirePoint(await bench.repository(), 'p-job-1', by);
  bench.pass(15);
}

test('what only an expired point needs goes, after the time to undo; the other point restores', async () => {
  const bench = collectorBench();
  await bench.backup('job-1', [bench.snapshot('s1', 1)]);
  const { point } = await bench.backup('job-2', [bench.snapshot('s2', 3)]);
  const before = bench.packs();
  await expirePoint(await bench.repository(), 'p-job-1', by);
  bench.pass(2);
  expect((await bench.collect()).outcome).toBe('nothing');
  expect(bench.packs()).toEqual(before);
  bench.pass(13);
  const report = await bench.collect();
  expect(report).toMatchObject({ outcome: 'closed', condemn: { newlyGone: 1 }, delete: { left: 0 } });
  expect(bench.packs()).toHaveLength(before.length - 1);
  expect((await bench.restore('res-1', point, 0)).equals(bench.diskOf(3).bytes)).toBe(true);
  expect((await bench.collect()).outcome).toBe('nothing');
  await expect(undoExpiry(await bench.repository(), 'p-job-1')).rejects.toMatchObject({ code: 'request.conflict' });
});

test('a backup after a cycle does not refer to what was deleted, in a process that knew it', async () => {
  const bench = collectorBench();
  const handler = bench.handler();
  await bench.backup('job-1', [bench.snapshot('s1', 1)], undefined, handler);
  await bench.backup('job-2', [bench.snapshot('s2', 3)], undefined, handler);
  await expirePoint(await bench.repository(), 'p-job-1', by);
  bench.pass(15);
  expect((await bench.collect()).outcome).toBe('closed');
  const { point } = await bench.backup('job-3', [bench.snapshot('s3', 1, 3)], undefined, handler);
  expect((await bench.restore('res-1', point, 0)).equals(bench.diskOf(1, 3).bytes)).toBe(true);
});

test('a backup that began before the list is waited for, and what it refers to is rescued', async () => {
  const bench = collectorBench();
  await expired(bench);
  const context = await bench.context();
  await openSession(context.repository, { sessionId: 'job-3', vmKey, kind: 'BACKUP' });
  const disk = bench.snapshot('s3', 1);
  expect((await condemn(context)).kind).toBe('published');
  // Of the old epoch: it sees the condemned pack and refers to it.
  for (const transfer of bench.backupTransfers('job-3', disk)) {
    expect((await bench.handler()(transfer, signal)).newBytes).toBe(0);
  }
  expect(await openSessions(context)).toHaveLength(1);
  await expect(fixDeleteSet(context)).rejects.toMatchObject({ code: 'store.conflict' });
  const point = await bench.publish('job-3', [disk]);
  expect(await fixDeleteSet(context)).toMatchObject({ newPoints: 1 });
  expect(await deleteFixed(context)).toMatchObject({ closed: true });
  expect((await bench.restore('res-1', point, 0)).equals(bench.diskOf(1).bytes)).toBe(true);
});

test('a backup that begins while the list is in force stores condemned blocks anew', async () => {
  const bench = collectorBench();
  await expired(bench);
  const context = await bench.context();
  expect((await condemn(context)).kind).toBe('published');
  const { point, stats } = await bench.backup('job-3', [bench.snapshot('s3', 1)]);
  expect(stats[0]?.newBytes).toBeGreaterThan(0);
  await fixDeleteSet(context);
  expect(await deleteFixed(context)).toMatchObject({ closed: true });
  expect((await bench.restore('res-1', point, 0)).equals(bench.diskOf(1).bytes)).toBe(true);
});

test('a register that was made before the list and not admitted moves on to its epoch', async () => {
  const bench = collectorBench();
  await expired(bench);
  const context = await bench.context();
  const control = bench.stores.control;
  const put = control.putOnce.bind(control);
  // The list is published between the first look at the state and the register.
  control.putOnce = async (key, body, options) => {
    if (key.endsWith('s/job-3/register')) {
      control.putOnce = put;
      await condemn(context);
    }
    return await put(key, body, options);
  };
  await openSession(await bench.repository(), { sessionId: 'job-3', vmKey, kind: 'BACKUP' });
  expect(await readSession(context.repository, 'job-3')).toMatchObject({ epoch: 1, admitted: true });
  expect(await openSessions(context)).toEqual([]);
});

test('a session that stands still is fenced, one that beats is not', async () => {
  const bench = collectorBench();
  await expired(bench);
  const context = await bench.context();
  await openSession(context.repository, { sessionId: 'job-3', vmKey, kind: 'BACKUP' });
  await openSession(context.repository, { sessionId: 'res-1', vmKey, kind: 'RESTORE' });
  await condemn(context);
  const seen = await openSessions(context);
  expect(seen.map(({ sessionId }) => sessionId)).toEqual(['job-3', 'res-1']);
  await abortSession(context.repository, 'res-1');
  expect(await fenceSessions(context, seen)).toEqual(['job-3']);
  expect(await openSessions(context)).toEqual([]);
  await expect(bench.publish('job-3', [bench.snapshot('s3', 1)])).rejects.toMatchObject({ code: 'session.fenced' });
});

test('two collectors at every step do together what one does', async () => {
  const bench = collectorBench();
  await expired(bench);
  const [one, two] = [await bench.context(), await bench.context()];
  const begun = await Promise.all([condemn(one), condemn(two)]);
  expect(begun.map(({ kind }) => kind).sort()).toEqual(['not-now', 'published']);
  const fixed = await Promise.all([fixDeleteSet(one), fixDeleteSet(two)]);
  expect(fixed.filter((report) => report !== undefined)).toHaveLength(1);
  const done = await Promise.all([deleteFixed(one), deleteFixed(two)]);
  expect(done.filter((report) => report?.closed)).toHaveLength(1);
  expect((await readCollectorState(one.repository))?.state).toMatchObject({ epoch: 1, phase: 'IDLE' });
});

test('locked units stay until their lock is over, and index segments that are locked count for nothing', async () => {
  const bench = collectorBench();
  await expired(bench);
  const { data } = bench.stores;
  for (const key of data.objects.keys()) data.locks.set(key, bench.clock.now() + DAY_MS);
  const first = await bench.collect();
  expect(first).toMatchObject({ outcome: 'nothing', condemn: { condemned: { units: 0 } } });
  expect(first.condemn?.locked.units).toBeGreaterThan(0);
  bench.pass(2);
  for (const key of data.objects.keys()) if (key.includes('/x/')) data.locks.set(key, bench.clock.now() + DAY_MS);
  const segments = [...data.objects.keys()].filter((key) => key.includes('/x/'));
  const report = await bench.collect();
  expect(report).toMatchObject({ outcome: 'closed', delete: { segments: { replaced: 1, deleted: 0 } } });
  expect([...data.objects.keys()]).toEqual(expect.arrayContaining(segments));
  const { point, stats } = await bench.backup('job-3', [bench.snapshot('s3', 1, 3)]);
  expect(stats[0]?.newBytes).toBeGreaterThan(0);
  expect((await bench.restore('res-1', point, 0)).equals(bench.diskOf(1, 3).bytes)).toBe(true);
  await abortSession(await bench.repository(), 'res-1');
  // Nothing of the locked segment comes back with another cycle, and when its lock is over it goes.
  bench.pass(2);
  await expirePoint(await bench.repository(), 'p-job-2', by);
  bench.pass(20);
  expect((await bench.collect()).outcome).toBe('closed');
  expect((await readCollectorState(await bench.repository()))?.state.replaced).toBeUndefined();
});

describe('it stops', () => {
  test('when a cycle would delete too much, until these very figures are allowed', async () => {
    const bench = collectorBench();
    await expired(bench);
    const before = bench.packs();
    const context = await bench.context({ shareMax: 0.1 });
    const stopped = await runCycle(context);
    expect(stopped).toMatchObject({ outcome: 'stopped', stops: [{ reason: 'share' }] });
    expect(bench.packs()).toEqual(before);
    expect((await runCycle(context, { dryRun: true })).condemn).toEqual(stopped.condemn);
    const { units = 0, bytes = 0 } = stopped.condemn?.condemned ?? {};
    expect((await runCycle(context, { allowance: { units: units - 1, bytes } })).outcome).toBe('stopped');
    expect((await runCycle(context, { allowance: { units, bytes } })).outcome).toBe('closed');
  });

  test('when the listing, a register or a manifest fails: nothing is deleted', async () => {
    for (const broken of ['list', 'register', 'root', 'leaves'] as const) {
      const bench = collectorBench();
      await expired(bench);
      const before = bench.packs();
      const flip = (bucket: 'data' | 'control', key: string): void => {
        const entry = bench.stores[bucket].objects.get(key);
        if (!entry) throw new Error(key);
        entry.body[80] = (entry.body[80] ?? 0) ^ 1;
      };
      if (broken === 'register') flip('control', 't/acme/s/job-2/register');
      if (broken === 'root') flip('data', 't/acme/m/job-2/0-root');
      if (broken === 'leaves') flip('data', 't/acme/m/job-2/0-0');
      const versions = memoryVersions(bench.stores.data);
      const failing = {
        ...versions,
        async *listVersions(prefix: string) {
          let count = 0;
          for await (const version of versions.listVersions(prefix)) {
            if (broken === 'list' && count++ === 1) throw new Error('a page that fails');
            yield version;
          }
        },
      };
      await expect(runCycle(await bench.context({}, failing))).rejects.toThrow();
      expect(bench.packs()).toEqual(before);
      expect((await readCollectorState(await bench.repository()))?.state.phase).toBe('IDLE');
    }
  });

  test('when units or points vanished since the last cycle, or the buckets disagree', async () => {
    const bench = collectorBench();
    await bench.backup('job-1', [bench.snapshot('s1', 1)]);
    await bench.backup('job-2', [bench.snapshot('s2', 2)]);
    bench.pass(2);
    await bench.collect();
    const [pack = ''] = bench.packs();
    const entry = bench.stores.data.objects.get(pack);
    bench.stores.data.objects.delete(pack);
    expect((await bench.collect()).stops).toMatchObject([{ reason: 'units-fell' }]);
    if (entry) bench.stores.data.objects.set(pack, entry);
    expect((await bench.collect()).outcome).toBe('nothing');
    bench.stores.control.objects.delete('t/acme/s/job-1/register');
    expect((await bench.collect()).stops.map(({ reason }) => reason)).toEqual(['points-fell', 'buckets-disagree']);
  });
});

test('a point on hold does not expire; a lost state of the collector stops everything', async () => {
  const bench = collectorBench();
  await bench.backup('job-1', [bench.snapshot('s1', 1)]);
  const repository = await bench.repository();
  await holdPoint(repository, 'p-job-1', by);
  await expect(expirePoint(repository, 'p-job-1', by)).rejects.toMatchObject({ code: 'request.conflict' });
  bench.stores.control.objects.delete('t/acme/gc/state');
  await expect(bench.collect()).rejects.toMatchObject({ code: 'store.mismatch' });
  await expect(openSession(repository, { sessionId: 'job-2', vmKey, kind: 'BACKUP' })).rejects.toMatchObject({
    code: 'store.mismatch',
  });
});

test('the index is rebuilt without what is condemned, and the collector waits for it', async () => {
  const bench = collectorBench();
  await expired(bench);
  const context = await bench.context();
  expect((await condemn(context)).kind).toBe('published');
  const repository = await bench.repository();
  const rebuilt = await rebuildSegments(repository, repository, new TenantIndex(), 'rebuilt-1');
  expect(rebuilt.units).toBe(1);
  expect(await openSessions(context)).toEqual([]);
  await fixDeleteSet(context);
  expect(await deleteFixed(context)).toMatchObject({ closed: true, segments: { replaced: 1 } });
});

test('who works for a session says now and then that it is alive, and no more often', async () => {
  const bench = collectorBench();
  const repository = await bench.repository();
  await openSession(repository, { sessionId: 'job-1', vmKey, kind: 'BACKUP' });
  const seen = await beatSession(repository, 'job-1', undefined);
  const beaten = await beatSession(repository, 'job-1', seen);
  expect(beaten).not.toBe(seen);
  // Somebody else has beaten since: nothing to do.
  expect(await beatSession(repository, 'job-1', seen)).toBe(beaten);
  expect((await readRegister(repository, 'job-1'))?.etag).toBe(beaten);
  await abortSession(repository, 'job-1');
  await expect(beatSession(repository, 'job-1', beaten)).rejects.toMatchObject({ code: 'session.fenced' });
});
