/** Who cannot be asked is not gone: only Durable's own 404 says that there is no such instance. */
import type { DurableClient } from 'durable-functions';
import { orchestrationClient } from '../../shared/workflows/durable';

const unknown = new Error(
  'DurableClient error: Durable Functions extension replied with HTTP 404 response. This usually means we could not find any data.',
);

function clientWith(getStatus: () => Promise<unknown>, startNew: () => Promise<unknown> = async () => 'id') {
  return orchestrationClient({ getStatus, startNew, raiseEvent: async () => undefined } as unknown as DurableClient);
}

test('an unknown instance is not running and can be started', async () => {
  const client = clientWith(() => Promise.reject(unknown));
  expect(await client.isRunning('b-1')).toBe(false);
  expect(await client.start('backupJob', 'b-1', {})).toBe('started');
});

test.each(['ECONNREFUSED', 'replied with HTTP 500 response', 'replied with an empty HTTP 200 response'])(
  'a failure to ask (%s) is an error, not an answer',
  async (message) => {
    const client = clientWith(() => Promise.reject(new Error(message)));
    await expect(client.isRunning('b-1')).rejects.toThrow('[cloud.unavailable]');
    await expect(client.start('backupJob', 'b-1', {})).rejects.toThrow('[cloud.unavailable]');
  },
);

test.each([
  ['Running', true],
  ['Pending', true],
  ['Suspended', true],
  ['Completed', false],
  ['Failed', false],
  ['Terminated', false],
])('%s counts as running: %s', async (runtimeStatus, running) => {
  const client = clientWith(async () => ({ runtimeStatus }));
  expect(await client.isRunning('b-1')).toBe(running);
  expect(await client.start('backupJob', 'b-1', {})).toBe('exists');
});

test('of two starts at once the second finds the first', async () => {
  let asked = 0;
  const client = clientWith(
    () => (asked++ === 0 ? Promise.reject(unknown) : Promise.resolve({ runtimeStatus: 'Pending' })),
    () => Promise.reject(new Error('409')),
  );
  expect(await client.start('backupJob', 'b-1', {})).toBe('exists');
});
