/** HTTP as the use cases see it: small enough to be made by hand in a test, and fed by @azure/functions in production. */
import type { HttpResponseInit } from '@azure/functions';

/** What is used of a request. `HttpRequest` of @azure/functions fits. */
export interface ApiRequest {
  readonly method: string;
  readonly url: string;
  readonly headers: { get(name: string): string | null };
  readonly query: URLSearchParams;
  /** Route parameters, decoded. */
  readonly params: Readonly<Record<string, string>>;
  readonly body: AsyncIterable<Uint8Array> | null;
}

export interface ApiResponse {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  /** JSON; absent for 204. */
  readonly body?: unknown;
  /** Instead of JSON: sent as it is, under the content-type that `headers` give. */
  readonly raw?: string | Uint8Array | ReadableStream<Uint8Array>;
}

export const json = (status: number, body: unknown, headers: Readonly<Record<string, string>> = {}): ApiResponse => ({
  status,
  headers,
  body,
});

/** 202 for a job that works from now on: where to look, and when to look first. */
export const accepted = (jobId: string, body: unknown): ApiResponse =>
  json(202, body, { location: `/api/jobs/${jobId}`, 'retry-after': '2' });

/** Nothing of ours may be cached, framed, or taken for anything but what it says it is. A response's own headers win. */
const fixedHeaders = {
  'cache-control': 'no-store',
  'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
  'cross-origin-resource-policy': 'same-origin',
  'referrer-policy': 'no-referrer',
  'strict-transport-security': 'max-age=31536000; includeSubDomains',
  'x-content-type-options': 'nosniff',
} as const;

export function toHttp(response: ApiResponse): HttpResponseInit & { readonly status: number } {
  if (response.raw !== undefined) {
    return { status: response.status, headers: { ...fixedHeaders, ...response.headers }, body: response.raw };
  }
  const contentType = response.status >= 400 ? 'application/problem+json' : 'application/json';
  const headers = { ...fixedHeaders, ...response.headers };
  return response.body === undefined
    ? { status: response.status, headers }
    : {
        status: response.status,
        headers: { 'content-type': contentType, ...headers },
        body: JSON.stringify(response.body),
      };
}
