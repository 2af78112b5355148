/** Runs an HTTP-triggered function, buffered or streamed, and writes its answer. */
import { randomUUID } from 'node:crypto';
import http, { type IncomingMessage, type ServerResponse } from 'node:http';
import type { KnownFunction } from '../function-table';
import { inputsOf } from '../invocation-inputs';
import type { HttpCookie, HttpData, NamedData, ResultMessage } from '../protocol';
import type { InvokeRequest, WorkerProcess } from '../worker-process';
import { flatHeaders, readBody } from './reply';
import type { RouteParams } from './route';

export interface HttpTriggerOptions {
  readonly worker: WorkerProcess;
  readonly clientBinding: string;
  /** Sends what the function left in its output bindings before the answer goes out. */
  readonly writeOutputs: (known: KnownFunction, result: ResultMessage) => Promise<void>;
}

export interface HttpCall {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly url: URL;
  readonly known: KnownFunction;
  readonly params: RouteParams;
}

/** Rejects when the function fails before it has answered; the caller then answers 500. */
export async function runHttpTrigger(options: HttpTriggerOptions, call: HttpCall): Promise<void> {
  const httpUri = await options.worker.httpUri();
  if (httpUri === undefined) {
    await runBuffered(options, call);
  } else {
    await runStreamed(options, call, httpUri);
  }
}

async function runBuffered(options: HttpTriggerOptions, call: HttpCall): Promise<void> {
  const { request, response, url, known, params } = call;
  const body = await readBody(request);
  const data: HttpData = {
    method: request.method ?? 'GET',
    url: url.href,
    headers: flatHeaders(request),
    params,
    query: Object.fromEntries(url.searchParams),
    ...(body.length === 0 ? {} : { body: { bytes: body } }),
  };
  const result = await options.worker.invoke({
    functionName: known.info.name,
    inputData: inputsOf(known, { http: data }, options.clientBinding),
    triggerMetadata: {},
  });
  await options.writeOutputs(known, result);
  write(response, result.returnValue?.http);
}

function write(response: ServerResponse, data: HttpData | undefined): void {
  if (data === undefined) {
    response.writeHead(204).end();
    return;
  }
  for (const [name, value] of Object.entries(data.headers ?? {})) {
    response.setHeader(name, value);
  }
  if (data.cookies !== undefined && data.cookies.length > 0) {
    response.setHeader('set-cookie', data.cookies.map(cookieText));
  }
  response.statusCode = Number(data.statusCode ?? 200);
  const body = data.body?.bytes;
  response.end(body === undefined || body.length === 0 ? undefined : Buffer.from(body));
}

function cookieText(cookie: HttpCookie): string {
  const parts = [`${encodeURIComponent(cookie.name)}=${encodeURIComponent(cookie.value)}`];
  const add = (name: string, value: string | number | undefined): void => {
    if (value !== undefined) {
      parts.push(`${name}=${value}`);
    }
  };
  add('Domain', cookie.domain?.value);
  add('Path', cookie.path?.value);
  add('Max-Age', cookie.maxAge?.value);
  add('Expires', cookie.expires && new Date(cookie.expires.value.seconds * 1000).toUTCString());
  add('SameSite', { none: undefined, lax: 'Lax', strict: 'Strict', explicitNone: 'None' }[cookie.sameSite ?? 'none']);
  return [...parts, ...(cookie.secure?.value ? ['Secure'] : []), ...(cookie.httpOnly?.value ? ['HttpOnly'] : [])].join(
    '; ',
  );
}

/**
 * The raw request goes to the worker's own HTTP port, the invocation beside it over IPC; they meet by invocation id.
 * The worker answers the raw request, or, when the function fails or returns nothing, only the invocation.
 */
async function runStreamed(options: HttpTriggerOptions, call: HttpCall, httpUri: string): Promise<void> {
  const { request, response, url, known, params } = call;
  const invocationId = randomUUID();
  const host = url.host;
  const proxy = http.request({
    // The worker listens on loopback only; the address it tells says localhost, which may mean ::1.
    hostname: '127.0.0.1',
    port: new URL(httpUri).port,
    path: `${url.pathname}${url.search}`,
    method: request.method,
    headers: {
      ...request.headers,
      'x-ms-invocation-id': invocationId,
      'x-forwarded-host': host,
      'x-forwarded-proto': url.protocol.slice(0, -1),
    },
  });
  const answered = new Promise<void>((resolve, reject) => {
    // Also when the caller hangs up: nobody is left to answer.
    response.on('close', () => {
      proxy.destroy();
      resolve();
    });
    proxy.on('error', reject);
    proxy.on('response', (answer) => {
      const { 'x-ms-invocation-id': _id, ...headers } = answer.headers;
      response.writeHead(answer.statusCode ?? 500, headers);
      answer.pipe(response);
      answer.on('end', resolve);
      answer.on('error', reject);
    });
  });
  answered.catch(() => undefined);
  request.on('error', () => proxy.destroy());
  request.pipe(proxy);

  const invocation: InvokeRequest = {
    invocationId,
    functionName: known.info.name,
    inputData: inputsOf(known, { http: {} }, options.clientBinding),
    triggerMetadata: streamMetadata(request, url, params),
  };
  try {
    const result = await options.worker.invoke(invocation);
    await options.writeOutputs(known, result);
    if (result.returnValue === null && !response.headersSent) {
      response.writeHead(204).end();
      return;
    }
    await answered;
  } finally {
    proxy.destroy();
  }
}

/** In stream mode the SDK takes headers and route parameters from here. */
function streamMetadata(request: IncomingMessage, url: URL, params: RouteParams): InvokeRequest['triggerMetadata'] {
  const values: NamedData[] = Object.entries(params).map(([name, value]) => ({ name, data: { string: value } }));
  return {
    ...Object.fromEntries(values.map(({ name, data }) => [name, data])),
    Headers: { json: JSON.stringify(flatHeaders(request)) },
    Query: { json: JSON.stringify(Object.fromEntries(url.searchParams)) },
  };
}
