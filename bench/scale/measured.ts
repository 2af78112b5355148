/** The counted job: output of `measure-main`, kept beside the code. */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { z } from 'zod';

const count = z.number().int().min(0);
const jobCountsSchema = z.strictObject({
  armReads: count,
  armWrites: count,
  armDeletes: count,
  diskReads: count,
  s3Reads: count,
  s3Writes: count,
  s3Lists: count,
  stsCalls: count,
  instances: count,
  turns: count,
  activities: count,
});
export type JobCounts = z.infer<typeof jobCountsSchema>;

const measuredSchema = z.strictObject({
  disks: count,
  windowsPerDisk: count,
  pollMs: count,
  full: jobCountsSchema,
  incremental: jobCountsSchema,
});

export function readMeasured(root: string): z.infer<typeof measuredSchema> {
  const file = path.join(root, 'bench', 'scale', 'measured.json');
  return measuredSchema.parse(JSON.parse(readFileSync(file, 'utf8')));
}
