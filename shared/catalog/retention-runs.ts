/** How the last runs of retention and collector ended, newest first: what a person is asked stands there. */
import { z } from 'zod';
import { parseRecord } from './parse-record';
import type { RecordStore } from './record-store';

const tally = z.strictObject({ units: z.number(), bytes: z.number() });

export const retentionRunSchema = z.strictObject({
  runId: z.string(),
  trigger: z.enum(['schedule', 'request']),
  endedAt: z.string(),
  vms: z.number(),
  expired: z.number(),
  held: z.number(),
  returned: z.number(),
  gone: z.number(),
  collection: z
    .strictObject({
      outcome: z.enum(['closed', 'open', 'nothing', 'asks', 'not-now']),
      why: z.string().optional(),
      listed: tally.optional(),
      condemned: tally.optional(),
      locked: tally.optional(),
      livePoints: z.number().optional(),
      stops: z.array(z.strictObject({ reason: z.string(), message: z.string() })).readonly(),
      deleted: tally.optional(),
      fenced: z.array(z.string()).readonly(),
    })
    .optional(),
  failure: z.strictObject({ code: z.string(), message: z.string() }).optional(),
});
export type RetentionRun = z.infer<typeof retentionRunSchema>;

export interface RetentionRuns {
  /** Safe to repeat. */
  end(run: RetentionRun): Promise<void>;
  /** The last so many. */
  list(limit: number): Promise<RetentionRun[]>;
}

const PARTITION = 'retention-runs';
/** Runs that are kept: some months of nights. */
const RUNS_MAX = 100;

export function createRetentionRuns(records: RecordStore): RetentionRuns {
  const all = async (): Promise<RetentionRun[]> => {
    const runs: RetentionRun[] = [];
    for await (const { id, value } of records.list(PARTITION))
      runs.push(parseRecord(retentionRunSchema, `retention run ${id}`, value));
    return runs.toSorted((a, b) => (a.endedAt < b.endedAt ? 1 : -1));
  };
  return {
    async end(run) {
      await records.put(PARTITION, run.runId, parseRecord(retentionRunSchema, `retention run ${run.runId}`, run));
      for (const { runId } of (await all()).slice(RUNS_MAX)) await records.remove(PARTITION, runId);
    },
    list: async (limit) => (await all()).slice(0, limit),
  };
}
