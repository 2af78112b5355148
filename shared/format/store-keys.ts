/**
 * Where everything lies in the two buckets. Keys are made of our own ids only (their schemas admit no '/', '.' or '%'), so
 * no name from outside can leave the tenant's prefix.
 */
import { createHash } from 'node:crypto';
import type { Lun } from '../model/machine';

export const tenantPrefix = (tenant: string): string => `t/${tenant}/`;

/** A pack. `unit`: 16 random bytes. */
export function unitKey(tenant: string, unit: Buffer): string {
  const hex = unit.toString('hex');
  return `${unitPrefix(tenant, hex.slice(0, 2))}${hex}`;
}

export const unitPrefix = (tenant: string, firstByteHex: string): string => `${tenantPrefix(tenant)}u/${firstByteHex}/`;

export const segmentPrefix = (tenant: string): string => `${tenantPrefix(tenant)}x/`;

/**
 * An index segment. `attempt` counts what a window that was broken off has left behind: keys are written once, so the next
 * attempt takes the next name.
 */
export const segmentKey = (tenant: string, epoch: number, session: string, part: string, attempt: number): string =>
  `${segmentPrefix(tenant)}${epoch}/${session}/${part}${attemptSuffix(attempt)}`;

/** Keys of manifests are kept relative to the tenant's prefix, so that records survive a move of the tenant. */
export const leavesKey = (session: string, part: string, attempt: number): string =>
  `m/${session}/${part}${attemptSuffix(attempt)}`;
export const rootKeyOf = (session: string, lun: Lun): string => `m/${session}/${lun}-root`;
export const manifestPrefix = (session: string): string => `m/${session}/`;

export const pointPrefix = (tenant: string, vmKey?: string): string =>
  `${tenantPrefix(tenant)}p/${vmKey === undefined ? '' : `${vmKey}/`}`;
export const pointKey = (tenant: string, vmKey: string, pointId: string): string =>
  `${pointPrefix(tenant, vmKey)}${pointId}`;

/** No key is another one's folder: a plain copy of a bucket into a file system keeps every object. */
export const sessionPrefix = (tenant: string, session: string): string => `${tenantPrefix(tenant)}s/${session}/`;
/** Envelopes of the tenant's root key, in both buckets. */
export const envelopePrefix = (tenant: string): string => `${tenantPrefix(tenant)}k/`;
export const envelopeKey = (tenant: string, generation: number, rewrap: number): string =>
  `${envelopePrefix(tenant)}${generation}/${rewrap}`;

export const registerKey = (tenant: string, session: string): string => `${sessionPrefix(tenant, session)}register`;
export const factPrefix = (tenant: string, session: string): string => `${sessionPrefix(tenant, session)}w/`;
export const factKey = (tenant: string, session: string, lun: Lun, window: number): string =>
  `${factPrefix(tenant, session)}${windowPart(lun, window)}`;
/** Written when a restore window begins: who finds it there resumes another's work. */
export const begunKey = (tenant: string, session: string, lun: Lun, window: number): string =>
  `${sessionPrefix(tenant, session)}b/${windowPart(lun, window)}`;

export const windowPart = (lun: Lun, window: number): string => `${lun}-${window}`;

/** What the collector keeps of itself. */
export const collectorPrefix = (tenant: string): string => `${tenantPrefix(tenant)}gc/`;
export const collectorStateKey = (tenant: string): string => `${collectorPrefix(tenant)}state`;
export const keeperStateKey = (tenant: string): string => `${collectorPrefix(tenant)}keeper`;
/** Lists of one cycle; `cycle` is random, so that two collectors of one epoch never write under one name. */
export const cyclePrefix = (tenant: string, epoch: number, cycle: string): string =>
  `${collectorPrefix(tenant)}${epoch}/${cycle}/`;

/** SHA-256 of stored bytes, hex: how records name the exact bytes they mean. */
export const digestOf = (stored: Buffer): string => createHash('sha256').update(stored).digest('hex');

const attemptSuffix = (attempt: number): string => (attempt === 0 ? '' : `.${attempt}`);
