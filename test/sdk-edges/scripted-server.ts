/**
 * An HTTP server that answers as a script says, down to the bytes of the socket: for what no service would answer on purpose.
 * Each request is read to its end before the script runs.
 */
import { createServer, type IncomingHttpHeaders, type Server } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { listenOnLoopback } from '../../local/cloud/kit/listen';

export interface SeenRequest {
  readonly method: string;
  readonly url: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

export interface Answer {
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string | number>>;
  readonly body?: Buffer | string;
  /** The length the head declares; that of the body when absent. `chunked` declares none. */
  readonly length?: number | 'chunked';
  /** What follows the body: the connection goes on, is reset, or falls silent for ever. */
  readonly ending?: 'reset' | 'silence';
  /** Instead of all at once: so many bytes, so often. */
  readonly drip?: { readonly bytes: number; readonly everyMs: number };
}

/** `reset` and `silence` without a head: the request was read and nothing comes back. */
export type Script = (request: SeenRequest, index: number) => Answer | 'reset' | 'silence';

export interface ScriptedServer {
  readonly origin: string;
  readonly requests: readonly SeenRequest[];
  answer(script: Script): void;
  close(): Promise<void>;
}

export async function startScriptedServer(): Promise<ScriptedServer> {
  let script: Script = () => 'reset';
  let requests: SeenRequest[] = [];
  const timers = new Set<NodeJS.Timeout>();
  const server: Server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const { method = '', url = '', headers, socket } = request;
      const seen = { method, url, headers, body: Buffer.concat(chunks) };
      requests.push(seen);
      const answer = script(seen, requests.length - 1);
      if (answer === 'reset') socket.resetAndDestroy();
      else if (answer !== 'silence') write(socket, answer, timers);
      response.detachSocket(socket); // the script owns the bytes from here on
    });
  });
  server.requestTimeout = 0;
  const port = await listenOnLoopback(server, 0);
  return {
    origin: `http://127.0.0.1:${(server.address() as AddressInfo | null)?.port ?? port}`,
    get requests() {
      return requests;
    },
    answer: (next) => {
      script = next;
      requests = [];
    },
    close: async () => {
      for (const timer of timers) clearInterval(timer);
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      server.closeAllConnections();
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}

const sockets = new Set<Socket>();

/** One answer a connection: whoever sends another request opens another, and no left-over byte meets it. */
function write(socket: Socket, answer: Answer, timers: Set<NodeJS.Timeout>): void {
  sockets.add(socket);
  const { status = 200, headers = {}, length, ending, drip } = answer;
  const body = Buffer.from(answer.body ?? '');
  const framing = length === 'chunked' ? 'transfer-encoding: chunked' : `content-length: ${length ?? body.length}`;
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}`);
  socket.write(`HTTP/1.1 ${status} Scripted\r\n${[...lines, framing, 'connection: close'].join('\r\n')}\r\n\r\n`);
  const send = (bytes: Buffer): void => {
    if (length !== 'chunked') socket.write(bytes);
    else if (bytes.length > 0) {
      socket.write(`${bytes.length.toString(16)}\r\n`);
      socket.write(bytes);
      socket.write('\r\n');
    }
  };
  const finish = (): void => {
    if (ending === 'silence') return;
    if (ending === 'reset') {
      // After what was sent has left: a reset overtakes what still waits in the sender's buffer.
      setTimeout(() => socket.resetAndDestroy(), 50);
      return;
    }
    socket.end(length === 'chunked' ? '0\r\n\r\n' : '');
  };
  if (drip === undefined) {
    send(body);
    finish();
    return;
  }
  let at = 0;
  const timer = setInterval(() => {
    if (socket.destroyed || at >= body.length) {
      clearInterval(timer);
      timers.delete(timer);
      if (!socket.destroyed) finish();
      return;
    }
    send(body.subarray(at, at + drip.bytes));
    at += drip.bytes;
  }, drip.everyMs);
  timers.add(timer);
}

/** Whether a promise is still open after a while; what it settles to later is nobody's business. */
export async function staysOpen(promise: Promise<unknown>, ms: number): Promise<boolean> {
  const open = Symbol('open');
  const first = await Promise.race([
    promise.then(
      () => 'ended',
      () => 'ended',
    ),
    new Promise((resolve) => setTimeout(() => resolve(open), ms)),
  ]);
  return first === open;
}
