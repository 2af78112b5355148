/** SIGTERM in the middle of a window: the message goes back at once, and the next data proxy takes over behind what is done. */
import { systemClock } from '../../shared/base/clock';
import { silentLogger } from '../../shared/base/logger';
import { openSession } from '../../shared/blockstore/session';
import { runDataProxy } from '../../shared/dataproxy/run-data-proxy';
import { limits, MIB } from '../../shared/model/limits';
import type { BackupTransfer } from '../../shared/model/transfer';
import { type BackupBench, backupBench, vmKey } from '../helpers/backup-bench';
import { FakeDisk, noise } from '../helpers/fake-disk';

/** A data proxy of its own that gets one message, and is stopped when its window has read so much. */
async function serve(bench: BackupBench, transfer: BackupTransfer, stopAtBytes: number): Promise<string[]> {
  const stop = new AbortController();
  const answers: string[] = [];
  const answer = async (text: string): Promise<void> => {
    answers.push(text);
    stop.abort();
  };
  const messages = [transfer];
  const handle = bench.handler();
  await runDataProxy({
    source: {
      receive: async () => {
        const next = messages.shift();
        return (
          next && {
            transfer: next,
            deliveries: 1,
            renew: async () => true,
            done: () => answer('done'),
            release: (delayMs: number) => answer(`release ${delayMs}`),
            poison: (reason: string) => answer(`poison ${reason}`),
          }
        );
      },
    },
    handle: (message, signal) =>
      handle(message, signal, ({ readBytes }) => {
        if (readBytes >= stopAtBytes) stop.abort();
      }),
    events: { report: async () => undefined },
    clock: systemClock,
    logger: silentLogger,
    concurrency: 1,
    signal: stop.signal,
  });
  return answers;
}

test('three data proxies in turn read every byte of a window once and store every block once', async () => {
  const bench = backupBench();
  const disk = new FakeDisk(limits.leafBytes).write(0, noise(1, limits.leafBytes, true));
  const target = { lun: 0, snapshotId: bench.access.snapshot('s1', disk) } as const;
  await openSession(await bench.repository(), { sessionId: 'job-1', vmKey, kind: 'BACKUP' });
  const [transfer] = bench.backupTransfers('job-1', target);
  if (!transfer) throw new Error('a window');
  const done: number[] = [];
  for (const stopAtBytes of [16 * MIB, 48 * MIB, Number.POSITIVE_INFINITY]) {
    bench.access.reads.length = 0;
    const answers = await serve(bench, transfer, stopAtBytes);
    expect(answers).toEqual([stopAtBytes === Number.POSITIVE_INFINITY ? 'done' : 'release 0']);
    done.push(Math.min(...bench.access.reads.map(([, start]) => start)));
  }
  // Each began where the one before had stopped.
  expect(done).toEqual([0, 16 * MIB, 48 * MIB]);
  const point = await bench.publish('job-1', [target]);
  expect(point.disks[0]?.stats).toMatchObject({ readBytes: disk.bytes.length, newBytes: disk.bytes.length });
  expect((await bench.restore('res-1', point, 0)).equals(disk.bytes)).toBe(true);
});
