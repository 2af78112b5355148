/** Data in flight stays within its budget, whatever the disk's size and however slow the store is. */
import { ByteBudget } from '../../shared/blockstore/byte-budget';
import type { ObjectStore, StorePair } from '../../shared/blockstore/object-store';
import { openSession } from '../../shared/blockstore/session';
import { createMemory, SharedBuffers } from '../../shared/blockstore/shared-buffers';
import { GIB, limits, MIB } from '../../shared/model/limits';
import { backupBench, signal, vmKey } from '../helpers/backup-bench';
import { SyntheticAccess } from '../helpers/synthetic-disk';

/** Puts wait some turns of the loop, so that reads run ahead as far as they may. */
function slow(stores: StorePair): StorePair {
  const late = (store: ObjectStore): ObjectStore => ({
    get: (...args) => store.get(...args),
    list: (...args) => store.list(...args),
    replace: (...args) => store.replace(...args),
    putOnce: async (...args) => {
      for (let turn = 0; turn < 50; turn++) await new Promise((resolve) => setImmediate(resolve));
      return await store.putOnce(...args);
    },
  });
  return { data: late(stores.data), control: late(stores.control) };
}

test('windows of a sparse 32 TiB disk, more of them than fit, share one budget and all come to their end', async () => {
  const diskBytes = 32 * 1024 * GIB;
  const step = 8 * 1024 * GIB;
  const access = new SyntheticAccess(diskBytes, (within) => [{ start: within.start, end: within.start + 24 * MIB }]);
  const bench = backupBench(undefined, access);
  await openSession(await bench.repository(), { sessionId: 'job-1', vmKey, kind: 'BACKUP' });
  const memory = createMemory();
  const handler = bench.handler(slow(bench.stores), { memory, concurrency: 5 });
  const [first] = bench.backupTransfers('job-1', { lun: 0, snapshotId: 's1' }, diskBytes);
  if (!first) throw new Error('a window');
  const runs = [0, 1, 2, 3, 3.5].map((place, index) => {
    const start = place * step;
    return handler({ ...first, window: { index, start, end: start + limits.windowBytesDefault } }, signal);
  });
  const stats = await Promise.all(runs);
  expect(stats.map(({ newBytes }) => newBytes)).toEqual(runs.map(() => 24 * MIB));
  expect(memory.reads.peakBytes + memory.windows.peakBytes).toBeLessThanOrEqual(limits.memoryBytes);
  expect(memory.reads.peakBytes).toBeGreaterThan(8 * MIB);
  expect([memory.reads.heldBytes, memory.windows.heldBytes]).toEqual([0, 0]);
});

test('a failed window gives everything back', async () => {
  const access = new SyntheticAccess(64 * MIB, (within) => [within]);
  const bench = backupBench(undefined, access);
  await openSession(await bench.repository(), { sessionId: 'job-1', vmKey, kind: 'BACKUP' });
  const memory = createMemory();
  const [transfer] = bench.backupTransfers('job-1', { lun: 0, snapshotId: 's1' });
  if (!transfer) throw new Error('a window');
  const stop = new AbortController();
  const run = bench.handler(bench.stores, { memory })(transfer, stop.signal, () => stop.abort(new Error('stop')));
  await expect(run).rejects.toThrow('stop');
  expect([memory.reads.heldBytes, memory.windows.heldBytes]).toEqual([0, 0]);
});

test('a budget serves in order, so that a large wish does not starve, and forgets who gave up', async () => {
  const budget = new ByteBudget('test', 100);
  const first = await budget.take(60, signal);
  const order: string[] = [];
  const stop = new AbortController();
  const large = budget.take(80, stop.signal).then(
    () => order.push('large'),
    () => order.push('gave up'),
  );
  const small = budget.take(30, signal).then((release) => {
    order.push('small');
    return release;
  });
  await new Promise((resolve) => setImmediate(resolve));
  expect(order).toEqual([]);
  stop.abort();
  await large;
  (await small)();
  first();
  first();
  expect([...order].sort()).toEqual(['gave up', 'small']);
  expect([budget.heldBytes, budget.peakBytes]).toEqual([0, 90]);
  await expect(budget.take(1, AbortSignal.abort(new Error('over')))).rejects.toThrow('over');
});

test('buffers are used again, and kept ones make room for other sizes', () => {
  const buffers = new SharedBuffers(10 * MIB);
  const one = buffers.lend(8 * MIB);
  one.release();
  one.release();
  const again = buffers.lend(8 * MIB);
  expect(again.bytes.buffer).toBe(one.bytes.buffer);
  again.release();
  const other = buffers.lend(4 * MIB);
  expect(buffers.lend(8 * MIB).bytes.buffer).not.toBe(one.bytes.buffer);
  other.release();
});
