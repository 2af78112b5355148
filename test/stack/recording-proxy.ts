/**
 * Stands between the product and one of the simulator's plain-http services and writes down what passes: the only way to
 * learn the secrets of a run, which the simulator itself keeps in no log.
 */
import { createServer, request as forward, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface RecordingProxy {
  readonly origin: string;
  /** Bodies of replies to requests whose target matched `keep`, as text. */
  readonly replies: readonly string[];
  close(): Promise<void>;
}

/** `port`: of the service on loopback. Host headers pass unchanged, because signatures cover them. */
export async function startRecordingProxy(
  port: number,
  keep: (request: IncomingMessage, contentType: string) => boolean,
): Promise<RecordingProxy> {
  const replies: string[] = [];
  const server = createServer((request, response) => pass(request, response));
  const pass = (request: IncomingMessage, response: ServerResponse): void => {
    const { method, url, headers } = request;
    const onward = forward({ host: '127.0.0.1', port, method, path: url, headers }, (reply) => {
      response.writeHead(reply.statusCode ?? 502, reply.rawHeaders);
      if (keep(request, reply.headers['content-type'] ?? '')) {
        const chunks: Buffer[] = [];
        reply.on('data', (chunk: Buffer) => chunks.push(chunk));
        reply.on('end', () => replies.push(Buffer.concat(chunks).toString('utf8')));
      }
      reply.pipe(response);
    });
    onward.on('error', () => response.destroy());
    request.on('error', () => onward.destroy());
    request.pipe(onward);
  };
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    replies,
    close: () => closeServer(server),
  };
}

function closeServer(server: Server): Promise<void> {
  const closed = new Promise<void>((resolve) => server.close(() => resolve()));
  server.closeAllConnections();
  return closed;
}
