/** Small pieces that every service's request handling needs. */
import type { IncomingMessage, ServerResponse } from 'node:http';

/** The whole body; rejects when it is longer than `bytesMax` or the client goes away before its end. */
export async function readBody(request: IncomingMessage, bytesMax: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let lengthBytes = 0;
  for await (const chunk of request) {
    const bytes: Buffer = chunk;
    lengthBytes += bytes.length;
    if (lengthBytes > bytesMax) throw new Error(`request body is longer than ${bytesMax} bytes`);
    chunks.push(bytes);
  }
  if (!request.complete) throw new Error('the client went away before the end of the body');
  return Buffer.concat(chunks);
}

/** Sends JSON; `undefined` sends no body. */
export function sendJson(
  response: ServerResponse,
  status: number,
  value: unknown,
  headers: Readonly<Record<string, string>> = {},
): void {
  for (const [name, text] of Object.entries(headers)) response.setHeader(name, text);
  response.statusCode = status;
  if (value === undefined) {
    if (status !== 204) response.setHeader('content-length', 0);
    response.end();
    return;
  }
  const body = JSON.stringify(value);
  response.setHeader('content-type', 'application/json; charset=utf-8');
  response.setHeader('content-length', Buffer.byteLength(body));
  response.end(response.req.method === 'HEAD' ? undefined : body);
}

/** Resolves when a full response takes bytes again, or is closed. */
export function drained(response: ServerResponse): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      response.off('drain', done);
      response.off('close', done);
      resolve();
    };
    response.on('drain', done);
    response.on('close', done);
    if (response.destroyed) done();
  });
}
