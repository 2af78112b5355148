/** Jobs: looking at them, and asking them to stop. */
import { z } from 'zod';
import { boundedMap } from '../base/bounded-map';
import { type Job, jobSchema, jobStatusSchema } from '../model/job';
import { type Caller, inScope } from './caller';
import type { ApiDependencies } from './dependencies';
import { json } from './http';
import { type JobView, viewOfEnded, viewOfRunning } from './job-view';
import { pageOf, pageReply } from './page-reply';
import { notFound, ProblemError } from './problem';
import { pageParameters, vmIdParameter } from './query';
import { defineRoute } from './route';
import { idParameter, readers } from './schemas';

const VIEWS_AT_ONCE = 8;

const progressSchema = z.strictObject({
  bytesTotal: z.number(),
  bytesDone: z.number().meta({ description: 'Bytes of the disks behind us: read, unchanged or zero' }),
  percent: z.number().min(0).max(100),
  windowsTotal: z.number().int(),
  windowsDone: z.number().int(),
  rateBytesPerSecond: z.number(),
  etaSeconds: z.number().nullable().meta({ description: 'null: unknown, or nothing more to wait for' }),
});
const jobViewSchema = jobSchema.extend({ progress: progressSchema }).meta({ id: 'Job' });

export const listJobs = defineRoute({
  name: 'listJobs',
  method: 'GET',
  path: 'jobs',
  area: 'Jobs',
  roles: readers,
  scope: 'vm',
  mutates: false,
  summary: 'Jobs, newest first',
  description: 'A page may be shorter than `limit` although more follow: only a missing `nextLink` is the end.',
  query: { ...pageParameters, status: jobStatusSchema.optional(), vmId: vmIdParameter.optional() },
  replies: { 200: { description: 'A page of jobs', schema: pageOf(jobViewSchema) } },
  example: { query: { status: 'running', limit: '10' } },
  handler: async ({ request, caller, query }, deps) => {
    const page = await deps.catalog.jobs.list(query);
    const visible = page.items.filter(({ vmId }) => inScope(caller, vmId));
    const items = await boundedMap(visible, VIEWS_AT_ONCE, (job) => viewOf(deps, job));
    return pageReply(request, items, page.nextCursor);
  },
});

export const getJob = defineRoute({
  name: 'getJob',
  method: 'GET',
  path: 'jobs/{id}',
  area: 'Jobs',
  roles: readers,
  scope: 'vm',
  mutates: false,
  summary: 'One job, and how far it is',
  params: idParameter,
  replies: {
    200: {
      description: 'The job',
      schema: jobViewSchema,
      headers: { 'retry-after': 'Seconds, while the job is running' },
    },
  },
  example: { params: { id: 'b-20261122-020000-0011aabb' } },
  handler: async ({ caller, params }, deps) => {
    const job = await findJob(deps, caller, params.id);
    const headers: Record<string, string> = job.status === 'running' ? { 'retry-after': '2' } : {};
    return json(200, await viewOf(deps, job), headers);
  },
});

const canceledSchema = z.strictObject({
  jobId: z.string(),
  status: z.literal('running'),
  cancelRequested: z.literal(true),
  dryRun: z.literal(true).optional(),
});

export const cancelJob = defineRoute({
  name: 'cancelJob',
  method: 'POST',
  path: 'jobs/{id}/cancel',
  area: 'Jobs',
  roles: ['operator', 'restorer'],
  scope: 'vm',
  mutates: true,
  summary: 'Ask a job to stop',
  description:
    'Whoever may start a job of its kind may cancel it. 202 means: it has been told. The job undoes what it began, and then says `canceled`.',
  params: idParameter,
  replies: {
    200: { description: 'Dry run: it would be told', schema: canceledSchema },
    202: { description: 'It has been told', schema: canceledSchema, headers: { location: 'Path of the job' } },
  },
  example: { params: { id: 'b-20261122-020000-0011aabb' } },
  handler: async ({ caller, params, dryRun }, deps) => {
    const job = await findJob(deps, caller, params.id);
    const needed = job.kind === 'backup' ? 'operator' : 'restorer';
    if (!caller.roles.includes(needed)) {
      const detail = `canceling a ${job.kind} needs the role ${needed}`;
      throw new ProblemError({ status: 403, code: 'caller.not-allowed', detail });
    }
    if (dryRun) {
      if (job.status !== 'running') throw tooLate(job, job.status);
      return json(200, { dryRun: true, jobId: job.id, status: 'running', cancelRequested: true });
    }
    const outcome = await deps.jobs.cancel(job.id);
    if (outcome === 'unknown') throw notFound(NO_JOB);
    if (outcome === 'ended') throw tooLate(job, ((await deps.catalog.jobs.read(job.id)) ?? job).status);
    const headers = { location: `/api/jobs/${job.id}`, 'retry-after': '2' };
    return json(202, { jobId: job.id, status: 'running', cancelRequested: true }, headers);
  },
});

const NO_JOB = 'no such job';

/** 404 for an unknown job and for one out of the caller's scope. */
export async function findJob(
  { catalog }: Pick<ApiDependencies, 'catalog'>,
  caller: Pick<Caller, 'scopes'>,
  jobId: string,
): Promise<Job> {
  const job = await catalog.jobs.read(jobId);
  if (!job || !inScope(caller, job.vmId)) throw notFound(NO_JOB);
  return job;
}

function tooLate(job: Job, status: Job['status']): ProblemError {
  const why = status === 'running' ? 'it is finishing' : `it has ended (${status})`;
  const detail = `job ${job.id} can no longer be canceled: ${why}`;
  return new ProblemError({ status: 409, code: 'job.ended', detail, extra: { jobId: job.id } });
}

async function viewOf({ catalog }: Pick<ApiDependencies, 'catalog'>, job: Job): Promise<JobView> {
  const plan = await catalog.jobs.readPlan(job.id);
  return job.status === 'running'
    ? viewOfRunning(job, plan, await catalog.jobs.progress(job.id))
    : viewOfEnded(job, plan);
}
