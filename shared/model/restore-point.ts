/** What a user can go back to: all disks of one VM at one time. The record in S3 is the truth; the catalog is a copy. */
import { z } from 'zod';
import { jobIdSchema, pointIdSchema, tenantIdSchema } from './ids';
import { diskInfoSchema, machineSchema } from './machine';
import { transferStatsSchema } from './transfer';

export const pointDiskSchema = z.strictObject({
  lun: diskInfoSchema.shape.lun,
  sizeBytes: z.number().int().positive(),
  /** Key of the disk manifest's root object, relative to the tenant's prefix, and the digest of its stored bytes. */
  manifestKey: z.string(),
  manifestDigest: z.string(),
  mode: z.enum(['full', 'incremental']),
  /** Why a full read was made although an earlier point existed. */
  fullReason: z.string().optional(),
  snapshotTakenAt: z.string(),
  stats: transferStatsSchema,
});
export type PointDisk = z.infer<typeof pointDiskSchema>;

export const consistencySchema = z.enum(['crash-per-disk', 'crash-multi-disk', 'app']);

export const restorePointSchema = z.strictObject({
  version: z.literal(1),
  id: pointIdSchema,
  tenant: tenantIdSchema,
  jobId: jobIdSchema,
  vmKey: z.string(),
  createdAt: z.string(),
  policy: z.string().optional(),
  consistency: consistencySchema,
  /** Span between the first and the last snapshot of the point. */
  skewMs: z.number().min(0),
  machine: machineSchema,
  disks: z.array(pointDiskSchema).min(1),
  /** Luns left out by the policy: the point is partial then, and says so. */
  excludedLuns: z.array(z.number().int()),
  /** Digest of the previous point record of this VM: the points form a chain, a hole or fork shows. */
  previousDigest: z.string().optional(),
});
export type RestorePoint = z.infer<typeof restorePointSchema>;
