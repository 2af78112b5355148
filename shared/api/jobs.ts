/** Jobs: looking at them, and asking them to stop. */
import { boundedMap } from '../base/bounded-map';
import { jobIdSchema } from '../model/ids';
import { type Job, jobStatusSchema } from '../model/job';
import { readNoBody } from './body';
import type { ApiDependencies } from './dependencies';
import { type ApiRequest, type ApiResponse, json, routeParameter } from './http';
import { type JobView, viewOfEnded, viewOfRunning } from './job-view';
import { notFound, ProblemError } from './problem';
import { cursorOf, pageParameters, readQuery, vmIdParameter } from './query';

const VIEWS_AT_ONCE = 8;

export async function listJobs(request: ApiRequest, deps: ApiDependencies): Promise<ApiResponse> {
  const query = readQuery(request, {
    ...pageParameters,
    status: jobStatusSchema.optional(),
    vmId: vmIdParameter.optional(),
  });
  const page = await deps.catalog.jobs.list(query);
  const items = await boundedMap(page.items, VIEWS_AT_ONCE, (job) => viewOf(deps, job));
  return json(200, page.nextCursor === undefined ? { items } : { items, nextCursor: cursorOf(page.nextCursor) });
}

export async function getJob(request: ApiRequest, deps: ApiDependencies): Promise<ApiResponse> {
  readQuery(request, {});
  const job = await findJob(request, deps);
  const headers: Record<string, string> = job.status === 'running' ? { 'retry-after': '2' } : {};
  return json(200, await viewOf(deps, job), headers);
}

/** 202 means: it has been told. The job undoes what it began, and then says `canceled`. */
export async function cancelJob(request: ApiRequest, deps: ApiDependencies): Promise<ApiResponse> {
  readQuery(request, {});
  await readNoBody(request);
  const job = await findJob(request, deps);
  const outcome = await deps.jobs.cancel(job.id);
  if (outcome === 'unknown') throw notFound(`no job ${job.id}`);
  if (outcome === 'ended') {
    const { status } = (await deps.catalog.jobs.read(job.id)) ?? job;
    const detail = `job ${job.id} can no longer be canceled: ${status === 'running' ? 'it is finishing' : `it has ended (${status})`}`;
    throw new ProblemError({ status: 409, code: 'job.ended', detail, extra: { jobId: job.id } });
  }
  return json(
    202,
    { jobId: job.id, status: 'running', cancelRequested: true },
    { location: `/api/jobs/${job.id}`, 'retry-after': '2' },
  );
}

async function findJob(request: ApiRequest, deps: ApiDependencies): Promise<Job> {
  const id = routeParameter(request, 'id');
  const job = jobIdSchema.safeParse(id).success ? await deps.catalog.jobs.read(id) : undefined;
  if (!job) throw notFound('no such job');
  return job;
}

async function viewOf({ catalog }: ApiDependencies, job: Job): Promise<JobView> {
  const plan = await catalog.jobs.readPlan(job.id);
  return job.status === 'running'
    ? viewOfRunning(job, plan, await catalog.jobs.progress(job.id))
    : viewOfEnded(job, plan);
}
