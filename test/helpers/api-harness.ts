/** The HTTP use cases without a host: requests by hand, jobs that only count their starts. */
import { Buffer } from 'node:buffer';
import { type Caller, roles } from '../../shared/api/caller';
import type { ApiDependencies, AuditEntry } from '../../shared/api/dependencies';
import { handleRequest } from '../../shared/api/handle';
import type { ApiRequest } from '../../shared/api/http';
import { problemSchema } from '../../shared/api/problem';
import type { Route } from '../../shared/api/route';
import { routes } from '../../shared/api/routes';
import { silentLogger } from '../../shared/base/logger';
import { createCatalog } from '../../shared/catalog/catalog';
import { AppError } from '../../shared/model/errors';
import { resourceKey, sameResource } from '../../shared/model/ids';
import type { Machine } from '../../shared/model/machine';
import type { StartBackupRequest, StartRestoreRequest } from '../../shared/workflows/jobs';
import type { RetentionInput } from '../../shared/workflows/retention/contracts';
import { manualClock } from './manual-clock';
import { memoryRecordStore } from './memory-record-store';
import { SUBSCRIPTION, sampleJob } from './samples';

export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  // biome-ignore lint/suspicious/noExplicitAny: tests look into answers of any shape
  readonly body: any;
  /** Of an answer that is not JSON. */
  readonly text?: string;
}

export interface RequestOptions {
  readonly body?: unknown;
  /** Sent as it is. */
  readonly text?: string | Uint8Array;
  readonly headers?: Readonly<Record<string, string>>;
  /** Who asks; someone with every role and the whole scope unless told. */
  readonly as?: Caller;
}

export const everyone: Caller = { id: 'everyone', name: 'everyone', roles, scopes: 'all' };

export type ApiHarness = ReturnType<typeof apiHarness>;

export function apiHarness(machines: readonly Machine[]) {
  const clock = manualClock();
  const records = memoryRecordStore();
  const catalog = createCatalog(records, clock);
  const backups: StartBackupRequest[] = [];
  const restores: StartRestoreRequest[] = [];
  const retentionRuns: { readonly runId: string; readonly input: RetentionInput }[] = [];
  const logged: string[] = [];
  const audited: AuditEntry[] = [];
  let failure: AppError | undefined;
  let counter = 0;

  const deps: ApiDependencies = {
    catalog,
    clock,
    subscriptions: [SUBSCRIPTION],
    identify: async () => everyone,
    limitRate: () => undefined,
    audit: async (entry) => {
      audited.push(entry);
    },
    logger: {
      ...silentLogger,
      warn: (message) => logged.push(message),
      error: (message, fields) => logged.push(`${message} ${JSON.stringify(fields)}`),
    },
    compute: {
      listMachines: async (subscription) => {
        if (failure) throw failure;
        return machines.filter((machine) => machine.id.includes(subscription));
      },
      hasResourceGroup: async (_subscription, resourceGroup) => resourceGroup !== 'missing',
      getMachine: async (vmId) => machines.find((machine) => sameResource(machine.id, vmId)),
    },
    jobs: {
      startBackup: async (request) => {
        counter += 1;
        const jobId = request.jobId ?? `b-test-${counter}`;
        const lease = await catalog.leases.acquire(resourceKey(request.machine.id), jobId);
        if (!lease.acquired) return { outcome: 'running', jobId: lease.holder };
        const { id: vmId, name: vmName } = request.machine;
        const { created } = await catalog.jobs.create(sampleJob(jobId, { vmId, vmName }));
        if (created) backups.push(request);
        return { outcome: 'started', jobId };
      },
      startRestore: async (request) => {
        counter += 1;
        const jobId = request.jobId ?? `r-test-${counter}`;
        const { created } = await catalog.jobs.create(sampleJob(jobId, { kind: 'restore' }));
        if (created) restores.push(request);
        return { jobId };
      },
      cancel: async (jobId) => {
        const job = await catalog.jobs.read(jobId);
        if (!job) return 'unknown';
        return job.status === 'running' ? 'requested' : 'ended';
      },
    },
    retention: {
      start: async (input, given) => {
        const runId = given ?? `g-test-${retentionRuns.length}`;
        if (!retentionRuns.some((run) => run.runId === runId)) retentionRuns.push({ runId, input });
        return { runId };
      },
      isRunning: async (id) => retentionRuns.some(({ runId }) => runId === id),
    },
  };

  async function call(method: string, target: string, options: RequestOptions = {}): Promise<Answer> {
    const url = new URL(`http://localhost/api/${target}`);
    const { route, params } = match(method, url.pathname.slice('/api/'.length));
    const text = options.text ?? (options.body === undefined ? undefined : JSON.stringify(options.body));
    const type = text === undefined ? {} : { 'content-type': 'application/json' };
    const request: ApiRequest = {
      method,
      url: url.href,
      headers: new Headers({ ...type, ...options.headers }),
      query: url.searchParams,
      params,
      body: text === undefined ? null : chunks(typeof text === 'string' ? Buffer.from(text) : text),
    };
    const as = options.as === undefined ? deps : { ...deps, identify: async () => options.as ?? everyone };
    const response = await handleRequest(route, request, as, '11111111-0000-4000-8000-000000000000');
    const isJson = /json/.test((response.headers as Record<string, string>)['content-type'] ?? '');
    const body = isJson ? JSON.parse(String(response.body)) : undefined;
    checkReply(route, response.status, body);
    const headers = response.headers as Record<string, string>;
    return { status: response.status, headers, body, ...(isJson ? {} : { text: String(response.body ?? '') }) };
  }

  return {
    call,
    deps,
    catalog,
    clock,
    records,
    backups,
    restores,
    retentionRuns,
    logged,
    audited,
    failListing: (error: AppError | undefined) => {
      failure = error;
    },
  };
}

/** Every answer of every test is held against the table: a field that its schema does not name must not leave. */
function checkReply(route: Route, status: number, body: unknown): void {
  if (status >= 400) {
    problemSchema.parse(body);
    return;
  }
  const reply = route.replies[status];
  if (reply === undefined) throw new Error(`${route.name} answers ${status}, which the table does not name`);
  if ('schema' in reply && reply.schema) reply.schema.parse(body);
  else if (body !== undefined)
    throw new Error(`${route.name} answers ${status} with a body that the table does not name`);
}

/** Routes as the host matches them. */
function match(method: string, path: string) {
  for (const route of routes) {
    if (route.method !== method) continue;
    const names: string[] = [];
    const pattern = route.path.replaceAll(/\{(\*?)(\w+)\}/g, (_whole, star: string, name: string) => {
      names.push(name);
      return star === '' ? '([^/]+)' : '(.*)';
    });
    const found = new RegExp(`^${pattern}$`).exec(path);
    if (found) {
      const values = found.slice(1).map((value) => decodeURIComponent(value));
      return { route, params: Object.fromEntries(names.map((name, index) => [name, values[index] ?? ''])) };
    }
  }
  throw new AppError('request.not-found', `no route for ${method} ${path}`);
}

/** In small pieces, as they come off a socket. */
async function* chunks(bytes: Uint8Array): AsyncIterable<Uint8Array> {
  for (let start = 0; start < bytes.length; start += 65_536) yield bytes.subarray(start, start + 65_536);
}
