/** Storage queue triggers and outputs against a real Azurite. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { type QueueClient, QueueServiceClient } from '@azure/storage-queue';
import { type RunningAzurite, startAzurite } from '../helpers/azurite';
import { type HostProcess, notes, startHost, temporaryDir, until } from './host-process';

const scratch = temporaryDir();
let azurite: RunningAzurite;
let host: HostProcess;
let queue: QueueClient;
let poison: QueueClient;
let copies: QueueClient;

beforeAll(async () => {
  const data = join(scratch.dir, 'azurite');
  mkdirSync(data);
  azurite = await startAzurite(data);
  const service = QueueServiceClient.fromConnectionString(azurite.connectionString);
  [queue, poison, copies] = ['jobs', 'jobs-poison', 'copies'].map((name) => service.getQueueClient(name)) as [
    QueueClient,
    QueueClient,
    QueueClient,
  ];
  host = await start();
  await queue.create();
});
afterAll(async () => {
  await host?.stop();
  await azurite?.stop();
  scratch.remove();
});

function start(): Promise<HostProcess> {
  return startHost({
    dir: scratch.dir,
    env: { AzureWebJobsStorage: azurite.connectionString, WORK_QUEUE: 'jobs' },
  });
}

const base64 = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64');
const unbase64 = (text: string): string => Buffer.from(text, 'base64').toString();
const runs = (id: string): readonly { tries: number }[] =>
  notes(scratch.dir, 'work')
    .map((line) => JSON.parse(line) as { message: { id: string }; tries: number })
    .filter(({ message }) => message.id === id);
const take = (client: QueueClient): Promise<string> =>
  until(async () => {
    const { receivedMessageItems } = await client.receiveMessages().catch(() => ({ receivedMessageItems: [] }));
    const [message] = receivedMessageItems;
    if (message === undefined) {
      return undefined;
    }
    await client.deleteMessage(message.messageId, message.popReceipt);
    return message.messageText;
  });
const isEmpty = async (): Promise<true | undefined> => {
  const { approximateMessagesCount } = await queue.getProperties();
  return approximateMessagesCount === 0 ? true : undefined;
};

test('a queue that does not exist yet is waited for; its message runs once and is deleted', async () => {
  await queue.sendMessage(base64({ id: 'plain' }));
  await until(() => (runs('plain').length > 0 ? true : undefined));
  await until(isEmpty);
  expect(runs('plain')).toHaveLength(1);
});

test('a failing message is tried again, and deleted when it heals', async () => {
  await queue.sendMessage(base64({ id: 'heals', fail: 'once' }));
  await until(() => (runs('heals').length === 2 ? true : undefined));
  await until(isEmpty);
  expect(runs('heals').map(({ tries }) => tries)).toEqual([1, 2]);
});

test('a message that keeps failing goes to the poison queue after maxDequeueCount tries', async () => {
  await queue.sendMessage(base64({ id: 'poisoned', fail: 'always' }));
  expect(JSON.parse(unbase64(await take(poison)))).toMatchObject({ id: 'poisoned' });
  expect(runs('poisoned')).toHaveLength(2);
  await until(isEmpty);
});

test('a message that is not base64 goes to the poison queue and reaches no function', async () => {
  await queue.sendMessage('{"id":"naked"}');
  expect(await take(poison)).toBe('{"id":"naked"}');
  expect(runs('naked')).toHaveLength(0);
});

test('extra outputs become base64 messages, one for each element', async () => {
  await queue.sendMessage(base64({ id: 'copying', copy: 'me' }));
  const texts = [unbase64(await take(copies)), unbase64(await take(copies))];
  expect(texts.sort()).toEqual(['plain', '{"copyOf":"me"}']);
  await host.fetch('/api/enqueue', { method: 'POST', body: 'from http' });
  expect(unbase64(await take(copies))).toBe('from http');
});

test('a message that a killed host held is taken up by the next one without waiting for its lease', async () => {
  await queue.sendMessage(base64({ id: 'held', sleepMs: 1500 }));
  await until(() => (runs('held').length === 1 ? true : undefined));
  await host.kill();
  host = await start();
  await until(() => (runs('held').length === 2 ? true : undefined));
  await until(isEmpty);
});

test('a queue function can be run by hand', async () => {
  const headers = { 'x-functions-key': host.masterKey };
  const body = JSON.stringify({ input: JSON.stringify({ id: 'by-hand' }) });
  expect((await host.fetch('/admin/functions/work', { method: 'POST', body, headers })).status).toBe(202);
  await until(() => (runs('by-hand').length === 1 ? true : undefined));
});
