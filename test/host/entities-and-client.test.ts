/** Entities, their locks, and the SDK's own durable client inside functions. */
import { type HostProcess, startHost, temporaryDir, until } from './host-process';

const scratch = temporaryDir();
let host: HostProcess;

beforeAll(async () => {
  host = await startHost({ dir: scratch.dir });
});
afterAll(async () => {
  await host?.stop();
  scratch.remove();
});

const signal = async (key: string, operation: string, input?: unknown): Promise<number> => {
  const body = input === undefined ? '' : JSON.stringify(input);
  return (await host.durable(`entities/Counter/${key}?op=${operation}`, { method: 'POST', body })).status;
};
const state = async (key: string): Promise<unknown> => {
  const response = await host.durable(`entities/counter/${key}`);
  return response.status === 404 ? undefined : response.json();
};

test('orchestrations signal and call entities, and see their errors', async () => {
  expect((await host.run('counting', 'a')).output).toEqual({ sum: 7, value: 7, failed: true });
  expect(await state('a')).toBe(7);
});

test('signals from outside arrive in order; entities signal entities; deleted ones are gone', async () => {
  expect(await state('b')).toBeUndefined();
  expect(await signal('b', 'add', 1)).toBe(202);
  expect(await signal('b', 'add', 2)).toBe(202);
  expect(await signal('b', 'forward', 'c')).toBe(202);
  expect(await until(() => state('c'))).toBe(3);
  expect(await signal('b', 'delete')).toBe(202);
  await until(async () => ((await state('b')) === undefined ? true : undefined));
  const list = await host.durable('entities/Counter');
  const ids = ((await list.json()) as { entityId: { key: string } }[]).map((item) => item.entityId.key);
  expect(ids).toEqual(expect.arrayContaining(['a', 'c']));
  expect(ids).not.toContain('b');
});

test('an entity the app does not have is 404', async () => {
  expect((await host.durable('entities/nobody/x?op=add', { method: 'POST' })).status).toBe(404);
});

test('contending orchestrations take the lock one after the other and lose no update', async () => {
  const ids = await Promise.all(Array.from({ length: 10 }, () => host.start('locking')));
  const outputs = await Promise.all(
    ids.map(async (id) => (await host.ended(id)).output as { had: number; now: number }),
  );
  // Each read what the one before it had left: from = -(to), seen as a sequence without gaps.
  expect(outputs.map(({ had }) => 0 - had).sort((a, b) => a - b)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
  expect(outputs.every(({ had, now }) => now === 1 - had)).toBe(true);
  expect([await state('from'), await state('to')]).toEqual([-10, 10]);
});

test('a terminated orchestration gives its locks back', async () => {
  const stuck = await host.start('lockAndWait');
  await until(async () => ((await host.status(stuck)).customStatus === 'locked' ? true : undefined));
  const next = await host.start('locking');
  await host.command(stuck, 'terminate');
  expect((await host.ended(next)).runtimeStatus).toBe('Completed');
});

test('the SDK client works end to end: start, suspend, resume, event, wait, status, list, entity, purge', async () => {
  const response = await host.fetch('/api/client-tour', { method: 'POST' });
  expect(await response.json()).toEqual({
    suspended: 'Suspended',
    waited: 200,
    status: { runtimeStatus: 'Completed', output: { value: 7 }, input: { tour: true } },
    isListed: true,
    entityBefore: false,
    purged: 1,
  });
  expect(await until(() => state('tour'))).toBe(3);
});

test('the management URLs that a function hands out work', async () => {
  const started = await host.fetch('/api/start/wait/by-url', { method: 'POST' });
  expect(started.status).toBe(202);
  const urls = (await started.json()) as Record<string, string>;
  const event = urls['sendEventPostUri']?.replace('{eventName}', 'go') ?? '';
  expect((await fetch(event, { method: 'POST', body: '"by url"' })).status).toBe(202);
  const status = await until(async () => {
    const response = await fetch(urls['statusQueryGetUri'] ?? '');
    return response.status === 200 ? response.json() : undefined;
  });
  expect(status).toMatchObject({ runtimeStatus: 'Completed', output: 'by url' });
});

test('the address the SDK client uses is secret: without its path there is nothing', async () => {
  const response = await host.fetch('/durabletask/instances');
  expect(response.status).toBe(404);
});
