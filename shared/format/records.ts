/**
 * Records of a session and a restore point as JSON inside a sealed object. Closed schemas on the way in:
 * whatever does not fit is `manifest.corrupt`, what a newer version may have meant is `format.unknown`.
 */
import { z } from 'zod';
import { AppError } from '../model/errors';
import { diskInfoSchema, type Lun } from '../model/machine';
import { type RestorePoint, restorePointSchema } from '../model/restore-point';
import { type TransferStats, transferStatsSchema } from '../model/transfer';
import type { LeafRefRun } from './manifest-root';

const RECORD_VERSION = 1;

export type SessionKind = 'BACKUP' | 'RESTORE' | 'VERIFY' | 'KEEP';
export type SessionState = 'PENDING' | 'COMMITTED' | 'EXPIRED' | 'GONE' | 'ABORTED';

/** An immutable object of the control bucket, relative to the tenant's prefix, and the digest of its stored bytes. */
export interface ObjectRef {
  readonly key: string;
  readonly digest: string;
}

/** Why a restore point must not expire. Set and taken away by people. */
export interface Hold {
  readonly reason: string;
  readonly by: string;
  readonly at: string;
}

/** How a restore point came to its end. */
export interface Expiry {
  readonly at: string;
  readonly by: string;
  readonly reason: string;
}

/** A session's register: the one place where it is decided whether its restore point exists. */
export interface Register {
  readonly version: 1;
  readonly kind: SessionKind;
  readonly vmKey: string;
  /** The collector's epoch in which the session began. */
  readonly epoch: number;
  readonly state: SessionState;
  /** True once the epoch was seen unchanged behind this register: before that, nothing may be read or written for the session. */
  readonly admitted: boolean;
  /** The condemned list that the session honours, whoever works for it. Absent: none was in force. */
  readonly condemned?: ObjectRef;
  /** Index segments that count for nothing any more, as the collector's state said when the session began. */
  readonly replaced?: ObjectRef;
  /** When it was committed, by the clock of who did it. COMMITTED, EXPIRED and GONE only, as are the next three. */
  readonly committedAt?: string;
  /** SHA-256 of the point record's stored bytes, and those bytes: anyone may finish the publishing. COMMITTED only. */
  readonly pointDigest?: string;
  readonly pointId?: string;
  readonly point?: string;
  readonly hold?: Hold;
  /** EXPIRED and GONE only. Until it is GONE it can be undone. */
  readonly expiry?: Expiry;
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

const count = z.number().int().min(0);
const text = z.string();
const refRunSchema = z.strictObject({
  count: z.number().int().positive(),
  at: z.strictObject({ object: text, digest: z.string().regex(/^[0-9a-f]{64}$/), ordinal: count }).optional(),
});
const kindSchema = z.enum(['BACKUP', 'RESTORE', 'VERIFY', 'KEEP']);
export const objectRefSchema = z.strictObject({ key: text, digest: z.string().regex(/^[0-9a-f]{64}$/) });
const instant = z.iso.datetime();

const registerSchema = z
  .strictObject({
    version: z.literal(RECORD_VERSION),
    kind: kindSchema,
    vmKey: text,
    epoch: count,
    state: z.enum(['PENDING', 'COMMITTED', 'EXPIRED', 'GONE', 'ABORTED']),
    admitted: z.boolean(),
    condemned: objectRefSchema.optional(),
    replaced: objectRefSchema.optional(),
    committedAt: instant.optional(),
    pointDigest: text.optional(),
    pointId: text.optional(),
    point: text.optional(),
    hold: z.strictObject({ reason: text, by: text, at: instant }).optional(),
    expiry: z.strictObject({ at: instant, by: text, reason: text }).optional(),
    beat: count,
    nonce: text,
  })
  .refine((register) => fitsItsState(register as Register));

/** A point stands in exactly the registers of backups that were committed, and its end in those where it ended. */
function fitsItsState({ state, kind, point, pointId, pointDigest, committedAt, hold, expiry }: Register): boolean {
  const ofPoint = [point, pointId, pointDigest, committedAt];
  if (state === 'PENDING' || state === 'ABORTED') return [...ofPoint, hold, expiry].every((part) => part === undefined);
  if (kind !== 'BACKUP' || ofPoint.some((part) => part === undefined)) return false;
  return (expiry !== undefined) === (state !== 'COMMITTED') && (hold === undefined || state === 'COMMITTED');
}

const factSchema = z.strictObject({
  version: z.literal(RECORD_VERSION),
  kind: kindSchema,
  lun: diskInfoSchema.shape.lun,
  index: count,
  start: count,
  end: count,
  diskBytes: count,
  stats: transferStatsSchema,
  note: text.optional(),
  refs: z.array(refRunSchema),
  packs: z.array(text),
});

export const decodeRegister = (bytes: Buffer, name: string): Register =>
  parseRecord(bytes, name, registerSchema) as Register;

export const decodeFact = (bytes: Buffer, name: string): WindowFact =>
  parseRecord(bytes, name, factSchema) as WindowFact;

export const decodePoint = (bytes: Buffer, name: string): RestorePoint => parseRecord(bytes, name, restorePointSchema);

/** A newer version and a field that this one does not know are `format.unknown`, by name; all else is damage. */
export function parseRecord<Value>(bytes: Buffer, name: string, schema: z.ZodType<Value>): Value {
  const value = parseJson(bytes, name);
  const { version } = value;
  if (typeof version === 'number' && version !== RECORD_VERSION) throw unknown(name, `record version ${version}`);
  const { data, error } = schema.safeParse(value);
  if (error === undefined) return data;
  for (const issue of error.issues) {
    if (issue.code !== 'unrecognized_keys') continue;
    throw unknown(name, `field ${[...issue.path, issue.keys[0]].join('.').slice(0, 100)}`);
  }
  throw misfit(name);
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

const unknown = (name: string, what: string): AppError =>
  new AppError('format.unknown', `${name} uses ${what}, which this version does not know; update Blockferry`, {
    context: { object: name },
  });
