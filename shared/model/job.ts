/** One execution of a policy for one VM, or one restore. What GET /api/jobs/{id} shows and the catalog keeps. */
import { z } from 'zod';
import { jobIdSchema, pointIdSchema } from './ids';
import { transferStatsSchema } from './transfer';

export const jobPhases = [
  'queued',
  'snapshotting',
  'preparing',
  'transferring',
  'publishing',
  'verifying',
  'finishing',
  'ended',
] as const;
export const jobPhaseSchema = z.enum(jobPhases);
export type JobPhase = z.infer<typeof jobPhaseSchema>;

export const jobStatusSchema = z.enum(['running', 'succeeded', 'failed', 'canceled']);
export type JobStatus = z.infer<typeof jobStatusSchema>;

export const jobErrorSchema = z.strictObject({ code: z.string(), message: z.string() });

export const jobSchema = z.strictObject({
  id: jobIdSchema,
  kind: z.enum(['backup', 'restore']),
  vmId: z.string(),
  vmName: z.string(),
  region: z.string(),
  policy: z.string().optional(),
  trigger: z.enum(['schedule', 'request']),
  status: jobStatusSchema,
  phase: jobPhaseSchema,
  createdAt: z.string(),
  endedAt: z.string().optional(),
  cancelRequested: z.boolean(),
  pointId: pointIdSchema.optional(),
  /** Where a restore went: disk ids or image names by lun. */
  targets: z.array(z.strictObject({ lun: z.union([z.literal('os'), z.number()]), target: z.string() })).optional(),
  stats: transferStatsSchema.optional(),
  /** Notes an operator should see: a full read and why, an audit mismatch, a fallback. */
  notes: z.array(z.string()),
  error: jobErrorSchema.optional(),
});
export type Job = z.infer<typeof jobSchema>;
