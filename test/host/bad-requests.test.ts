/** What no client sends: the host answers it, and lives on. */
import { connect } from 'node:net';
import type { DurableClientApi } from '../../local/host/durable/client-api';
import { createRpcListener, listen } from '../../local/host/http/front';
import { type HostProcess, startHost, temporaryDir } from './host-process';

const scratch = temporaryDir();
let host: HostProcess;

beforeAll(async () => {
  host = await startHost({ dir: scratch.dir });
});
afterAll(async () => {
  await host?.stop();
  scratch.remove();
});

/** The status of the answer to a request written by hand; 0 when there is none. */
function send(port: number, head: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1');
    let text = '';
    socket.setEncoding('latin1').on('data', (chunk: string) => {
      text += chunk;
    });
    socket.on('error', reject);
    socket.on('close', () => resolve(Number(/^HTTP\/1\.1 (\d{3})/.exec(text)?.[1] ?? 0)));
    socket.write(`${head}\r\nConnection: close\r\n\r\n`, 'latin1');
  });
}

test.each([
  ['GET //[ HTTP/1.1\r\nHost: x', 400],
  ['GET / HTTP/1.1\r\nHost: a b', 400],
  ['GET /api/%E0%A4%A HTTP/1.1\r\nHost: x', 404],
  ['GET /api/items/%2e%2e%2f HTTP/1.1\r\nHost: x', 404],
  ['GET /admin/%E0 HTTP/1.1\r\nHost: x', 401],
  ['BREW /api/hello HTTP/1.1\r\nHost: x', 400],
])('%j is answered with %i', async (head, status) => {
  expect(await send(Number(new URL(host.url).port), head)).toBe(status);
  expect((await host.fetch('/api/hello')).status).toBe(200);
});

test("the durable client's listener survives a target that is no URL", async () => {
  const durable = { handle: () => ({ status: 200 }) } as unknown as DurableClientApi;
  const listener = await listen(
    createRpcListener(durable, '/secret/', () => undefined),
    0,
  );
  expect(await send(listener.port, 'GET //[ HTTP/1.1\r\nHost: x')).toBe(404);
  expect(await send(listener.port, 'GET /secret/instances HTTP/1.1\r\nHost: x')).toBe(200);
  listener.server.close();
});
