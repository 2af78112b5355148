/**
 * The one place where the control plane and the data plane meet: messages on a region's storage queue. Ids and counts only:
 * a queue message is stored, so it carries no SAS, token or key. The data proxy asks for those itself.
 */
import { z } from 'zod';
import { jobIdSchema, pointIdSchema, regionSchema, tenantIdSchema } from './ids';
import { limits } from './limits';

const lunSchema = z.union([z.literal('os'), z.number().int().min(0).max(63)]);

const windowSchema = z.strictObject({
  /** Position among the disk's windows, from 0. */
  index: z.number().int().min(0),
  start: z.number().int().min(0),
  /** Exclusive; at most the disk size. start is a multiple of the leaf span. */
  end: z.number().int().positive(),
});
export type Window = z.infer<typeof windowSchema>;

const transferBase = {
  version: z.literal(1),
  tenant: tenantIdSchema,
  region: regionSchema,
  /** Instance id of the job's orchestration; also the id of the repository session. */
  jobId: jobIdSchema,
  /** Resource key (hash) of the protected VM: part of store keys. */
  vmKey: z.string().regex(/^[0-9a-f]{16}$/),
  lun: lunSchema,
  diskBytes: z.number().int().positive(),
  window: windowSchema,
};

/** Copy one window of a snapshot into the repository. */
export const backupTransferSchema = z.strictObject({
  kind: z.literal('backup'),
  ...transferBase,
  snapshotId: z.string(),
  /** zstd level of new frames, as the policy says; absent: the default. */
  zstdLevel: z.number().int().min(1).max(limits.zstdLevelMax).optional(),
  /** Present only when every lineage check passed: then only page ranges that differ from it are read. */
  base: z.strictObject({ snapshotId: z.string(), pointId: pointIdSchema }).optional(),
});

/** Copy one window of a restore point's disk to a target. */
export const restoreTransferSchema = z.strictObject({
  kind: z.literal('restore'),
  ...transferBase,
  pointId: pointIdSchema,
  target: z.discriminatedUnion('kind', [
    /** A raw image file `<name>` in the data proxy's image directory; safe characters only. */
    z.strictObject({ kind: z.literal('image'), name: z.string().regex(/^[a-z0-9][a-z0-9.-]{0,120}$/) }),
    /** A managed disk in state ActiveUpload. */
    z.strictObject({ kind: z.literal('disk'), diskId: z.string() }),
  ]),
});

export const transferSchema = z.discriminatedUnion('kind', [backupTransferSchema, restoreTransferSchema]);
export type BackupTransfer = z.infer<typeof backupTransferSchema>;
export type RestoreTransfer = z.infer<typeof restoreTransferSchema>;
export type Transfer = z.infer<typeof transferSchema>;

/** What a window cost and moved. Sums of these are the job's figures. */
export const transferStatsSchema = z.strictObject({
  /** Span of the window. */
  logicalBytes: z.number().int().min(0),
  /** Bytes that page ranges called allocated (full) or changed (incremental), aligned to blocks. */
  changedBytes: z.number().int().min(0),
  /** Bytes read from the snapshot (backup) or written to the target (restore), audit included. */
  readBytes: z.number().int().min(0),
  auditBytes: z.number().int().min(0),
  zeroBytes: z.number().int().min(0),
  /** Bytes of blocks the repository already had. */
  dedupBytes: z.number().int().min(0),
  /** Bytes of new blocks, before compression. */
  newBytes: z.number().int().min(0),
  /** Bytes of packs, index segments and manifests written to S3. */
  storedBytes: z.number().int().min(0),
  packs: z.number().int().min(0),
  storeWrites: z.number().int().min(0),
  storeReads: z.number().int().min(0),
});
export type TransferStats = z.infer<typeof transferStatsSchema>;

/** From a data proxy back to the control plane, on the queue `transfer-events`. A hint: the facts are in the store. */
export const transferEventSchema = z.discriminatedUnion('kind', [
  z.strictObject({
    kind: z.literal('progress'),
    jobId: jobIdSchema,
    lun: lunSchema,
    windowIndex: z.number().int().min(0),
    stats: transferStatsSchema,
    at: z.number(),
  }),
  z.strictObject({
    kind: z.literal('finished'),
    jobId: jobIdSchema,
    lun: lunSchema,
    windowIndex: z.number().int().min(0),
    stats: transferStatsSchema,
    at: z.number(),
  }),
  z.strictObject({
    kind: z.literal('failed'),
    jobId: jobIdSchema,
    lun: lunSchema,
    windowIndex: z.number().int().min(0),
    code: z.string(),
    message: z.string(),
    /** The same message will be tried again by the queue; false = no use. */
    retryable: z.boolean(),
    at: z.number(),
  }),
]);
export type TransferEvent = z.infer<typeof transferEventSchema>;

export const transferQueueName = (region: string): string => `transfers-${region}`;
export const transferEventQueueName = 'transfer-events';

export const emptyStats: TransferStats = {
  logicalBytes: 0,
  changedBytes: 0,
  readBytes: 0,
  auditBytes: 0,
  zeroBytes: 0,
  dedupBytes: 0,
  newBytes: 0,
  storedBytes: 0,
  packs: 0,
  storeWrites: 0,
  storeReads: 0,
};

export function addStats(a: TransferStats, b: TransferStats): TransferStats {
  const sum: Record<string, number> = {};
  for (const key of Object.keys(emptyStats) as (keyof TransferStats)[]) sum[key] = a[key] + b[key];
  return sum as TransferStats;
}

/** Cuts a disk into windows. `windowBytes` is a multiple of the leaf span. */
export function planWindows(diskBytes: number, windowBytes: number): Window[] {
  const windows: Window[] = [];
  for (let start = 0; start < diskBytes; start += windowBytes) {
    windows.push({ index: windows.length, start, end: Math.min(diskBytes, start + windowBytes) });
  }
  return windows;
}
