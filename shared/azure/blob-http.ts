/**
 * Requests to the data plane of managed disks, on undici with a pool of our own. The SAS in a url is never rebuilt, only
 * extended, and appears in no error. Each request has a deadline that covers its body.
 */
import type { Agent, Dispatcher } from 'undici';
import { AppError, type ErrorCode } from '../model/errors';
import { MIB } from '../model/limits';
import { failureToError, isNetworkFailure, retryAfterMs } from './azure-error';
import { withDeadline } from './deadline';

export interface BlobRequest {
  /** For errors. */
  readonly what: string;
  readonly method: 'GET' | 'PUT';
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: Buffer;
  readonly signal: AbortSignal;
  readonly expect: 200 | 201 | 206;
  /** Bytes expected back, for the deadline. */
  readonly expectBytes?: number;
  /** Code for a 4xx that is neither throttling nor a matter of rights. */
  readonly rejectedAs: ErrorCode;
}

export interface BlobHttpOptions {
  /** Sockets to one host; also the most requests under way there. */
  readonly connections: number;
  readonly deadlineBaseMs?: number;
  /** Slowest transfer that still counts as progress. */
  readonly slowestBytesPerSecond?: number;
}

type ResponseHeaders = Dispatcher.ResponseData['headers'];

export class BlobHttp {
  private readonly agent: Agent;

  constructor(private readonly options: BlobHttpOptions) {
    const undici = require('undici') as typeof import('undici'); // 0.1 s: only when used
    this.agent = new undici.Agent({ connections: options.connections, pipelining: 1, keepAliveTimeout: 20_000 });
  }

  /** The status and service code of a failure become an AppError; `consume` gets the body of the expected status only. */
  async stream<Result>(
    request: BlobRequest,
    consume: (body: AsyncIterable<Buffer>, headers: ResponseHeaders) => Promise<Result>,
  ): Promise<Result> {
    const bytes = (request.body?.length ?? 0) + (request.expectBytes ?? 0);
    const deadlineMs = (this.options.deadlineBaseMs ?? 60_000) + bytes / (this.slowest() / 1000);
    const { what } = request;
    try {
      return await withDeadline({ what, deadlineMs, signal: request.signal }, async (signal) => {
        const { origin, path } = target(request.url);
        const response = await this.agent.request({
          origin,
          path,
          method: request.method,
          headers: { ...request.headers },
          body: request.body ?? null,
          signal,
          headersTimeout: 0,
          bodyTimeout: 0,
        });
        if (response.statusCode !== request.expect) {
          await response.body.dump({ limit: MIB }).catch(() => undefined);
          throw failure(request, response);
        }
        try {
          return await consume(response.body, response.headers);
        } catch (error) {
          response.body.destroy(); // a half-read body would otherwise hold its socket
          throw error;
        }
      });
    } catch (error) {
      if (request.signal.aborted) throw request.signal.reason;
      if (error instanceof AppError) throw error;
      if (isNetworkFailure(error) || isUndici(error)) {
        throw new AppError('cloud.unavailable', `${what}: the connection failed`, { retryable: true });
      }
      throw new AppError('cloud.rejected', `${what}: the request failed`);
    }
  }

  async close(): Promise<void> {
    await this.agent.destroy();
  }

  private slowest(): number {
    return this.options.slowestBytesPerSecond ?? MIB;
  }
}

/** Adds parameters behind what the SAS has; its own part stays byte for byte, as it is what the signature covers. */
export function withQuery(url: string, query: Readonly<Record<string, string>>): string {
  const added = Object.entries(query)
    .map(([name, value]) => `${name}=${encodeURIComponent(value)}`)
    .join('&');
  return `${url}${url.includes('?') ? '&' : '?'}${added}`;
}

/** Not `new URL(url).search`: parsing may re-encode, and the signature covers the bytes as given. */
function target(url: string): { readonly origin: string; readonly path: string } {
  const match = /^(https?:\/\/[^/?#]+)(\/[^#]*)?$/i.exec(url);
  if (!match?.[1]) throw new AppError('access.denied', 'Azure gave an access url that is none');
  return { origin: match[1], path: match[2] ?? '/' };
}

function failure(request: BlobRequest, response: Dispatcher.ResponseData): AppError {
  const { statusCode: status, headers } = response;
  const serviceCode = headerOf(headers, 'x-ms-error-code');
  const { what, rejectedAs } = request;
  const aboutTheBase = /^Previous/.test(serviceCode ?? '');
  if ((status === 401 || status === 403 || status === 404) && !aboutTheBase) {
    // 404 too: a revoked SAS takes its container with it. Whether the snapshot is gone is what ARM says at the next grant.
    return new AppError('access.expired', `${what}: Azure refused the access (${status})`, { context: { status } });
  }
  const retryable = status === 408 || status === 429 || status >= 500;
  if (!retryable) {
    const context = serviceCode && /^\w{1,80}$/.test(serviceCode) ? { status, serviceCode } : { status };
    return new AppError(rejectedAs, `${what}: Azure answered ${Object.values(context).join(' ')}`, { context });
  }
  const waitMs = retryAfterMs(headerOf(headers, 'retry-after'), Date.now());
  return failureToError(what, { status, serviceCode, retryAfterMs: waitMs });
}

export function headerOf(headers: ResponseHeaders, name: string): string | undefined {
  const value = headers[name];
  return Array.isArray(value) ? value[0] : value;
}

const isUndici = (error: unknown): boolean =>
  error instanceof Error && 'code' in error && String(error.code).startsWith('UND_ERR');
