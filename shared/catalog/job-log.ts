/** What happened in a job, in sentences an operator can read. Bounded; each line once, however often its writer repeats. */
import { z } from 'zod';
import type { Clock } from '../base/clock';
import { isAppError } from '../model/errors';
import { parseRecord } from './parse-record';
import type { RecordStore } from './record-store';

export const jobLogLineSchema = z.strictObject({
  at: z.string(),
  level: z.enum(['info', 'warn', 'error']),
  message: z.string(),
  /** Of the error that the line is about. */
  code: z.string().optional(),
});
export type JobLogLine = z.infer<typeof jobLogLineSchema>;

export interface JobLog {
  /**
   * `key` tells the line apart within its job: the same key again changes nothing, so that an activity may be repeated. Never
   * fails its caller: a line that cannot be written is lost, the job goes on.
   */
  write(jobId: string, key: string, line: Omit<JobLogLine, 'at'>): Promise<void>;
  /** Oldest first. */
  read(jobId: string): Promise<JobLogLine[]>;
}

/** A disk of 32 TiB has some thousand windows, with a line each. */
const LINES_MAX = 5000;
const MESSAGE_CHARS_MAX = 2000;
const partitionOf = (jobId: string): string => `job-log-${jobId}`;

export function createJobLog(records: RecordStore, clock: Clock, onFailure: () => void = () => undefined): JobLog {
  return {
    async write(jobId, key, line) {
      const message = line.message.slice(0, MESSAGE_CHARS_MAX);
      const at = new Date(clock.now()).toISOString();
      try {
        await records.create(partitionOf(jobId), key, { ...line, message, at });
      } catch (error) {
        if (!isAppError(error, 'record.conflict')) onFailure();
      }
    },

    async read(jobId) {
      const lines: JobLogLine[] = [];
      for await (const { id, value } of records.list(partitionOf(jobId))) {
        if (lines.length >= LINES_MAX) break;
        lines.push(parseRecord(jobLogLineSchema, `line ${id} of the log of job ${jobId}`, value));
      }
      return lines.sort((a, b) => (a.at < b.at ? -1 : a.at > b.at ? 1 : 0));
    },
  };
}
