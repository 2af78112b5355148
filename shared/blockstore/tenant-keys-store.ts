/**
 * The envelopes of a tenant as they lie in the two buckets. Each is written twice with the same bytes, data bucket first: its
 * policy refuses overwriting, so it decides which of two racing writers was first. What is found is not believed here.
 */
import { boundedMap } from '../base/bounded-map';
import type { Logger } from '../base/logger';
import { decodeEnvelope, type KeyEnvelope, rootGeneration } from '../format/key-envelope';
import { envelopeKey, envelopePrefix, tenantPrefix } from '../format/store-keys';
import { AppError, isAppError } from '../model/errors';
import type { StorePair } from './object-store';

export type EnvelopeBucket = keyof StorePair;
export const envelopeBuckets = ['data', 'control'] as const satisfies readonly EnvelopeBucket[];

export interface EnvelopePlace {
  readonly stores: StorePair;
  readonly tenant: string;
  readonly logger: Logger;
  readonly signal?: AbortSignal | undefined;
}

export interface EnvelopeCopy {
  readonly bucket: EnvelopeBucket;
  readonly stored: Buffer;
  readonly envelope: KeyEnvelope;
}

/** One name, and in which buckets something lies under it. */
export interface EnvelopeName {
  readonly rewrap: number;
  readonly buckets: ReadonlySet<EnvelopeBucket>;
}

const signalOf = (place: EnvelopePlace) => (place.signal ? { signal: place.signal } : {});

/** Oldest first, from both buckets; at most as many as there are numbers. `format.unknown` for a generation of root keys from a newer version. */
export async function listEnvelopes(place: EnvelopePlace): Promise<EnvelopeName[]> {
  const found = new Map<number, Set<EnvelopeBucket>>();
  const prefix = envelopePrefix(place.tenant);
  await boundedMap(envelopeBuckets, envelopeBuckets.length, async (bucket) => {
    for await (const { key } of place.stores[bucket].list(prefix, signalOf(place))) {
      const rewrap = rewrapOf(place, bucket, key);
      if (rewrap === undefined) continue;
      found.set(rewrap, (found.get(rewrap) ?? new Set<EnvelopeBucket>()).add(bucket));
    }
  });
  return [...found].map(([rewrap, buckets]) => ({ rewrap, buckets })).sort((a, b) => a.rewrap - b.rewrap);
}

/** undefined for what is no envelope's name: it does not keep a tenant from its key. */
function rewrapOf(place: EnvelopePlace, bucket: EnvelopeBucket, object: string): number | undefined {
  const name = object.slice(envelopePrefix(place.tenant).length);
  const [, generation, rewrap] = /^(\d{1,6})\/(0|[1-9]\d{0,3})$/.exec(name) ?? [];
  if (generation === undefined || rewrap === undefined) {
    place.logger.warn('an object among the key envelopes is none; it is ignored', { bucket, object });
    return undefined;
  }
  if (Number(generation) === rootGeneration) return Number(rewrap);
  throw new AppError(
    'format.unknown',
    `${object} is a key envelope of root key generation ${generation}, which this version does not know; update Blockferry`,
    { context: { object } },
  );
}

/** Does the tenant hold anything but envelopes? Then a missing envelope means a lost key, not a new tenant. */
export async function hasData({ stores, tenant, signal }: EnvelopePlace): Promise<boolean> {
  for (const bucket of envelopeBuckets) {
    for await (const { key } of stores[bucket].list(tenantPrefix(tenant), signal ? { signal } : {})) {
      if (!key.startsWith(envelopePrefix(tenant))) return true;
    }
  }
  return false;
}

export interface ReadEnvelope {
  readonly name: EnvelopeName;
  /** Readable ones; two only when they differ. */
  readonly copies: readonly EnvelopeCopy[];
  /** Why a copy could not be read. */
  readonly problems: readonly AppError[];
}

/** Both copies, compared. A copy that is lost or damaged is reported; the other one serves. */
export async function readEnvelope(place: EnvelopePlace, name: EnvelopeName): Promise<ReadEnvelope> {
  const object = envelopeKey(place.tenant, rootGeneration, name.rewrap);
  const problems: AppError[] = [];
  const found = await boundedMap(name.buckets, envelopeBuckets.length, async (bucket) => {
    try {
      const { body } = await place.stores[bucket].get(object, signalOf(place));
      return { bucket, stored: body, envelope: decodeEnvelope(body, object) };
    } catch (error) {
      if (!isAppError(error) || !['key.corrupt', 'store.not-found'].includes(error.code)) throw error;
      place.logger.error('a copy of a key envelope cannot be used; the other bucket must serve', {
        bucket,
        object,
        code: error.code,
      });
      problems.push(error);
      return undefined;
    }
  });
  const [first, second] = found.filter((copy) => copy !== undefined);
  if (!first) return { name, copies: [], problems };
  if (!second || second.stored.equals(first.stored)) return { name, copies: [first], problems };
  place.logger.error('the two copies of a key envelope differ', { object });
  return { name, copies: [first, second], problems };
}

/**
 * Writes an envelope that nobody has written yet. false when another was first: then nothing of ours is in either bucket.
 * Repeatable: a crash between the two puts is healed by `repairCopies`.
 */
export async function putEnvelope(place: EnvelopePlace, rewrap: number, stored: Buffer): Promise<boolean> {
  const object = envelopeKey(place.tenant, rootGeneration, rewrap);
  for (const bucket of envelopeBuckets) {
    const { outcome } = await place.stores[bucket].putOnce(object, stored, signalOf(place));
    if (outcome === 'created') continue;
    if (bucket === 'data') return false;
    throw new AppError(
      'key.corrupt',
      `${object} has other bytes in the ${bucket} bucket than in the data bucket; see docs/keys.md`,
      { context: { object, bucket } },
    );
  }
  return true;
}

/** Puts what was authenticated where it is missing. What lies there already is never touched. */
export async function repairCopies(place: EnvelopePlace, name: EnvelopeName, stored: Buffer): Promise<void> {
  const object = envelopeKey(place.tenant, rootGeneration, name.rewrap);
  for (const bucket of envelopeBuckets.filter((known) => !name.buckets.has(known))) {
    try {
      const { outcome } = await place.stores[bucket].putOnce(object, stored, signalOf(place));
      place.logger.warn('a key envelope was missing in one bucket', { bucket, object, outcome });
    } catch (error) {
      // The key itself is at hand: a backup or restore does not fail for the sake of the second copy.
      if (!isAppError(error)) throw error;
      place.logger.error('a key envelope is missing in one bucket and cannot be put back', {
        bucket,
        object,
        code: error.code,
      });
    }
  }
}
