/**
 * Records of a session and a restore point as JSON inside a sealed object. Parsed by hand or by the model's schemas on the
 * way in: whatever does not fit is `manifest.corrupt`.
 */
import { AppError } from '../model/errors';
import type { Lun } from '../model/machine';
import { type RestorePoint, restorePointSchema } from '../model/restore-point';
import { type TransferStats, transferStatsSchema } from '../model/transfer';
import type { LeafRefRun } from './manifest-root';

export type SessionKind = 'BACKUP' | 'RESTORE';
export type SessionState = 'PENDING' | 'COMMITTED' | 'ABORTED';

/** A session's register: the one place where it is decided whether its restore point exists. */
export interface Register {
  readonly version: 1;
  readonly kind: SessionKind;
  readonly vmKey: string;
  /** The collector's epoch in which the session began. */
  readonly epoch: number;
  readonly state: SessionState;
  /** SHA-256 of the point record's stored bytes, and those bytes: anyone may finish the publishing. COMMITTED only. */
  readonly pointDigest?: string;
  readonly pointId?: string;
  readonly point?: string;
  readonly beat: number;
  /** Random: no two bodies are equal, so an etag stands for one state only. */
  readonly nonce: string;
}

/** What a finished window says of itself. Written once. */
export interface WindowFact {
  readonly version: 1;
  readonly kind: SessionKind;
  readonly lun: Lun;
  readonly index: number;
  readonly start: number;
  readonly end: number;
  readonly diskBytes: number;
  readonly stats: TransferStats;
  /** Why the window was read in full although a base was given. */
  readonly note?: string;
  /** Backup: the leaves of the window's span, in order. */
  readonly refs: readonly LeafRefRun[];
  /** Backup: packs this window wrote. */
  readonly packs: readonly string[];
}

export const encodeRecord = (record: Register | WindowFact | RestorePoint): Buffer =>
  Buffer.from(JSON.stringify(record), 'utf8');

export function decodeRegister(bytes: Buffer, name: string): Register {
  const value = parseJson(bytes, name);
  const fits =
    value['version'] === 1 &&
    (value['kind'] === 'BACKUP' || value['kind'] === 'RESTORE') &&
    (value['state'] === 'PENDING' || value['state'] === 'COMMITTED' || value['state'] === 'ABORTED') &&
    typeof value['vmKey'] === 'string' &&
    Number.isSafeInteger(value['epoch']) &&
    Number.isSafeInteger(value['beat']) &&
    (value['state'] !== 'COMMITTED' || value['kind'] === 'RESTORE' || typeof value['point'] === 'string');
  if (!fits) throw misfit(name);
  return value as unknown as Register;
}

export function decodeFact(bytes: Buffer, name: string): WindowFact {
  const value = parseJson(bytes, name);
  const stats = transferStatsSchema.safeParse(value['stats']);
  const numbers = [value['index'], value['start'], value['end'], value['diskBytes']];
  const fits =
    value['version'] === 1 &&
    (value['kind'] === 'BACKUP' || value['kind'] === 'RESTORE') &&
    (value['lun'] === 'os' || Number.isSafeInteger(value['lun'])) &&
    numbers.every((number) => Number.isSafeInteger(number)) &&
    stats.success &&
    Array.isArray(value['refs']) &&
    value['refs'].every(isRefRun) &&
    Array.isArray(value['packs']);
  if (!fits) throw misfit(name);
  return value as unknown as WindowFact;
}

export function decodePoint(bytes: Buffer, name: string): RestorePoint {
  const parsed = restorePointSchema.safeParse(parseJson(bytes, name));
  if (!parsed.success) throw misfit(name);
  return parsed.data;
}

function isRefRun(run: unknown): boolean {
  if (typeof run !== 'object' || run === null || !('count' in run) || !Number.isSafeInteger(run.count)) return false;
  if (!('at' in run) || run.at === undefined) return true;
  const at = run.at as Record<string, unknown>;
  return typeof at['object'] === 'string' && typeof at['digest'] === 'string' && Number.isSafeInteger(at['ordinal']);
}

function parseJson(bytes: Buffer, name: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(bytes.toString('utf8'));
    if (typeof value === 'object' && value !== null) return value as Record<string, unknown>;
  } catch {
    // Falls through: no JSON and no object are the same news.
  }
  throw misfit(name);
}

const misfit = (name: string): AppError =>
  new AppError('manifest.corrupt', `${name} is no record of the kind expected there`, { context: { object: name } });
