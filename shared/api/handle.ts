/** One request through one row of the table: who, may he, what, done, written down. Never rejects. */
import type { HttpResponseInit } from '@azure/functions';
import { AppError, isAppError } from '../model/errors';
import { anonymous, type Caller, requireRole } from './caller';
import type { ApiDependencies } from './dependencies';
import { type ApiRequest, type ApiResponse, toHttp } from './http';
import { ProblemError, problemResponse } from './problem';
import type { Route } from './route';

/** Whatever is thrown becomes a problem. `requestId` is the invocation's. */
export async function handleRequest(
  route: Route,
  request: ApiRequest,
  deps: ApiDependencies,
  requestId: string,
): Promise<HttpResponseInit & { readonly status: number }> {
  let caller = anonymous;
  let response: ApiResponse;
  try {
    caller = await callerOf(route, request, deps);
    response = await route.run(request, { caller, requestId }, deps);
  } catch (error) {
    response = problemResponse(error, requestId);
    if (response.status >= 500) deps.logger.error('request failed', { route: route.name, requestId, ...logged(error) });
  }
  await audit(route, request, deps, { caller, response, requestId });
  return toHttp(response);
}

async function callerOf(route: Route, request: ApiRequest, deps: ApiDependencies): Promise<Caller> {
  if (route.roles === 'anonymous') return anonymous;
  const caller = await deps.identify(request);
  deps.limitRate(caller);
  requireRole(caller, route.roles);
  return caller;
}

/** After the effect. When the entry cannot be written that is logged, and the caller still learns what happened. */
async function audit(
  route: Route,
  request: ApiRequest,
  { audit: write, clock, logger }: ApiDependencies,
  { caller, response, requestId }: { caller: Caller; response: ApiResponse; requestId: string },
): Promise<void> {
  if (route.roles === 'anonymous') return;
  try {
    await write({
      at: new Date(clock.now()).toISOString(),
      requestId,
      callerId: caller.id,
      callerName: caller.name,
      action: route.name,
      mutates: route.mutates,
      dryRun: request.query.get('dryRun') === 'true',
      object: new URL(request.url).pathname,
      status: response.status,
      ...codeOf(response),
    });
  } catch (error) {
    logger.error('an audit entry could not be written', { route: route.name, requestId, ...logged(error) });
  }
}

function codeOf({ status, body }: ApiResponse): { readonly code?: string } {
  if (status < 400 || typeof body !== 'object' || body === null || !('code' in body)) return {};
  return { code: String(body.code) };
}

/** Our own errors in full. A foreign one by its name and the lines of ours it passed: its message may hold anything. */
function logged(error: unknown): Readonly<Record<string, string>> {
  if (error instanceof AppError || error instanceof ProblemError) {
    return { code: isAppError(error) ? error.code : 'problem', detail: error.message };
  }
  if (!(error instanceof Error)) return { code: 'internal', detail: typeof error };
  const frames = (error.stack ?? '').split('\n').filter((line) => /^\s+at /.test(line));
  return { code: 'internal', detail: error.name, stack: frames.slice(0, 8).join(' ') };
}
