/** A canceled job ends its windows within a look, and what follows from the cancel is not taken for damage. */
import { abortSession, openSession } from '../../shared/blockstore/session';
import { sessionLookMs } from '../../shared/blockstore/session-watch';
import { AppError } from '../../shared/model/errors';
import { MIB } from '../../shared/model/limits';
import { backupBench, signal, vmKey } from '../helpers/backup-bench';
import { FakeDisk, noise } from '../helpers/fake-disk';

async function prepared() {
  const bench = backupBench();
  const snapshotId = bench.access.snapshot('s1', new FakeDisk(64 * MIB).write(0, noise(1, MIB)));
  await openSession(await bench.repository(), { sessionId: 'job-1', vmKey, kind: 'BACKUP' });
  const [transfer] = bench.backupTransfers('job-1', { lun: 0, snapshotId });
  if (!transfer) throw new Error('a window');
  return { bench, transfer };
}

test('a fenced session stops a read that would never end', async () => {
  const { bench, transfer } = await prepared();
  const waits: number[] = [];
  const looked = Promise.withResolvers<void>();
  const clock = {
    ...bench.clock,
    sleep: async (delayMs: number, until?: AbortSignal) => {
      waits.push(delayMs);
      await looked.promise;
      if (waits.length > 1) await bench.clock.sleep(delayMs, until);
    },
  };
  const repository = { ...(await bench.repository()), clock };
  const open = bench.access.openSnapshot.bind(bench.access);
  bench.access.openSnapshot = async (request) => ({
    ...(await open(request)),
    read: (_range, inner) => {
      void abortSession(repository, 'job-1').then(() => looked.resolve());
      return new Promise((_resolve, reject) => inner.addEventListener('abort', () => reject(inner.reason)));
    },
  });
  const handler = bench.handler(bench.stores, { openRepository: async () => repository });
  await expect(handler(transfer, signal)).rejects.toMatchObject({ code: 'session.fenced' });
  expect(waits[0]).toBe(sessionLookMs);
});

test('a snapshot that is gone because the job was canceled is no damage', async () => {
  const { bench, transfer } = await prepared();
  bench.access.openSnapshot = async () => {
    await abortSession(await bench.repository(), 'job-1');
    throw new AppError('snapshot.not-found', 'the snapshot is gone');
  };
  await expect(bench.handler()(transfer, signal)).rejects.toMatchObject({ code: 'session.fenced' });
});

test('a snapshot that is gone by itself is told as such, also when the session cannot be looked at', async () => {
  const { bench, transfer } = await prepared();
  bench.access.openSnapshot = async () => {
    throw new AppError('snapshot.not-found', 'the snapshot is gone');
  };
  await expect(bench.handler()(transfer, signal)).rejects.toMatchObject({ code: 'snapshot.not-found' });
  let gone = false;
  bench.access.openSnapshot = async () => {
    gone = true;
    throw new AppError('snapshot.not-found', 'the snapshot is gone');
  };
  const { control } = bench.stores;
  const flaky = {
    putOnce: control.putOnce.bind(control),
    replace: control.replace.bind(control),
    list: control.list.bind(control),
    get: (...args: Parameters<typeof control.get>) =>
      gone ? Promise.reject(new AppError('store.unavailable', 'away', { retryable: true })) : control.get(...args),
  };
  const handler = bench.handler({ ...bench.stores, control: flaky });
  await expect(handler(transfer, signal)).rejects.toMatchObject({ code: 'snapshot.not-found' });
});
