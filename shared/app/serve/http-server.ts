/**
 * The HTTP server of `serve`: the same handlers as the function app's, on Node's own server, for one person or machine. It
 * listens on loopback; elsewhere only with a token. A page in a browser that was led to loopback (DNS rebinding) is told
 * apart by the Host header, because it has the name that it was led by.
 */
import { createHash, timingSafeEqual } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { pipeline } from 'node:stream/promises';
import type { Logger } from '../../base/logger';
import { AppError, isAppError } from '../../model/errors';

export interface ServeRequest {
  readonly method: string;
  readonly path: string;
  readonly query: URLSearchParams;
  readonly headers: { get(name: string): string | null };
  readonly signal: AbortSignal;
}

export interface ServeAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string;
  readonly content?: AsyncIterable<Uint8Array>;
}

export interface HttpServeOptions {
  readonly host: string;
  readonly port: number;
  /** Needed for any host but loopback. */
  readonly token?: string | undefined;
  readonly answer: (request: ServeRequest) => Promise<ServeAnswer>;
  readonly logger: Logger;
}

export interface HttpServe {
  readonly url: string;
  close(): Promise<void>;
}

const TOKEN_LENGTH_MIN = 16;
const CONNECTIONS_MAX = 128;
const LOOPBACK = /^(localhost|127(\.\d{1,3}){3}|\[?::1\]?)$/;

export async function startHttpServe(options: HttpServeOptions): Promise<HttpServe> {
  const { host, token, logger } = options;
  const isLoopback = LOOPBACK.test(host);
  if (!isLoopback && token === undefined) {
    throw new AppError('config.invalid', `serving on ${host} needs a token: everyone there could read the disks`);
  }
  if (token !== undefined && token.length < TOKEN_LENGTH_MIN) {
    throw new AppError('config.invalid', `the token must have at least ${TOKEN_LENGTH_MIN} characters`);
  }
  const server = createServer({ keepAliveTimeout: 60_000 }, (request, response) => {
    serve(options, isLoopback, request, response).catch((error: unknown) => {
      // The headers are out: all that is left is to break the connection, so that nobody takes the part for the whole.
      if (!response.destroyed) logger.error('an answer was broken off', reasonOf(error));
      response.destroy();
    });
  });
  server.maxConnections = CONNECTIONS_MAX;
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) =>
      reject(new AppError('config.invalid', `cannot listen on ${host}:${options.port}: ${error.code ?? 'unknown'}`)),
    );
    server.listen({ host, port: options.port }, resolve);
  });
  const at = server.address();
  const port = typeof at === 'object' && at !== null ? at.port : options.port;
  return {
    url: `http://${host.includes(':') && !host.startsWith('[') ? `[${host}]` : host}:${port}`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

async function serve(
  options: HttpServeOptions,
  isLoopback: boolean,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const gone = new AbortController();
  response.once('close', () => gone.abort(new AppError('request.conflict', 'the client has gone')));
  const answer = await answerTo(options, isLoopback, request, gone.signal);
  response.writeHead(answer.status, {
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
    'content-security-policy': "default-src 'none'; sandbox",
    ...answer.headers,
  });
  if (answer.content && request.method !== 'HEAD') {
    await pipeline(answer.content, response).catch((error: unknown) => {
      if (!gone.signal.aborted) throw error;
    });
  } else {
    response.end(answer.body);
  }
}

async function answerTo(
  { token, answer }: HttpServeOptions,
  isLoopback: boolean,
  request: IncomingMessage,
  signal: AbortSignal,
): Promise<ServeAnswer> {
  const header = (name: string): string | null => {
    const value = request.headers[name.toLowerCase()];
    return value === undefined ? null : Array.isArray(value) ? value.join(', ') : value;
  };
  if (isLoopback && token === undefined && !LOOPBACK.test((header('host') ?? '').replace(/:\d+$/, ''))) {
    return problem(403, 'request.denied', 'this server answers to loopback names only');
  }
  if (token !== undefined && !authorized(header('authorization'), token)) {
    const headers = { 'www-authenticate': 'Bearer, Basic realm="blockferry"' };
    return { ...problem(401, 'request.denied', 'give the token: Authorization: Bearer TOKEN'), headers };
  }
  if (request.method !== 'GET' && request.method !== 'HEAD') {
    return problem(405, 'request.invalid', 'nothing can be changed here');
  }
  const url = URL.parse(request.url ?? '/', 'http://localhost');
  if (!url) return problem(400, 'request.invalid', 'this address cannot be read');
  const query = url.searchParams;
  return answer({ method: request.method, path: url.pathname, query, headers: { get: header }, signal });
}

/** As a bearer, or as the password of a login: some programs know only that. */
function authorized(header: string | null, token: string): boolean {
  const [, scheme = '', value = ''] = /^(\w+) +(.+)$/.exec(header ?? '') ?? [];
  const given =
    scheme.toLowerCase() === 'basic'
      ? Buffer.from(value, 'base64')
          .toString('utf8')
          .replace(/^[^:]*:/, '')
      : value;
  const digest = (text: string): Buffer => createHash('sha256').update(text).digest();
  return timingSafeEqual(digest(given), digest(token));
}

export const problem = (status: number, code: string, detail: string): ServeAnswer => ({
  status,
  headers: { 'content-type': 'application/problem+json' },
  body: JSON.stringify({ type: `urn:blockferry:problem:${code}`, status, code, detail }),
});

function reasonOf(error: unknown): Readonly<Record<string, string>> {
  return isAppError(error)
    ? { code: error.code, detail: error.message }
    : { code: 'internal', detail: error instanceof Error ? error.name : typeof error };
}
