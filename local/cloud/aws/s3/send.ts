/** Puts a reply on the wire. */
import { randomBytes } from 'node:crypto';
import { createReadStream } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { pipeline } from 'node:stream/promises';
import type { ObjectBody, S3Reply } from './call';
import type { DataFiles } from './data-files';

const READ_BYTES = 256 * 1024;

/** The ids and the clock that every answer of both services carries. */
export function commonHeaders(nowMs: number): Record<string, string> {
  return {
    'x-amz-request-id': randomBytes(8).toString('hex').toUpperCase(),
    'x-amz-id-2': randomBytes(32).toString('base64'),
    date: new Date(nowMs).toUTCString(),
    server: 'AmazonS3',
  };
}

/** Takes in what is left of a request, so that the client is ready to read its answer. */
export async function drain(request: IncomingMessage): Promise<void> {
  if (request.complete || request.destroyed) return;
  await new Promise<void>((resolve) => {
    request
      .once('end', resolve)
      .once('close', resolve)
      .once('error', () => resolve());
    request.resume();
  });
}

export async function sendReply(
  response: ServerResponse,
  reply: S3Reply,
  options: { readonly files: DataFiles; readonly nowMs: number },
): Promise<void> {
  const isHead = response.req.method === 'HEAD';
  const text = reply.xml ?? reply.json;
  for (const [name, value] of Object.entries({ ...commonHeaders(options.nowMs), ...reply.headers })) {
    response.setHeader(name, value);
  }
  response.statusCode = reply.status;
  if (text !== undefined) {
    response.setHeader('content-type', reply.xml === undefined ? 'application/json' : 'application/xml');
    response.setHeader('content-length', Buffer.byteLength(text));
    response.end(isHead ? undefined : text);
  } else if (reply.body !== undefined && !isHead) {
    await sendBody(response, reply.body, options.files);
  } else {
    if (reply.body === undefined && reply.status !== 204 && reply.status !== 304)
      response.setHeader('content-length', 0);
    response.end();
  }
}

async function sendBody(response: ServerResponse, body: ObjectBody, files: DataFiles): Promise<void> {
  const unpin = files.pin(body.segments);
  try {
    let segmentStart = 0;
    for (const { file, sizeBytes } of body.segments) {
      const start = Math.max(0, body.startBytes - segmentStart);
      const end = Math.min(sizeBytes, body.endBytes - segmentStart);
      segmentStart += sizeBytes;
      if (start >= end) continue;
      const source = createReadStream(files.pathOf(file), { start, end: end - 1, highWaterMark: READ_BYTES });
      await pipeline(source, response, { end: false });
    }
    response.end();
  } catch (error) {
    // A client that hangs up is its own affair; anything else is a fault of ours.
    if (!response.destroyed) throw error;
  } finally {
    unpin();
  }
}
