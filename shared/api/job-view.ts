/** A job as callers see it: the record, and how far it is. Pure. */
import type { JobPlan, JobProgress } from '../catalog/job-progress';
import type { Job } from '../model/job';

export interface ProgressView {
  readonly bytesTotal: number;
  /** Bytes of the disks behind us, whether read, unchanged or zero. */
  readonly bytesDone: number;
  /** 0 to 100, one decimal; 100 only when the job has succeeded. */
  readonly percent: number;
  readonly windowsTotal: number;
  readonly windowsDone: number;
  /** Bytes read or written a second in the last moments; 0 when the job has ended. */
  readonly rateBytesPerSecond: number;
  /** null: unknown, or nothing more to wait for. */
  readonly etaSeconds: number | null;
}

export type JobView = Job & { readonly progress: ProgressView };

/** Rows of an ended job are not read: its own figures are exact. */
export function viewOfEnded(job: Job, plan: JobPlan | undefined): JobView {
  const bytesTotal = plan?.bytesTotal ?? 0;
  const succeeded = job.status === 'succeeded';
  const bytesDone = succeeded ? bytesTotal : Math.min(bytesTotal, job.stats?.logicalBytes ?? 0);
  return {
    ...job,
    progress: {
      bytesTotal,
      bytesDone,
      percent: succeeded ? 100 : percentOf(bytesDone, bytesTotal),
      windowsTotal: plan?.windowsTotal ?? 0,
      windowsDone: succeeded ? (plan?.windowsTotal ?? 0) : 0,
      rateBytesPerSecond: 0,
      etaSeconds: null,
    },
  };
}

export function viewOfRunning(job: Job, plan: JobPlan | undefined, progress: JobProgress): JobView {
  const bytesTotal = plan?.bytesTotal ?? 0;
  const bytesDone = Math.min(bytesTotal, progress.bytesDone);
  const pace = progress.paceBytesPerSecond;
  const bytesLeft = bytesTotal - bytesDone;
  return {
    ...job,
    stats: job.stats ?? progress.stats,
    progress: {
      bytesTotal,
      bytesDone,
      percent: Math.min(99.9, percentOf(bytesDone, bytesTotal)),
      windowsTotal: plan?.windowsTotal ?? 0,
      windowsDone: progress.windowsDone,
      rateBytesPerSecond: progress.rateBytesPerSecond,
      etaSeconds: pace > 0 && bytesLeft > 0 ? Math.ceil(bytesLeft / pace) : null,
    },
  };
}

const percentOf = (done: number, total: number): number => (total === 0 ? 0 : Math.floor((done * 1000) / total) / 10);
