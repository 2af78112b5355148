/** The lease of a queue message: renewed while its function runs, with the receipt that the last renewal gave. */
import type { QueueClient } from '@azure/storage-queue';
import { Database } from '../../local/host/durable/database';
import { QueueLeaseStore } from '../../local/host/queue/lease-store';
import { QueueTrigger } from '../../local/host/queue/queue-trigger';

const MESSAGE = {
  messageId: 'm',
  popReceipt: 'r0',
  messageText: Buffer.from('{}').toString('base64'),
  dequeueCount: 1,
};
const QUEUES = {
  batchSize: 1,
  newBatchThreshold: 0,
  maxDequeueCount: 5,
  visibilityTimeoutMs: 0,
  maxPollingIntervalMs: 20,
  encoding: 'base64',
} as const;

let trigger: QueueTrigger;
let db: Database;
beforeEach(() => {
  jest.useFakeTimers({ doNotFake: ['setTimeout', 'setImmediate', 'nextTick', 'queueMicrotask', 'performance'] });
  db = new Database(':memory:');
});
afterEach(() => {
  trigger.stop();
  jest.useRealTimers();
  db.close();
});

async function settled(isSo: () => boolean): Promise<void> {
  while (!isSo()) {
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
}

test('a long run keeps its message invisible, also after a renewal that failed, and deletes it by the last receipt', async () => {
  const calls: string[] = [];
  const answers = [() => ({ popReceipt: 'r1' }), fail, () => ({ popReceipt: 'r3' })];
  let left: readonly unknown[] = [MESSAGE];
  const client = {
    receiveMessages: async () => {
      const receivedMessageItems = left;
      left = [];
      return { receivedMessageItems };
    },
    updateMessage: async (id: string, receipt: string, _text: string, seconds: number) => {
      calls.push(`renew ${id} ${receipt} ${seconds}`);
      return answers.shift()?.();
    },
    deleteMessage: async (id: string, receipt: string) => {
      calls.push(`delete ${id} ${receipt}`);
    },
  } as unknown as QueueClient;
  const done = Promise.withResolvers<void>();
  let isRunning = false;
  trigger = new QueueTrigger({
    known: { info: { name: 'work', bindings: {} }, trigger: { name: 'q', type: 'queueTrigger', direction: 'in' } },
    queue: 'q',
    client,
    poisonClient: client,
    leases: new QueueLeaseStore(db, 'c', 'q'),
    config: QUEUES,
    run: () => {
      isRunning = true;
      return done.promise;
    },
    log: () => undefined,
  });
  trigger.start();
  await settled(() => isRunning);
  for (const count of [1, 2, 3]) {
    await jest.advanceTimersByTimeAsync(20_000);
    await settled(() => calls.length === count);
  }
  done.resolve();
  await settled(() => calls.length === 4);
  expect(calls).toEqual(['renew m r0 60', 'renew m r1 60', 'renew m r1 60', 'delete m r3']);
});

function fail(): never {
  throw new Error('the storage is away');
}
