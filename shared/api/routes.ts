/** The table that is the HTTP API: registration, tests and documents read it. What is not in it does not exist. */
import type { HttpResponseInit } from '@azure/functions';
import { AppError, isAppError } from '../model/errors';
import { startBackup } from './backups';
import type { ApiDependencies } from './dependencies';
import { type ApiRequest, type ApiResponse, json, toHttp } from './http';
import { cancelJob, getJob, listJobs } from './jobs';
import { deletePolicy, getPolicy, listPolicies, putPolicy } from './policies';
import { runPolicy } from './policy-run';
import { ProblemError, problemResponse } from './problem';
import { getPoint, listPoints } from './restore-points';
import { startRestore } from './restores';
import { listVms } from './vms';

export type Handler = (request: ApiRequest, deps: ApiDependencies) => Promise<ApiResponse>;

export interface Route {
  /** Name of the function, and in the log. */
  readonly name: string;
  readonly method: 'GET' | 'PUT' | 'POST' | 'DELETE';
  /** Below the host's prefix `api`. */
  readonly route: string;
  readonly authLevel: 'anonymous' | 'function';
  readonly handler: Handler;
}

/** Says that the process answers, and nothing else: it is open to everyone. */
const health: Handler = async () => json(200, { status: 'ok' });

const keyed = (name: string, method: Route['method'], route: string, handler: Handler): Route => ({
  name,
  method,
  route,
  authLevel: 'function',
  handler,
});

export const routes: readonly Route[] = [
  { name: 'health', method: 'GET', route: 'healthz', authLevel: 'anonymous', handler: health },
  keyed('listVms', 'GET', 'vms', listVms),
  keyed('listPolicies', 'GET', 'policies', listPolicies),
  keyed('getPolicy', 'GET', 'policies/{name}', getPolicy),
  keyed('putPolicy', 'PUT', 'policies/{name}', putPolicy),
  keyed('deletePolicy', 'DELETE', 'policies/{name}', deletePolicy),
  keyed('runPolicy', 'POST', 'policies/{name}/run', runPolicy),
  keyed('startBackup', 'POST', 'backups', startBackup),
  keyed('listJobs', 'GET', 'jobs', listJobs),
  keyed('getJob', 'GET', 'jobs/{id}', getJob),
  keyed('cancelJob', 'POST', 'jobs/{id}/cancel', cancelJob),
  keyed('listPoints', 'GET', 'restore-points', listPoints),
  keyed('getPoint', 'GET', 'restore-points/{id}', getPoint),
  keyed('startRestore', 'POST', 'restores', startRestore),
];

/** Runs a route's handler; whatever it throws becomes a problem. `requestId` is the invocation's. Never rejects. */
export async function handleRequest(
  route: Pick<Route, 'name' | 'handler'>,
  request: ApiRequest,
  deps: ApiDependencies,
  requestId: string,
): Promise<HttpResponseInit & { readonly status: number }> {
  try {
    return toHttp(await route.handler(request, deps));
  } catch (error) {
    const response = problemResponse(error, requestId);
    if (response.status >= 500) deps.logger.error('request failed', { route: route.name, requestId, ...logged(error) });
    return toHttp(response);
  }
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
