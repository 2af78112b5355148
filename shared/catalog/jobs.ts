/**
 * Jobs, and how far they are. The job itself changes seldom and is guarded by its etag; progress is one row per window,
 * written by events that come late, twice and out of order, so each row only ever moves forward.
 */
import type { Clock } from '../base/clock';
import { AppError, isAppError } from '../model/errors';
import { resourceKey } from '../model/ids';
import { type Job, type JobStatus, jobSchema } from '../model/job';
import type { TransferEvent } from '../model/transfer';
import {
  type JobPlan,
  type JobProgress,
  jobPlanSchema,
  mergeWindow,
  sumProgress,
  windowRowSchema,
} from './job-progress';
import type { Page } from './page';
import { parseRecord } from './parse-record';
import type { RecordStore } from './record-store';
import { createTimeIndex } from './time-index';
import { updateRecord } from './update-record';

export interface JobFilter {
  readonly status?: JobStatus | undefined;
  readonly vmId?: string | undefined;
  readonly limit: number;
  readonly cursor?: string | undefined;
}

export interface Jobs {
  /** Writes a new job. One of that id already there stays as it is: `created` is false and `job` is the stored one. */
  create(job: Job): Promise<{ readonly created: boolean; readonly job: Job }>;
  read(jobId: string): Promise<Job | undefined>;
  /**
   * `change` may run several times and must have no effects; returning the very object it got writes nothing.
   * `record.not-found` for an unknown job, `record.conflict` (retryable) when others keep changing it.
   */
  update(jobId: string, change: (job: Job) => Job): Promise<Job>;
  /** Newest first. A page may be short although more follow: see `nextCursor`. */
  list(filter: JobFilter): Promise<Page<Job>>;
  /** How much there is to do. Replaces an earlier plan of the same job. */
  setPlan(jobId: string, plan: JobPlan): Promise<void>;
  readPlan(jobId: string): Promise<JobPlan | undefined>;
  /** In any order, any number of times: a row never goes back in time and a finished window stays finished. */
  putProgress(event: TransferEvent): Promise<void>;
  progress(jobId: string): Promise<JobProgress>;
}

const PARTITION = 'jobs';
const PLANS = 'job-plans';
const progressPartition = (jobId: string): string => `job-progress-${jobId}`;

/** Index entries looked at for one page: a filter that matches little answers with a short page instead of a long wait. */
const SCANNED_PER_PAGE_MAX = 1000;

export function createJobs(records: RecordStore, clock: Clock): Jobs {
  const byTime = createTimeIndex(records, 'jobs-by-time', { bucketed: true });
  const running = createTimeIndex(records, 'jobs-running', { bucketed: false });
  const byVm = (vmId: string) => createTimeIndex(records, `jobs-of-${resourceKey(vmId)}`, { bucketed: false });

  const read = async (jobId: string): Promise<Job | undefined> => {
    const record = await records.read(PARTITION, jobId);
    return record && parseRecord(jobSchema, `job ${jobId}`, record.value);
  };

  return {
    read,

    async create(job) {
      const parsed = parseRecord(jobSchema, `job ${job.id}`, job);
      // Indexes first: an entry without a job is skipped by lists, a job without an entry would never be seen by one.
      await byTime.add(parsed.createdAt, parsed.id, {});
      await byVm(parsed.vmId).add(parsed.createdAt, parsed.id, {});
      if (parsed.status === 'running') await running.add(parsed.createdAt, parsed.id, {});
      try {
        await records.create(PARTITION, job.id, parsed);
        return { created: true, job: parsed };
      } catch (error) {
        if (!isAppError(error, 'record.conflict')) throw error;
        return { created: false, job: (await read(job.id)) ?? parsed };
      }
    },

    async update(jobId, change) {
      const changed = await updateRecord(
        records,
        { partition: PARTITION, id: jobId },
        (value) => parseRecord(jobSchema, `job ${jobId}`, value),
        (current) => {
          if (current === undefined) throw notFound(jobId);
          const next = change(current);
          return next === current ? undefined : parseRecord(jobSchema, `job ${jobId}`, next);
        },
      );
      if (changed === undefined) throw notFound(jobId);
      if (changed.status !== 'running') await running.remove(changed.createdAt, jobId);
      return changed;
    },

    async list({ status, vmId, limit, cursor }) {
      const items: Job[] = [];
      const index = vmId !== undefined ? byVm(vmId) : status === 'running' ? running : byTime;
      let scanned = 0;
      let last: string | undefined;
      for await (const entry of index.newestFirst(cursor)) {
        // One entry further than the page: only then is there a next page to speak of.
        if (items.length >= limit || scanned >= SCANNED_PER_PAGE_MAX) return nextPage(items, last);
        scanned += 1;
        last = entry.cursor;
        const job = await read(entry.key);
        // A create that was repeated, or was beaten to the id, left an entry at another time than the job's.
        if (job === undefined || Date.parse(job.createdAt) !== entry.atMs) continue;
        if (status === undefined || job.status === status) items.push(job);
      }
      return { items };
    },

    async setPlan(jobId, plan) {
      await records.put(PLANS, jobId, parseRecord(jobPlanSchema, `the plan of job ${jobId}`, plan));
    },

    async readPlan(jobId) {
      const record = await records.read(PLANS, jobId);
      return record && parseRecord(jobPlanSchema, `the plan of job ${jobId}`, record.value);
    },

    async putProgress(event) {
      const id = `${event.lun}~${String(event.windowIndex).padStart(6, '0')}`;
      await updateRecord(
        records,
        { partition: progressPartition(event.jobId), id },
        (value) => parseRecord(windowRowSchema, `progress ${event.jobId}/${id}`, value),
        (current) => mergeWindow(current, event),
      );
    },

    async progress(jobId) {
      const windows = [];
      for await (const record of records.list(progressPartition(jobId))) {
        windows.push(parseRecord(windowRowSchema, `progress ${jobId}/${record.id}`, record.value));
      }
      return sumProgress(windows, clock.now());
    },
  };
}

const notFound = (jobId: string): AppError => new AppError('record.not-found', `no job ${jobId}`);

const nextPage = (items: readonly Job[], cursor: string | undefined): Page<Job> =>
  cursor === undefined ? { items } : { items, nextCursor: cursor };
