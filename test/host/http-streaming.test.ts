/** HTTP streaming (`app.setup({ enableHttpStream: true })`): bodies pass the host without being collected. */
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { type HostProcess, startHost, temporaryDir } from './host-process';

const scratch = temporaryDir();
let host: HostProcess;

beforeAll(async () => {
  host = await startHost({ dir: scratch.dir, app: join(__dirname, 'fixtures', 'stream-app') });
});
afterAll(async () => {
  await host?.stop();
  scratch.remove();
});

test('a large upload arrives whole, with parameters and headers', async () => {
  const body = Buffer.alloc(5 * 1024 * 1024, 'blockferry');
  const response = await host.fetch('/api/digest/disk?x=1', { method: 'POST', body, headers: { 'x-mark': 'm' } });
  expect(await response.json()).toEqual({
    name: 'disk',
    bytes: body.length,
    sha256: createHash('sha256').update(body).digest('hex'),
    header: 'm',
    url: `${host.url}/api/digest/disk?x=1`,
  });
});

test('the first part of an answer arrives before the function has made the second', async () => {
  const response = await host.fetch('/api/parts');
  const reader = response.body?.getReader();
  const first = await reader?.read();
  expect(Buffer.from(first?.value ?? []).toString()).toBe('first,');
  await host.fetch('/api/release');
  const second = await reader?.read();
  expect(Buffer.from(second?.value ?? []).toString()).toBe('second');
});

test('a caller that hangs up leaves the host well', async () => {
  const hangUp = new AbortController();
  const response = await host.fetch('/api/parts', { signal: hangUp.signal });
  await response.body?.getReader().read();
  hangUp.abort();
  expect((await host.fetch('/api/release')).status).toBe(200);
});

test('a failing function is 500 and a silent one 204, also when streaming', async () => {
  expect((await host.fetch('/api/boom')).status).toBe(500);
  expect((await host.fetch('/api/silent')).status).toBe(204);
  expect((await host.fetch('/api/nowhere')).status).toBe(404);
});
