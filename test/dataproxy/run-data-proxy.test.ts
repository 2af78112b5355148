/** The loop answers every message once: done, handed back, or put aside; and it hands over when it is told to stop. */

import { systemClock } from '../../shared/base/clock';
import { silentLogger } from '../../shared/base/logger';
import type { TransferDelivery, TransferSource } from '../../shared/dataproxy/ports';
import { type DataProxyOptions, runDataProxy } from '../../shared/dataproxy/run-data-proxy';
import type { TransferHandler } from '../../shared/dataproxy/transfer-handler';
import { AppError } from '../../shared/model/errors';
import { emptyStats, type Transfer, type TransferEvent } from '../../shared/model/transfer';

const transfer: Transfer = {
  kind: 'backup',
  version: 1,
  tenant: 'contoso',
  region: 'westeurope',
  jobId: 'job-1',
  vmKey: '0123456789abcdef',
  lun: 0,
  diskBytes: 512,
  window: { index: 0, start: 0, end: 512 },
  snapshotId: 's',
};

interface Given {
  readonly transfer?: Transfer | undefined;
  readonly deliveries?: number;
  readonly renew?: () => boolean;
}

/** Runs the loop over these messages; it is stopped as soon as each has its answer. */
async function answers(
  messages: readonly Given[],
  handle: TransferHandler,
  options: Partial<DataProxyOptions> = {},
): Promise<{ answers: string[]; events: TransferEvent[] }> {
  const stop = new AbortController();
  const given: string[] = [];
  const events: TransferEvent[] = [];
  const answer = async (text: string): Promise<void> => {
    given.push(text);
    if (given.length === messages.length) stop.abort(new Error('enough'));
  };
  const queue = [...messages];
  const source: TransferSource = {
    receive: async () => {
      const next = queue.shift();
      if (!next) return undefined;
      const delivery: TransferDelivery = {
        transfer: 'transfer' in next ? next.transfer : transfer,
        deliveries: next.deliveries ?? 1,
        renew: async () => next.renew?.() ?? true,
        done: () => answer('done'),
        release: (delayMs) => answer(`release ${delayMs}`),
        poison: (reason) => answer(`poison ${reason}`),
      };
      return delivery;
    },
  };
  await runDataProxy({
    source,
    handle,
    events: {
      report: async (event) => {
        events.push(event);
      },
    },
    clock: systemClock,
    logger: silentLogger,
    concurrency: 2,
    signal: stop.signal,
    ...options,
  });
  return { answers: given, events };
}

const failing =
  (error: unknown): TransferHandler =>
  async () => {
    throw error;
  };

test('work done is taken off the queue', async () => {
  const run = await answers([{}, {}, {}], async () => emptyStats);
  expect(run.answers).toEqual(['done', 'done', 'done']);
  expect(run.events).toEqual([]);
});

test('what is no transfer, and what nobody finishes, is put aside', async () => {
  const run = await answers([{ transfer: undefined }, { deliveries: 6 }], async () => emptyStats, { concurrency: 1 });
  expect(run.answers).toEqual(['poison not a transfer', 'poison job.stalled']);
  expect(run.events).toMatchObject([{ kind: 'failed', code: 'job.stalled', retryable: false }]);
});

test('a failure that may pass is handed back, later each time, and at last put aside', async () => {
  const error = new AppError('store.unavailable', 'the store is away', { retryable: true });
  const run = await answers([{}, { deliveries: 3 }, { deliveries: 5 }], failing(error), { concurrency: 1 });
  expect(run.answers).toEqual(['release 1000', 'release 4000', 'poison store.unavailable']);
  expect(run.events.map((event) => event.kind === 'failed' && event.retryable)).toEqual([true, true, false]);
});

test('the wish of a server to wait is kept', async () => {
  const error = new AppError('cloud.throttled', 'slow down', { retryable: true, retryAfterMs: 30_000 });
  expect((await answers([{}], failing(error))).answers).toEqual(['release 30000']);
});

test('a failure for good is put aside at once, a fenced session is simply over', async () => {
  const damaged = await answers([{}], failing(new AppError('pack.corrupt', 'damaged')));
  expect(damaged.answers).toEqual(['poison pack.corrupt']);
  expect(damaged.events).toMatchObject([{ kind: 'failed', code: 'pack.corrupt', retryable: false }]);
  expect((await answers([{}], failing(new AppError('session.fenced', 'over')))).answers).toEqual(['done']);
});

test('an error that is not ours shows no text of its own', async () => {
  const run = await answers([{}], failing(new Error('https://account/?sig=secret')));
  expect(run.answers).toEqual(['release 1000']);
  expect(JSON.stringify(run.events)).not.toContain('secret');
});

test('a lost lease stops the work, and the message is left to its new owner', async () => {
  const stop = new AbortController();
  let reason: unknown;
  const handle: TransferHandler = (_transfer, signal) =>
    new Promise((_resolve, reject) => {
      signal.addEventListener('abort', () => {
        reason = signal.reason;
        reject(signal.reason);
        setImmediate(() => stop.abort(new Error('enough')));
      });
    });
  const run = await answers([{ renew: () => false }], handle, { leaseMs: 30, signal: stop.signal, concurrency: 1 });
  expect(run.answers).toEqual([]);
  expect(run.events).toEqual([]);
  expect(reason).toMatchObject({ code: 'job.stalled' });
});

test('told to stop, it stops the work and hands the message back at once', async () => {
  const stop = new AbortController();
  const handle: TransferHandler = (_transfer, signal) =>
    new Promise((_resolve, reject) => {
      signal.addEventListener('abort', () => reject(signal.reason));
      stop.abort(new Error('SIGTERM'));
    });
  const run = await answers([{}, {}], handle, { signal: stop.signal, concurrency: 1 });
  expect(run.answers).toEqual(['release 0']);
  expect(run.events).toEqual([]);
});

test('a queue that cannot be read for a while is read again', async () => {
  const stop = new AbortController();
  let reads = 0;
  await runDataProxy({
    source: {
      receive: async () => {
        reads++;
        if (reads === 1) throw new AppError('cloud.unavailable', 'away', { retryable: true });
        stop.abort(new Error('enough'));
        return undefined;
      },
    },
    handle: async () => emptyStats,
    events: { report: async () => undefined },
    clock: { ...systemClock, sleep: async () => undefined },
    logger: silentLogger,
    concurrency: 1,
    signal: stop.signal,
  });
  expect(reads).toBe(2);
});
