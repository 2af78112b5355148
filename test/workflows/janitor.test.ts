/** The janitor against a catalog and a repository of its own: what it takes away, what it leaves, and in which order. */
import { silentLogger } from '../../shared/base/logger';
import { openSession, readSession } from '../../shared/blockstore/session';
import { createCatalog } from '../../shared/catalog/catalog';
import { computeId, jobIdOfPoint, pointIdOf, resourceKey } from '../../shared/model/ids';
import { jobTag, type WorkflowDependencies } from '../../shared/workflows/dependencies';
import type { OrchestrationClient } from '../../shared/workflows/durable';
import { createJanitor } from '../../shared/workflows/janitor/reconcile';
import type { SnapshotState } from '../../shared/workflows/ports';
import { backupBench, tenant } from '../helpers/backup-bench';
import { manualClock } from '../helpers/manual-clock';
import { memoryRecordStore } from '../helpers/memory-record-store';
import { SUBSCRIPTION, sampleJob, vmIdOf } from '../helpers/samples';

const jobId = 'b-20261122-120000-aaaaaaaa';
const group = 'blockferry-snapshots';
const snapshotIn = (name: string, place = group): string => computeId(SUBSCRIPTION, place, 'snapshots', name);
const disk = computeId(SUBSCRIPTION, 'prod', 'disks', 'web-os');

function world(isRunning: () => Promise<boolean> = () => Promise.resolve(false)) {
  const clock = manualClock();
  const catalog = createCatalog(memoryRecordStore(), clock);
  const bench = backupBench();
  const done: string[] = [];
  const snapshots = new Map<string, string>(); // id -> job tag
  const compute = {
    getSnapshot: async (id: string) =>
      ({
        state: snapshots.has(id) ? 'usable' : 'gone',
        sourceDiskId: disk,
        tags: { [jobTag]: snapshots.get(id) ?? '' },
      }) as unknown as SnapshotState,
    deleteSnapshot: async (id: string) => {
      done.push(`delete ${id}`);
      snapshots.delete(id);
    },
    revokeSnapshotAccess: async (id: string) => void done.push(`revoke ${id}`),
    discardUploadDisk: async (id: string, of: string) => void done.push(`discard ${id} of ${of}`),
  };
  const deps = {
    catalog,
    compute,
    openRepository: async () => {
      done.push('fence');
      return bench.repository();
    },
    locks: () => ({ extendLock: async () => undefined }),
    clock,
    logger: silentLogger,
    randomHex: (bytes: number) => '0'.repeat(2 * bytes),
    settings: { tenant, snapshotGroup: group, windowBytes: 1, pollMs: 1, stallMs: 1 },
  } as unknown as WorkflowDependencies;
  const orchestrations: OrchestrationClient = {
    start: () => Promise.resolve('started'),
    raise: () => Promise.resolve(),
    isRunning,
    signal: async (entity, operation, input) => void done.push(`${operation} ${entity.key} ${String(input)}`),
  };
  const seed = async (): Promise<void> => {
    await catalog.jobs.create(sampleJob(jobId));
    await catalog.leases.acquire(resourceKey(vmIdOf('web')), jobId);
    await openSession(await bench.repository(), {
      sessionId: jobId,
      vmKey: resourceKey(vmIdOf('web')),
      kind: 'BACKUP',
    });
    snapshots.set(snapshotIn('mine'), jobId);
    await catalog.intents.record(jobId, 'snapshot', snapshotIn('mine'));
    await catalog.intents.record(jobId, 'access', snapshotIn('mine'));
    await catalog.intents.record(jobId, 'upload-disk', disk);
    await catalog.intents.record(jobId, 'session', jobId);
    clock.advance(10 * 60_000);
  };
  return { catalog, bench, done, snapshots, compute, seed, janitor: createJanitor(deps, orchestrations) };
}

test('what a lost job left is taken away, the fence first', async () => {
  const { catalog, bench, done, snapshots, seed, janitor } = world();
  await seed();
  expect(await janitor.reconcile()).toEqual({ lostJobs: 1, closed: 4, failed: 0 });
  expect(done).toEqual([
    `release westeurope ${jobId}`,
    'fence',
    `revoke ${snapshotIn('mine')}`,
    `delete ${snapshotIn('mine')}`,
    `discard ${disk} of ${jobId}`,
  ]);
  expect(snapshots.size).toBe(0);
  expect((await readSession(await bench.repository(), jobId))?.state).toBe('ABORTED');
  expect(await catalog.jobs.read(jobId)).toMatchObject({ status: 'failed', error: { code: 'job.stalled' } });
  expect((await catalog.leases.acquire(resourceKey(vmIdOf('web')), 'b-next')).acquired).toBe(true);
  expect(await catalog.intents.list()).toEqual([]);
});

test('a job at work is left alone, and so is one that cannot be asked about', async () => {
  const working = world(() => Promise.resolve(true));
  await working.seed();
  expect(await working.janitor.reconcile()).toEqual({ lostJobs: 0, closed: 0, failed: 0 });
  const unknown = world(() => Promise.reject(new Error('no answer')));
  await unknown.seed();
  await expect(unknown.janitor.reconcile()).rejects.toThrow('no answer');
  expect([...working.done, ...unknown.done]).toEqual([]);
});

test('a base stays until it is one no more, and then goes although its own job is long over', async () => {
  const { catalog, done, snapshots, janitor } = world();
  const snapshotId = snapshotIn('base');
  snapshots.set(snapshotId, jobId);
  await catalog.intents.record(jobId, 'snapshot', snapshotId);
  const base = { sourceUniqueId: 'u', sizeBytes: 512, logicalSectorBytes: 512, takenAt: '2026-11-22T12:00:00.000Z' };
  await catalog.bases.put(resourceKey(disk), { ...base, pointId: pointIdOf(jobId), snapshotId });
  await janitor.reconcile();
  expect(done).toEqual([]);
  expect(await catalog.intents.list()).toHaveLength(1);
  await catalog.bases.put(resourceKey(disk), { ...base, pointId: pointIdOf('b-next'), snapshotId: snapshotIn('next') });
  await janitor.reconcile();
  expect(done).toEqual([`delete ${snapshotId}`]);
  expect(await catalog.intents.list()).toEqual([]);
  expect(jobIdOfPoint(pointIdOf(jobId))).toBe(jobId);
});

test.each([
  ['another job made it', snapshotIn('x'), 'b-somebody-else'],
  ['it lies in another group', snapshotIn('x', 'prod'), jobId],
])('a snapshot is not deleted when %s', async (_why, snapshotId, tag) => {
  const { catalog, done, snapshots, janitor } = world();
  snapshots.set(snapshotId, tag);
  await catalog.intents.record(jobId, 'snapshot', snapshotId);
  await janitor.reconcile();
  expect(done).toEqual([]);
  expect(snapshots.has(snapshotId)).toBe(true);
});

test('what fails stays recorded and is tried again', async () => {
  const { catalog, compute, snapshots, janitor } = world();
  snapshots.set(snapshotIn('mine'), jobId);
  await catalog.intents.record(jobId, 'snapshot', snapshotIn('mine'));
  const { deleteSnapshot } = compute;
  compute.deleteSnapshot = () => Promise.reject(new Error('409'));
  expect(await janitor.reconcile()).toMatchObject({ closed: 0, failed: 1 });
  compute.deleteSnapshot = deleteSnapshot;
  expect(await janitor.reconcile()).toMatchObject({ closed: 1, failed: 0 });
});
