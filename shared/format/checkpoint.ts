/**
 * How far a backup window has come, for the proxy that goes on with it. A sealed JSON record in the session's part of the
 * control bucket, replaced by compare-and-swap. It is a hint and nothing a restore point refers to: one that is lost or does
 * not fit costs a second reading. Its leaves name packs that are stored, and say where the blocks before `doneBytes` lie.
 */
import { z } from 'zod';
import { diskInfoSchema, type Lun } from '../model/machine';
import { type TransferStats, transferStatsSchema } from '../model/transfer';
import { parseRecord } from './records';
import { sessionPrefix, windowPart } from './store-keys';

export interface WindowCheckpoint {
  readonly version: 1;
  readonly lun: Lun;
  readonly index: number;
  readonly start: number;
  readonly end: number;
  readonly diskBytes: number;
  readonly snapshotId: string;
  /** The parent that the window builds on; absent when it is read in full. */
  readonly basePointId?: string;
  /** Why the window is read in full although a base was given. */
  readonly note?: string;
  /** Disk offset up to which everything is done, a multiple of the block size. */
  readonly doneBytes: number;
  readonly stats: TransferStats;
  /** Packs stored for the window so far, each named by an index segment. */
  readonly packs: readonly string[];
  /** Index segments written for the window so far. */
  readonly segments: number;
  /** Encoded leaves (base64) from the window's start to the leaf that holds `doneBytes`; what lies behind it counts as zeros. */
  readonly leaves: string;
  /** Random: no two bodies are equal, so an etag stands for one state only. */
  readonly nonce: string;
}

export const checkpointKey = (tenant: string, session: string, lun: Lun, window: number): string =>
  `${sessionPrefix(tenant, session)}c/${windowPart(lun, window)}`;

export const encodeCheckpoint = (checkpoint: WindowCheckpoint): Buffer =>
  Buffer.from(JSON.stringify(checkpoint), 'utf8');

const offset = z.number().int().min(0);
const checkpointSchema = z.strictObject({
  version: z.literal(1),
  lun: diskInfoSchema.shape.lun,
  index: offset,
  start: offset,
  end: offset,
  diskBytes: offset,
  snapshotId: z.string(),
  basePointId: z.string().optional(),
  note: z.string().optional(),
  doneBytes: offset,
  stats: transferStatsSchema,
  packs: z.array(z.string().regex(/^[0-9a-f]{32}$/)),
  segments: offset,
  leaves: z.string(),
  nonce: z.string(),
});

/** `manifest.corrupt` when it is no checkpoint, `format.unknown` when it is one of a newer version. */
export const decodeCheckpoint = (bytes: Buffer, name: string): WindowCheckpoint =>
  parseRecord(bytes, name, checkpointSchema) as WindowCheckpoint;
