/**
 * How far a backup window has come, for the proxy that goes on with it. A sealed JSON record in the session's part of the
 * control bucket, replaced by compare-and-swap. It is a hint and nothing a restore point refers to: one that is lost or does
 * not fit costs a second reading. Its leaves name packs that are stored, and say where the blocks before `doneBytes` lie.
 */
import { AppError } from '../model/errors';
import type { Lun } from '../model/machine';
import { type TransferStats, transferStatsSchema } from '../model/transfer';
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

/** `manifest.corrupt` when it is no checkpoint. */
export function decodeCheckpoint(bytes: Buffer, name: string): WindowCheckpoint {
  const misfit = (): AppError =>
    new AppError('manifest.corrupt', `${name} is no checkpoint of a window`, { context: { object: name } });
  let value: unknown;
  try {
    value = JSON.parse(bytes.toString('utf8'));
  } catch {
    throw misfit();
  }
  if (typeof value !== 'object' || value === null) throw misfit();
  const record = value as Record<string, unknown>;
  const { lun, index, start, end, diskBytes, doneBytes, segments, packs } = record;
  const texts = [record['snapshotId'], record['leaves'], record['nonce']];
  const optional = [record['basePointId'], record['note']];
  const fits =
    record['version'] === 1 &&
    (lun === 'os' || Number.isSafeInteger(lun)) &&
    [index, start, end, diskBytes, doneBytes, segments].every((number) => Number.isSafeInteger(number)) &&
    texts.every((text) => typeof text === 'string') &&
    optional.every((text) => text === undefined || typeof text === 'string') &&
    Array.isArray(packs) &&
    packs.every((pack) => typeof pack === 'string' && /^[0-9a-f]{32}$/.test(pack)) &&
    transferStatsSchema.safeParse(record['stats']).success;
  if (!fits) throw misfit();
  return record as unknown as WindowCheckpoint;
}
