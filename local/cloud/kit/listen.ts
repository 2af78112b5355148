import { createServer, type IncomingMessage, type RequestListener, type Server, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { holdReply, isBodyFault } from './body-fault';
import type { FaultAction } from './faults';
import { withoutSecrets } from './request-log';
import type { CloudContext, CloudService } from './service';

export interface ListenOptions {
  /** 0 lets the system choose. */
  readonly port: number;
  /** PEM texts; plain http when absent. */
  readonly tls?: { readonly key: string; readonly cert: string };
}

export interface Listener {
  readonly port: number;
  /** Ends open connections and waits until the port is free; does not close the service. */
  close(): Promise<void>;
}

/**
 * Serves a service on 127.0.0.1: asks the fault plan about each request and applies its answer, writes one log
 * entry a request, and turns an error thrown by the service into the protocol's 500.
 */
export async function listen(service: CloudService, context: CloudContext, options: ListenOptions): Promise<Listener> {
  const stop = new AbortController();
  const serve: RequestListener = (request, response) => {
    serveRequest(service, context, request, response, stop.signal).catch(() => response.destroy());
  };
  const server = options.tls === undefined ? createServer(serve) : createTlsServer(options.tls, serve);
  server.requestTimeout = 0; // slow uploads are the tests' business, not an error
  server.keepAliveTimeout = 30_000;
  const port = await listenOnLoopback(server, options.port);
  return {
    port,
    async close() {
      stop.abort();
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      server.closeAllConnections();
      await closed;
    },
  };
}

/** Binds to 127.0.0.1; rejects with the system's error (`EADDRINUSE`) when the port is taken. */
export function listenOnLoopback(server: Server, port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, '127.0.0.1', () => {
      server.off('error', reject);
      resolve((server.address() as AddressInfo).port);
    });
  });
}

async function serveRequest(
  service: CloudService,
  context: CloudContext,
  request: IncomingMessage,
  response: ServerResponse,
  signal: AbortSignal,
): Promise<void> {
  const counts = countBytes(request, response);
  const operation = operationOf(service, request);
  const path = request.url ?? '/';
  const fault = context.faults.take({ service: service.name, operation, path });
  if (fault !== undefined) request.fault = fault;
  let failure: unknown;
  response.once('close', () => {
    context.log.add({
      at: context.now(),
      service: service.name,
      operation,
      method: request.method ?? '',
      path: withoutSecrets(path),
      status: response.headersSent ? response.statusCode : 0,
      requestBytes: counts.requestBytes,
      responseBytes: counts.responseBytes,
      ...(fault === undefined ? {} : { fault: fault.kind }),
      ...(failure instanceof Error
        ? { details: { ...request.logDetails, error: failure.stack } }
        : request.logDetails === undefined
          ? {}
          : { details: request.logDetails }),
    });
  });
  if (fault?.kind === 'reset') {
    request.destroy();
    return;
  }
  if (fault?.kind === 'status') {
    sendInjectedStatus(service, response, operation, fault);
    return;
  }
  if (fault?.kind === 'delay') await sleep(fault.ms, undefined, { signal });
  const hold = isBodyFault(fault) ? holdReply(response) : undefined;
  try {
    await service.handle(request, response, operation);
  } catch (error) {
    failure = error;
    if (response.headersSent) response.destroy();
    else {
      // A target such as `//[` is no URL: the caller's fault, not the service's.
      const status = URL.canParse(path, 'http://localhost') ? 500 : 400;
      sendReply(response, status, service.errorReply(operation, status, undefined));
    }
  }
  if (hold !== undefined && fault !== undefined) await hold.release(fault, { random: context.random, signal });
}

function operationOf(service: CloudService, request: IncomingMessage): string {
  try {
    return service.operationOf(request);
  } catch {
    return `${service.name}.unknown`; // the service's own handling answers with the protocol's error
  }
}

function sendInjectedStatus(
  service: CloudService,
  response: ServerResponse,
  operation: string,
  fault: Extract<FaultAction, { kind: 'status' }>,
): void {
  if (fault.retryAfterSeconds !== undefined) response.setHeader('retry-after', String(fault.retryAfterSeconds));
  sendReply(response, fault.status, service.errorReply(operation, fault.status, fault.code));
}

function sendReply(
  response: ServerResponse,
  status: number,
  reply: { readonly headers: Record<string, string>; readonly body: string },
): void {
  for (const [name, value] of Object.entries(reply.headers)) response.setHeader(name, value);
  response.statusCode = status;
  response.setHeader('content-length', Buffer.byteLength(reply.body));
  response.end(response.req.method === 'HEAD' ? undefined : reply.body);
}

/** Body bytes in both directions, counted where they pass so that no stream is put into flowing mode. */
function countBytes(
  request: IncomingMessage,
  response: ServerResponse,
): { readonly requestBytes: number; readonly responseBytes: number } {
  const counts = { requestBytes: 0, responseBytes: 0 };
  const push = request.push.bind(request);
  request.push = (chunk: unknown, encoding?: BufferEncoding) => {
    if (chunk instanceof Uint8Array) counts.requestBytes += chunk.length;
    return push(chunk, encoding);
  };
  const bodyless = request.method === 'HEAD';
  const count = (chunk: unknown): void => {
    if (bodyless) return;
    if (typeof chunk === 'string') counts.responseBytes += Buffer.byteLength(chunk);
    else if (chunk instanceof Uint8Array) counts.responseBytes += chunk.length;
  };
  const write = response.write;
  const end = response.end;
  response.write = ((...parameters: Parameters<ServerResponse['write']>) => {
    count(parameters[0]);
    return Reflect.apply(write, response, parameters);
  }) as ServerResponse['write'];
  response.end = ((...parameters: Parameters<ServerResponse['end']>) => {
    count(parameters[0]);
    return Reflect.apply(end, response, parameters);
  }) as ServerResponse['end'];
  return counts;
}
