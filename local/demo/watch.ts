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
/** A hang must become a failure; a user's disk may be as large as it likes, as long as something moves. */
const STANDSTILL_MS_MAX = 10 * 60_000;
const START_MS_MAX = 60_000;

/** The jobs as they ended, in the order of `ids`. Failed ones are reported, not thrown. */
export async function watchJobs(watching: Watching, ids: readonly string[]): Promise<readonly JobView[]> {
  const { api, cloud, chaos, reporter, signal } = watching;
  let seen = '';
  for (let endsAt = 0; ; await sleep(POLL_MS, undefined, { signal })) {
    const jobs = await Promise.all(ids.map((id) => api.job(id)));
    reporter.progress(jobs);
    if (jobs.every((job) => job.status !== 'running')) {
      for (const job of jobs) for (const note of describeEnd(job)) reporter.note(note);
      return jobs;
    }
    const state = jobs.map((job) => `${job.status} ${job.phase} ${job.progress?.bytesDone ?? 0}`).join();
    if (state !== seen) endsAt = Date.now() + STANDSTILL_MS_MAX;
    seen = state;
    if (Date.now() > endsAt)
      throw new Error(`jobs stand still: ${jobs.map((job) => `${job.id} ${job.phase}`).join(', ')}`);
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
