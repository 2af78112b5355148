/** Stays with a job to its end: progress on the way, the job at the end, an exit code that says how it went. */
import type { ApiClient } from './api-client';
import type { ExitName } from './exit-codes';
import { type JobLine, jobFields, jobLine } from './lines/job';
import type { Output } from './output';
import { progressLine } from './progress';

/** For the `lines` of a command that follows jobs. */
export const followLines = { job: jobLine, progress: progressLine };

const POLL_MS = 1000;

interface Following {
  readonly api: ApiClient;
  readonly out: Output<typeof followLines>;
  readonly signal: AbortSignal;
  readonly sleep: (ms: number) => Promise<void>;
  readonly nowMs: () => number;
}

/** Ctrl-C leaves the job alone. */
export async function followJob(following: Following, jobId: string): Promise<ExitName | undefined> {
  const { out, nowMs } = following;
  const job = await waitForEnd(following, jobId);
  out.record('job', job, (row) => jobFields(row, nowMs()));
  return exitOf(job);
}

/** Several side by side; the exit is `partial` when some went well and some did not. */
export async function followJobs(following: Following, jobIds: readonly string[]): Promise<ExitName | undefined> {
  if (jobIds.length === 1) return followJob(following, jobIds[0] ?? '');
  const exits: (ExitName | undefined)[] = [];
  for (const jobId of jobIds) {
    // One after another: those behind go on meanwhile, and are mostly at their end when it is their turn.
    exits.push(await followJob(following, jobId));
  }
  const bad = exits.filter((exit) => exit !== undefined);
  return bad.length > 0 && bad.length < exits.length ? 'partial' : bad[0];
}

async function waitForEnd({ api, out, signal, sleep }: Following, jobId: string): Promise<JobLine> {
  for (;;) {
    const job = await api.get(`/jobs/${encodeURIComponent(jobId)}`, jobLine);
    if (job.status !== 'running') return job;
    const { bytesDone, bytesTotal, rateBytesPerSecond, etaSeconds } = job.progress;
    out.step({
      what: `${job.vmName} ${job.phase}`,
      doneBytes: bytesDone,
      totalBytes: bytesTotal,
      bytesPerSecond: rateBytesPerSecond,
      etaSeconds,
    });
    await sleep(POLL_MS);
    if (signal.aborted) {
      out.note(`job ${jobId} goes on: blockferry jobs watch ${jobId}`);
      signal.throwIfAborted();
    }
  }
}

function exitOf({ status, error }: JobLine): ExitName | undefined {
  if (status === 'succeeded') return undefined;
  return error?.code.endsWith('.corrupt') || error?.code === 'store.mismatch' ? 'damaged' : 'failed';
}
