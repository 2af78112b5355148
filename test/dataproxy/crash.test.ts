/** A crash after any call to the store, then the same work again: the point is right, and nothing is done in vain for long. */
import { openSession, readSession } from '../../shared/blockstore/session';
import { MIB } from '../../shared/model/limits';
import { addStats, emptyStats } from '../../shared/model/transfer';
import { backupBench, signal, vmKey } from '../helpers/backup-bench';
import { FakeAccess, FakeDisk, noise } from '../helpers/fake-disk';
import { type Fault, FaultyStores } from '../helpers/faulty-object-store';
import { copyStores, type MemoryStores, memoryStores } from '../helpers/memory-object-store';

const first = new FakeDisk(65 * MIB).write(0, noise(1, 200_000)).write(64 * MIB, noise(2, 70_000));
const second = new FakeDisk(65 * MIB)
  .write(0, noise(1, 200_000))
  .write(64 * MIB, noise(2, 70_000))
  .write(9 * MIB, noise(3, 150_000));
const jobId = 'job-2';
const target = { lun: 0, snapshotId: 's2', base: { snapshotId: 's1', pointId: 'p-job-1' } } as const;

/** One incremental, as the control plane drives it, on stores that fail. Each step is allowed to fail. */
async function attempt(stores: MemoryStores, access: FakeAccess, faulty: FaultyStores): Promise<void> {
  const bench = backupBench(stores, access);
  const broken = faulty.wrap(stores);
  await openSession(await bench.repository(broken), { sessionId: jobId, vmKey, kind: 'BACKUP' }, signal);
  const handler = bench.handler(broken);
  for (const transfer of bench.backupTransfers(jobId, target)) await handler(transfer, signal);
  await bench.publish(jobId, [target], broken);
}

async function prepared(): Promise<{ stores: MemoryStores; access: FakeAccess }> {
  const access = new FakeAccess();
  access.snapshot('s1', first);
  access.snapshot('s2', second);
  const stores = memoryStores();
  await backupBench(stores, access).backup('job-1', [{ lun: 0, snapshotId: 's1' }]);
  return { stores, access };
}

async function callsOfCleanRun(start: { stores: MemoryStores; access: FakeAccess }): Promise<number> {
  const counter = new FaultyStores();
  await attempt(copyStores(start.stores), start.access, counter);
  return counter.calls;
}

test.each(['before', 'after'] as const)(
  'the store fails %s any one of its calls, for good: the next run ends right',
  async (when) => {
    const start = await prepared();
    const calls = await callsOfCleanRun(start);
    expect(calls).toBeGreaterThan(20);
    for (let call = 1; call <= calls; call++) {
      const stores = copyStores(start.stores);
      const fault: Fault = { call, when };
      const crashed = await attempt(stores, start.access, new FaultyStores(fault)).then(
        () => false,
        () => true,
      );
      const bench = backupBench(stores, start.access);
      const state = await readSession(await bench.repository(), jobId);
      // Before the commit nothing is visible, whatever lies around.
      if (state?.state !== 'COMMITTED')
        expect([...stores.data.objects.keys()].filter((key) => key.includes(`/p/`))).toHaveLength(1);
      if (crashed) await attempt(stores, start.access, new FaultyStores());
      const point = await bench.publish(jobId, [target]);
      const restored = await bench.restore(`res-${call}`, point, 0);
      expect(restored.equals(second.bytes) ? call : `call ${call} restored wrong bytes`).toBe(call);
      start.access.uploads.clear();
    }
  },
);

test('what a crashed attempt has stored is not stored again', async () => {
  const start = await prepared();
  const calls = await callsOfCleanRun(start);
  for (let call = 1; call <= calls; call++) {
    const stores = copyStores(start.stores);
    await attempt(stores, start.access, new FaultyStores({ call, when: 'after' })).catch(() => undefined);
    const segments = [...stores.data.objects.keys()].filter((key) => key.includes(`/x/0/${jobId}/`)).length;
    const packs = (): number => [...stores.data.objects.keys()].filter((key) => key.includes('/u/')).length;
    const before = packs();
    const bench = backupBench(stores, start.access);
    if ((await readSession(await bench.repository(), jobId)) === undefined) continue;
    await openSession(await bench.repository(), { sessionId: jobId, vmKey, kind: 'BACKUP' }, signal);
    const handler = bench.handler();
    const stats = await Promise.all(bench.backupTransfers(jobId, target).map((transfer) => handler(transfer, signal)));
    expect(stats.reduce(addStats, emptyStats).logicalBytes).toBe(65 * MIB);
    if (segments > 0) expect(packs()).toBe(before);
  }
});
