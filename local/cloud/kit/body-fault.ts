/**
 * Reshapes a reply on its way out: the service writes as usual, its bytes are held back and leave as the
 * fault wants. The effect of the request has happened by then, as with a real network fault.
 */
import type { ServerResponse } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import type { FaultAction } from './faults';
import type { SeededRandom } from './random';

const BODY_FAULTS = new Set([
  'lost-reply',
  'stall',
  'truncate',
  'cut',
  'short-chunked',
  'empty',
  'corrupt',
  'other-bytes',
  'other-range',
  'drip',
]);
const PAGE_BYTES = 512;

/** Whether this fault needs the reply's bytes. */
export function isBodyFault(fault: FaultAction | undefined): fault is FaultAction {
  return fault !== undefined && BODY_FAULTS.has(fault.kind);
}

/** Holds the reply back; `release` sends it, reshaped. `signal` ends the waits when the server closes. */
export function holdReply(response: ServerResponse): {
  release(fault: FaultAction, tools: ReleaseTools): Promise<void>;
} {
  const chunks: Buffer[] = [];
  const { promise: ended, resolve: markEnded } = Promise.withResolvers<void>();
  const write = response.write.bind(response);
  const end = response.end.bind(response);
  let held = true;

  const collect = (chunk: unknown, encoding: unknown): void => {
    if (typeof chunk === 'string') chunks.push(Buffer.from(chunk, isEncoding(encoding) ? encoding : 'utf8'));
    else if (chunk instanceof Uint8Array) chunks.push(Buffer.from(chunk));
  };
  response.writeHead = ((status: number, ...rest: readonly unknown[]) => {
    response.statusCode = status;
    applyHeaders(response, rest[rest.length - 1]);
    return response;
  }) as ServerResponse['writeHead'];
  response.flushHeaders = () => undefined;
  response.write = ((chunk: unknown, encoding: unknown, callback: unknown) => {
    collect(chunk, encoding);
    callLater(typeof encoding === 'function' ? encoding : callback);
    return true;
  }) as ServerResponse['write'];
  response.end = ((chunk: unknown, encoding: unknown, callback: unknown) => {
    if (!held) return response;
    collect(chunk, encoding);
    held = false;
    callLater([chunk, encoding, callback].find((candidate) => typeof candidate === 'function'));
    markEnded();
    return response;
  }) as ServerResponse['end'];
  response.once('close', markEnded);

  return {
    async release(fault, tools) {
      await ended;
      Reflect.deleteProperty(response, 'writeHead');
      Reflect.deleteProperty(response, 'flushHeaders');
      response.write = write;
      response.end = end;
      await send(response, Buffer.concat(chunks), fault, tools);
    },
  };
}

export interface ReleaseTools {
  readonly random: SeededRandom;
  /** Aborted when the server closes. */
  readonly signal: AbortSignal;
}

async function send(response: ServerResponse, body: Buffer, fault: FaultAction, tools: ReleaseTools): Promise<void> {
  const half = body.length >> 1;
  const declare = (bytes: number): void => {
    if (response.req.method === 'HEAD') return;
    response.removeHeader('transfer-encoding');
    response.setHeader('content-length', bytes);
  };
  const pause = (ms: number): Promise<unknown> => sleep(ms, undefined, { signal: tools.signal });
  switch (fault.kind) {
    case 'lost-reply':
      response.destroy();
      return;
    case 'truncate':
      declare(half);
      response.end(body.subarray(0, half));
      return;
    case 'cut':
      declare(body.length);
      response.write(body.subarray(0, half), () => response.destroy());
      if (half === 0) response.destroy();
      return;
    case 'short-chunked':
      response.removeHeader('content-length');
      response.write(body.subarray(0, half));
      response.end();
      return;
    case 'empty':
      declare(0);
      response.end();
      return;
    case 'other-bytes':
      response.end(body.map((byte) => byte ^ 0xa5));
      return;
    case 'other-range': {
      const range = /^bytes (\d+)-(\d+)(\/.*)$/.exec(String(response.getHeader('content-range') ?? ''));
      const moved = (text: string | undefined): number => Number(text) + PAGE_BYTES;
      if (range) response.setHeader('content-range', `bytes ${moved(range[1])}-${moved(range[2])}${range[3]}`);
      response.end(body);
      return;
    }
    case 'corrupt':
      if (body.length > 0) {
        const at = Math.floor(tools.random.next() * body.length);
        body.writeUInt8(body.readUInt8(at) ^ (1 << Math.floor(tools.random.next() * 8)), at);
      }
      response.end(body);
      return;
    case 'stall':
      declare(body.length);
      if (half > 0) response.write(body.subarray(0, half));
      await pause(fault.ms);
      response.end(body.subarray(half));
      return;
    case 'drip':
      declare(body.length);
      for (let at = 0; at < body.length && !response.destroyed; at += fault.bytes) {
        response.write(body.subarray(at, at + fault.bytes));
        await pause(fault.everyMs);
      }
      response.end();
      return;
    default:
      response.end(body);
  }
}

function applyHeaders(response: ServerResponse, headers: unknown): void {
  if (Array.isArray(headers)) {
    for (let at = 0; at + 1 < headers.length; at += 2) response.setHeader(String(headers[at]), String(headers[at + 1]));
  } else if (typeof headers === 'object' && headers !== null) {
    for (const [name, value] of Object.entries(headers)) {
      if (value !== undefined) response.setHeader(name, Array.isArray(value) ? value.map(String) : String(value));
    }
  }
}

function isEncoding(value: unknown): value is BufferEncoding {
  return typeof value === 'string' && Buffer.isEncoding(value);
}

function callLater(callback: unknown): void {
  if (typeof callback === 'function') process.nextTick(() => Reflect.apply(callback, undefined, []));
}
