/**
 * What the collector writes down: its state, changed by compare-and-swap only, and the lists that the state names by digest.
 * All of it lies below `gc/` in the control bucket.
 */
import { z } from 'zod';
import { type ObjectRef, objectRefSchema, parseRecord } from './records';

export type CollectorPhase = 'IDLE' | 'SWEEP' | 'DELETE';

/** What the last finished cycle left, for the guards of the next one. */
export interface LastCycle {
  /** Packs and manifest objects that must still be listed. */
  readonly units: number;
  /** Registers with a restore point, whatever became of it: they are never deleted. */
  readonly points: number;
  readonly endedAt: string;
}

export interface CollectorState {
  readonly version: 1;
  /** Grows by one with each published condemned list. */
  readonly epoch: number;
  readonly phase: CollectorPhase;
  /** SWEEP and DELETE: random name of the cycle, its condemned list, and from DELETE on what will be deleted, for good. */
  readonly cycle?: string;
  readonly condemned?: ObjectRef;
  readonly deleteSet?: ObjectRef;
  /** Index segments that name deleted units and are still there, under an object lock: they count for nothing. */
  readonly replaced?: ObjectRef;
  readonly last?: LastCycle;
  /** No cycle begins before: sessions that began before the control bucket was lost have ended by then. */
  readonly quietUntil?: string;
  /** Random: no two bodies are equal, so an etag stands for one state only. */
  readonly nonce: string;
}

/** The head of a list: its parts, and what the first mark knew. */
export interface CycleList {
  readonly version: 1;
  readonly purpose: 'condemned' | 'delete' | 'replaced';
  readonly epoch: number;
  readonly units: number;
  readonly bytes: number;
  readonly parts: readonly (ObjectRef & { readonly units: number })[];
  /** Condemned only: units that the cycle listed, for the next one's guard. */
  readonly listed?: number;
  /** Condemned only: sessions whose points the first mark has walked, or found gone. What is committed later is none of them. */
  readonly marked?: readonly string[];
  readonly gone?: readonly string[];
}

/** How far the lock keeper is. */
export interface KeeperState {
  readonly version: 1;
  readonly startedAt: string;
  readonly endedAt?: string;
  readonly extended: number;
  /** Earliest end of a lock that this run leaves behind. */
  readonly lockedUntil: string;
  readonly nonce: string;
}

const count = z.number().int().min(0);
const instant = z.iso.datetime();
const hex = z.string().regex(/^[0-9a-f]{32}$/);

const stateSchema = z
  .strictObject({
    version: z.literal(1),
    epoch: count,
    phase: z.enum(['IDLE', 'SWEEP', 'DELETE']),
    cycle: hex.optional(),
    condemned: objectRefSchema.optional(),
    deleteSet: objectRefSchema.optional(),
    replaced: objectRefSchema.optional(),
    last: z.strictObject({ units: count, points: count, endedAt: instant }).optional(),
    quietUntil: instant.optional(),
    nonce: hex,
  })
  .refine(
    ({ phase, cycle, condemned, deleteSet }) =>
      (cycle !== undefined) === (phase !== 'IDLE') &&
      (condemned !== undefined) === (phase !== 'IDLE') &&
      (deleteSet !== undefined) === (phase === 'DELETE'),
  );

const listSchema = z.strictObject({
  version: z.literal(1),
  purpose: z.enum(['condemned', 'delete', 'replaced']),
  epoch: count,
  units: count,
  bytes: count,
  parts: z.array(z.strictObject({ ...objectRefSchema.shape, units: count })),
  listed: count.optional(),
  marked: z.array(z.string()).optional(),
  gone: z.array(z.string()).optional(),
});

const keeperSchema = z.strictObject({
  version: z.literal(1),
  startedAt: instant,
  endedAt: instant.optional(),
  extended: count,
  lockedUntil: instant,
  nonce: hex,
});

export const encodeCollectorRecord = (record: CollectorState | CycleList | KeeperState): Buffer =>
  Buffer.from(JSON.stringify(record), 'utf8');

export const decodeCollectorState = (bytes: Buffer, name: string): CollectorState =>
  parseRecord(bytes, name, stateSchema) as CollectorState;

export const decodeCycleList = (bytes: Buffer, name: string): CycleList =>
  parseRecord(bytes, name, listSchema) as CycleList;

export const decodeKeeperState = (bytes: Buffer, name: string): KeeperState =>
  parseRecord(bytes, name, keeperSchema) as KeeperState;
