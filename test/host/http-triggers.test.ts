/** HTTP triggers on the embedded host: routes, methods, access, bodies, failures. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
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

const json = async (path: string, init?: RequestInit): Promise<unknown> => (await host.fetch(path, init)).json();

test('the host answers at its root and tells its status without a key', async () => {
  expect((await host.fetch('/')).status).toBe(200);
  expect(await json('/admin/host/status')).toMatchObject({ state: 'Running' });
});

test('parameters, query, body, headers and cookies go through', async () => {
  const response = await host.fetch('/api/hello/J%C3%B6rg%20X?a=1', { method: 'POST', body: 'ünï' });
  expect(response.headers.get('x-made-by')).toBe('fixture');
  expect(response.headers.get('set-cookie')).toBe('seen=a%20b; Path=/; HttpOnly');
  expect(await response.json()).toEqual({ method: 'POST', name: 'Jörg X', query: { a: '1' }, body: 'ünï' });
  expect(await json('/api/hello')).toMatchObject({ name: null, method: 'GET' });
});

test('typed, optional, wildcard and literal routes are told apart', async () => {
  expect(await json('/api/items/12/abc')).toEqual({ kind: 'item', id: '12', part: 'abc' });
  expect(await json('/api/items/12')).toEqual({ kind: 'item', id: '12' });
  expect(await json('/api/items/all')).toEqual({ kind: 'all' });
  expect(await json('/api/files/a/b%2Fc/d')).toEqual({ path: 'a/b/c/d' });
  expect(await json('/api/files')).toEqual({ path: '' });
  expect((await host.fetch('/api/items/x1')).status).toBe(404);
  expect((await host.fetch('/api/items/1/a1')).status).toBe(404);
});

test('an unknown path is 404, a known path with another method 405, a method has its own function', async () => {
  expect((await host.fetch('/api/nowhere')).status).toBe(404);
  expect((await host.fetch('/hello')).status).toBe(404);
  const refused = await host.fetch('/api/items/1', { method: 'PUT' });
  expect(refused.status).toBe(405);
  expect(refused.headers.get('allow')).toBe('DELETE, GET, POST');
  expect((await host.fetch('/api/items/1', { method: 'DELETE' })).status).toBe(204);
  expect((await host.fetch('/api/items/%E0%A4%A')).status).toBe(404);
});

test('a throwing function is 500 and tells nothing; one without an answer is 204', async () => {
  const failed = await host.fetch('/api/boom');
  expect([failed.status, await failed.text()]).toEqual([500, '']);
  expect((await host.fetch('/api/silent')).status).toBe(204);
});

test('bytes survive in both directions', async () => {
  const body = Buffer.from(Array.from({ length: 100_000 }, (_, index) => (index * 7) % 256));
  const response = await host.fetch('/api/bytes', { method: 'POST', body });
  expect(Buffer.from(await response.arrayBuffer()).equals(body)).toBe(true);
});

test('function and admin levels want their keys, in header or query', async () => {
  const status = async (path: string, key?: string): Promise<number> =>
    (await host.fetch(path, key === undefined ? {} : { headers: { 'x-functions-key': key } })).status;
  expect(await status('/api/withKey')).toBe(401);
  expect(await status('/api/withKey', 'wrong')).toBe(401);
  expect(await status('/api/withKey', host.functionKey)).toBe(200);
  expect(await status(`/api/withKey?code=${host.masterKey}`)).toBe(200);
  expect(await status('/api/adminOnly', host.functionKey)).toBe(401);
  expect(await status('/api/adminOnly', host.masterKey)).toBe(200);
  expect(await status('/admin/functions')).toBe(401);
  expect(await status('/runtime/webhooks/durabletask/instances')).toBe(401);
});

test('the worker has the environment that the SDKs expect', async () => {
  const port = new URL(host.url).port;
  expect(await json('/api/environment')).toMatchObject({ hostname: `localhost:${port}`, runtime: 'node' });
});

test('invocation hooks run around the function', async () => {
  await host.fetch('/api/hello');
  expect(await json('/api/hooks')).toEqual(expect.arrayContaining(['pre:hello', 'post:hello']));
});

test('user code that blocks its thread does not block the host', async () => {
  const blocked = host.fetch('/api/block');
  expect((await host.fetch('/admin/host/status')).status).toBe(200);
  expect((await host.durable('instances')).status).toBe(200);
  // The function gets its thread free only by what happens after those answers.
  writeFileSync(join(scratch.dir, 'unblock'), '');
  expect(await (await blocked).text()).toBe('unblocked');
});

test('what a function logs comes out as JSON with its name and invocation', async () => {
  await host.fetch('/api/hello');
  const line = await until(() => host.logs().find((text) => text.includes('hello was called')));
  expect(JSON.parse(line)).toMatchObject({
    level: 'information',
    category: 'function.user',
    functionName: 'hello',
    invocationId: expect.stringMatching(/^[0-9a-f-]{36}$/),
  });
});

test('a worker that dies is replaced, and only its own requests fail', async () => {
  const before = (await json('/api/environment')) as { pid: number };
  expect((await host.fetch('/api/die')).status).toBe(500);
  const after = (await json('/api/environment')) as { pid: number };
  expect(after.pid).not.toBe(before.pid);
});

test('a function past functionTimeout is ended with its worker', async () => {
  expect((await host.fetch('/api/slow')).status).toBe(500);
  expect((await host.fetch('/api/hello')).status).toBe(200);
});

test('what is not emulated says so: 501, and a line in the log', async () => {
  const headers = { 'x-functions-key': host.masterKey };
  expect((await host.fetch('/admin/functions/blobs', { method: 'POST', headers })).status).toBe(501);
  expect((await host.fetch('/admin/keys', { headers })).status).toBe(501);
  expect((await host.fetch('/admin/functions/unheardOf', { method: 'POST', headers })).status).toBe(404);
  expect((await host.fetch('/admin/functions/%E0%A4%A', { method: 'POST', headers })).status).toBe(404);
  expect(host.logs().join('\n')).toContain('blobTrigger is not emulated');
});

test('the app failing to load ends the host with the reason', async () => {
  const dir = temporaryDir();
  await expect(startHost({ dir: dir.dir, app: join(__dirname, 'fixtures', 'broken-app') })).rejects.toThrow(
    /this app cannot be loaded/,
  );
  dir.remove();
});
