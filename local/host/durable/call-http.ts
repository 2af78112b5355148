/**
 * `context.df.callHttp`. The polling of 202 answers, which the SDK would do with hidden timers, happens here, so
 * that the orchestrator only ever sees the final answer. After a crash the whole call is repeated.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { HttpRequestAction } from './actions';

const POLL_DELAY_SECONDS = 30;
const REQUEST_LIMIT_MS = 100_000;

/** Takes the action's request as JSON text; returns `{statusCode, headers, content}` as JSON text. */
export async function callHttp(requestJson: string): Promise<string> {
  const request = JSON.parse(requestJson) as HttpRequestAction;
  if (request.tokenSource !== undefined && request.tokenSource !== null) {
    throw new Error('callHttp with a managed identity token is not emulated by the embedded host.');
  }
  const { method, content, headers } = request;
  let response = await fetch(request.uri, {
    method,
    headers: { ...headers },
    signal: AbortSignal.timeout(REQUEST_LIMIT_MS),
    ...(content === undefined || content === null ? {} : { body: content }),
  });
  let url = request.uri;
  while (request.asynchronousPatternEnabled !== false && response.status === 202 && response.headers.has('location')) {
    await response.arrayBuffer();
    await sleep(1000 * (Number(response.headers.get('retry-after')) || POLL_DELAY_SECONDS));
    url = new URL(response.headers.get('location') ?? '', url).href;
    response = await fetch(url, { headers: { ...headers }, signal: AbortSignal.timeout(REQUEST_LIMIT_MS) });
  }
  return JSON.stringify({
    statusCode: response.status,
    headers: Object.fromEntries(response.headers),
    content: await response.text(),
  });
}
