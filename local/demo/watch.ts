/** Follows jobs to their end. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { ApiClient, JobView } from './api-client';
import type { Chaos } from './chaos';
import type { CloudClient } from './cloud-client';
import type { Reporter } from './reporter';

export interface Watching {
  readonly api: ApiClient;
  readonly cloud: CloudClient;
  readonly chaos: Chaos;
  readonly reporter: Reporter;
  readonly signal: AbortSignal;
}

const POLL_MS = 250;
/** No demo job has a reason to take longer; a hang must become a failure. */
const WATCH_MS_MAX = 10 * 60_000;
const START_MS_MAX = 60_000;

/** The jobs as they ended, in the order of `ids`. Failed ones are reported, not thrown. */
export async function watchJobs(watching: Watching, ids: readonly string[]): Promise<readonly JobView[]> {
  const { api, cloud, chaos, reporter, signal } = watching;
  for (const endsAt = Date.now() + WATCH_MS_MAX; ; await sleep(POLL_MS, undefined, { signal })) {
    const jobs = await Promise.all(ids.map((id) => api.job(id)));
    reporter.progress(jobs);
    if (jobs.every((job) => job.status !== 'running')) {
      for (const job of jobs) for (const note of describeEnd(job)) reporter.note(note);
      return jobs;
    }
    if (Date.now() > endsAt)
      throw new Error(`jobs did not end: ${jobs.map((job) => `${job.id} ${job.phase}`).join(', ')}`);
    await chaos.look(jobs);
    await cloud.countRequests();
  }
}

/** The jobs that the timer's policies have started: `count` of them, of which none is in `known`. */
export async function awaitStarted(watching: Watching, count: number, known: ReadonlySet<string>): Promise<string[]> {
  for (const endsAt = Date.now() + START_MS_MAX; ; await sleep(POLL_MS, undefined, { signal: watching.signal })) {
    const ids = (await watching.api.jobs()).map((job) => job.id).filter((id) => !known.has(id));
    if (ids.length >= count) return ids;
    if (Date.now() > endsAt) throw new Error(`the timer started ${ids.length} jobs, ${count} were expected`);
  }
}

function describeEnd(job: JobView): string[] {
  const notes = job.notes.map((note) => `${job.vmName}: ${note}`);
  if (job.status === 'succeeded') return notes;
  return [...notes, `${job.vmName}: ${job.kind} ${job.status}: ${job.error?.message ?? 'no reason given'}`];
}
