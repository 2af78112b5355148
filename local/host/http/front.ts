/**
 * The HTTP front: function routes, admin API, durable webhooks; and beside it the RPC listener for the SDK's client.
 * Both listen on loopback only.
 */
import http, { type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { DurableClientApi } from '../durable/client-api';
import type { KnownFunction } from '../function-table';
import { isOneOf, type Keys } from '../keys';
import { type Log, messageOf } from '../log';
import { keyOf, mayCall } from './access';
import { type AdminApi, handleAdmin } from './admin';
import { type HttpTriggerOptions, runHttpTrigger } from './http-trigger';
import { BodyTooLargeError, readBody, sendJson } from './reply';
import { matchRoute, parseRoute, type Route, type RouteParams } from './route';

export interface FrontOptions {
  readonly functions: readonly KnownFunction[];
  readonly routePrefix: string;
  readonly keys: Keys;
  readonly trigger: HttpTriggerOptions;
  readonly admin: AdminApi;
  readonly durable: DurableClientApi;
  readonly log: Log;
}

interface HttpFunction {
  readonly known: KnownFunction;
  readonly route: Route;
  readonly methods: readonly string[];
  readonly authLevel: unknown;
}

const WEBHOOK_PREFIX = '/runtime/webhooks/durabletask/';

/** Answers every request; throws when a route uses a constraint that is not emulated. */
export function createFront(options: FrontOptions): http.RequestListener {
  const table = options.functions.map((known) => toHttpFunction(known, options.routePrefix));
  table.sort((a, b) => a.route.rank.localeCompare(b.route.rank));
  return (request, response) => {
    answer(options, table, request, response).catch((error: unknown) => fail(options, response, error));
  };
}

/** Serves the durable API below a secret path: the SDK's client sends no key, so the address itself is the key. */
export function createRpcListener(durable: DurableClientApi, basePath: string, log: Log): http.RequestListener {
  return (request, response) => {
    const url = URL.parse(request.url ?? '/', 'http://127.0.0.1');
    if (url === null || !url.pathname.startsWith(basePath)) {
      sendJson(response, 404);
      return;
    }
    serveDurable(durable, url.pathname.slice(basePath.length), url, request, response).catch((error: unknown) => {
      log({ level: 'error', category: 'host.rpc', message: messageOf(error) });
      sendJson(response, 500);
    });
  };
}

/** Starts a server on a loopback port (0 picks a free one) and returns it with its port. */
export async function listen(
  listener: http.RequestListener,
  port: number,
): Promise<{ server: http.Server; port: number }> {
  const server = http.createServer(listener);
  // Long backups stream for long; the functions' own timeout is the limit.
  server.requestTimeout = 0;
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, '127.0.0.1', () => resolve());
  });
  return { server, port: (server.address() as AddressInfo).port };
}

async function answer(
  options: FrontOptions,
  table: readonly HttpFunction[],
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const url = URL.parse(request.url ?? '/', `http://${request.headers.host ?? '127.0.0.1'}`);
  if (url === null) {
    sendJson(response, 400);
  } else if (url.pathname === '/') {
    sendJson(response, 200, { message: 'Your Functions app is up and running on the embedded host.' });
  } else if (url.pathname.startsWith('/admin/')) {
    await handleAdmin(options.admin, options.keys, request, response, url);
  } else if (url.pathname.startsWith(WEBHOOK_PREFIX)) {
    if (isOneOf(keyOf(request, url), [options.keys.systemKey, options.keys.masterKey])) {
      await serveDurable(options.durable, url.pathname.slice(WEBHOOK_PREFIX.length), url, request, response);
    } else {
      sendJson(response, 401);
    }
  } else {
    await callFunction(options, table, request, response, url);
  }
}

async function callFunction(
  options: FrontOptions,
  table: readonly HttpFunction[],
  request: IncomingMessage,
  response: ServerResponse,
  url: URL,
): Promise<void> {
  const path = segmentsOf(url.pathname);
  const method = request.method ?? 'GET';
  const fitting = table.flatMap((item): readonly { item: HttpFunction; params: RouteParams }[] => {
    const params = path === undefined ? undefined : matchRoute(item.route, path);
    return params === undefined ? [] : [{ item, params }];
  });
  const found = fitting.find(({ item }) => item.methods.includes(method));
  if (found === undefined) {
    const allow = [...new Set(fitting.flatMap(({ item }) => item.methods))].join(', ');
    sendJson(response, fitting.length === 0 ? 404 : 405, undefined, allow === '' ? {} : { allow });
    return;
  }
  if (!mayCall(found.item.authLevel, keyOf(request, url), options.keys)) {
    sendJson(response, 401);
    return;
  }
  await runHttpTrigger(options.trigger, { request, response, url, known: found.item.known, params: found.params });
}

async function serveDurable(
  durable: DurableClientApi,
  path: string,
  url: URL,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const segments = segmentsOf(path);
  if (segments === undefined) {
    sendJson(response, 400);
    return;
  }
  const body = (await readBody(request)).toString('utf8');
  const { method = 'GET', headers } = request;
  const reply = durable.handle({ method, path: segments, query: url.searchParams, headers, body });
  sendJson(response, reply.status, reply.body, reply.headers);
}

/** Decoded path segments; undefined when the path is not valid percent encoding. */
function segmentsOf(path: string): readonly string[] | undefined {
  try {
    return path
      .split('/')
      .filter((part) => part !== '')
      .map(decodeURIComponent);
  } catch {
    return undefined;
  }
}

function toHttpFunction(known: KnownFunction, routePrefix: string): HttpFunction {
  const { route, methods, authLevel } = known.trigger;
  const template = typeof route === 'string' && route !== '' ? route : known.info.name;
  return {
    known,
    route: parseRoute(`${routePrefix}/${template}`),
    methods: Array.isArray(methods) ? methods.map((method) => String(method).toUpperCase()) : ['GET', 'POST'],
    authLevel,
  };
}

/** The caller learns nothing of the error, as in Azure; the log does. */
function fail(options: FrontOptions, response: ServerResponse, error: unknown): void {
  options.log({ level: 'error', category: 'host.http', message: messageOf(error) });
  sendJson(response, error instanceof BodyTooLargeError ? 413 : 500);
}
