/**
 * A repository: one tenant's prefix in the two buckets, with its keys. Everything in it is sealed and bound to its place, so
 * the two helpers here are the only way in and out for all that is not a pack.
 */
import { randomBytes as secureRandomBytes } from 'node:crypto';
import type { Clock } from '../base/clock';
import type { Logger } from '../base/logger';
import { deriveKeys, type RepositoryKeys } from '../format/keys';
import { type ObjectIdentity, openObject, requireSameKey, sealObject } from '../format/seal';
import { digestOf, segmentPrefix, tenantPrefix } from '../format/store-keys';
import { AppError } from '../model/errors';
import type { KeySource, StorePair } from './object-store';

export interface Repository {
  readonly tenant: string;
  readonly stores: StorePair;
  readonly keys: RepositoryKeys;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly randomBytes: (count: number) => Buffer;
}

export interface RepositoryOptions {
  readonly stores: StorePair;
  readonly tenant: string;
  readonly keys: KeySource;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Cryptographically random bytes; given by simulations only. */
  readonly random?: (count: number) => Buffer;
}

/** Objects that the key is held against: the wrong key fits none, a head that was damaged is the only one of its kind. */
const KEY_LOOKS_MAX = 4;

/**
 * Derives the tenant's keys and holds them against what the repository already contains: `key.wrong` before anything could
 * be written under another key. Costs one LIST and at most one small read, unless something is wrong.
 */
export async function openRepository(options: RepositoryOptions): Promise<Repository> {
  const repository: Repository = {
    tenant: options.tenant,
    stores: options.stores,
    keys: await keysOf(options),
    clock: options.clock,
    logger: options.logger,
    randomBytes: options.random ?? secureRandomBytes,
  };
  let misfit: unknown;
  let looks = 0;
  for (const prefix of [segmentPrefix(options.tenant), `${tenantPrefix(options.tenant)}m/`]) {
    for await (const { key, sizeBytes } of options.stores.data.list(prefix)) {
      if (sizeBytes < 16) continue;
      const error = await misfitOf(repository, key);
      if (error === undefined) return repository;
      misfit ??= error;
      if (++looks >= KEY_LOOKS_MAX) throw misfit;
    }
  }
  if (misfit !== undefined) throw misfit;
  return repository;
}

/** `key.wrong` for an object that the keys do not fit, also at a second look: no checksum covers a ranged GET. */
async function misfitOf(repository: Repository, key: string): Promise<unknown> {
  let misfit: unknown;
  for (let look = 0; look < 2; look++) {
    const { body } = await repository.stores.data.get(key, { start: 0, end: 16 });
    try {
      requireSameKey(repository.keys, key, body);
      if (misfit !== undefined)
        repository.logger.warn('a read came back damaged, and whole at the second try', { object: key });
      return undefined;
    } catch (error) {
      misfit = error;
    }
  }
  repository.logger.warn('the head of an object does not fit the key: another key, or damage', { object: key });
  return misfit;
}

async function keysOf({ keys, tenant }: RepositoryOptions): Promise<RepositoryKeys> {
  const packGeneration = await keys.packGeneration?.(tenant);
  const rootKey = await keys.rootKey(tenant);
  try {
    return deriveKeys(rootKey, tenant, packGeneration);
  } finally {
    keys.release?.(rootKey);
  }
}

export type Bucket = keyof StorePair;

export interface SealedBody {
  readonly plaintext: Buffer;
  readonly stored: Buffer;
  readonly etag: string;
}

/** Reads and opens an object; with `digest` its stored bytes must be exactly the ones meant. `store.not-found` when gone. */
export async function getSealed(
  repository: Repository,
  bucket: Bucket,
  identity: ObjectIdentity,
  options: { readonly signal?: AbortSignal | undefined; readonly digest?: string | undefined } = {},
): Promise<SealedBody> {
  const { body, etag } = await repository.stores[bucket].get(identity.key, signalOption(options.signal));
  if (options.digest !== undefined && digestOf(body) !== options.digest) {
    throw new AppError('manifest.corrupt', `${identity.key} is not the object that was published under this key`, {
      context: { object: identity.key, kind: identity.kind },
    });
  }
  return { plaintext: openObject(repository.keys, identity, body), stored: body, etag };
}

/**
 * Seals and writes an object that must not exist. `written` is false when other content is there. Repeating it is safe: the
 * same content counts as written, also when another version of zstd had made other bytes of it.
 */
export async function putSealedOnce(
  repository: Repository,
  bucket: Bucket,
  identity: ObjectIdentity,
  plaintext: Buffer,
  signal?: AbortSignal,
): Promise<{ readonly written: boolean; readonly stored: Buffer }> {
  const sealed = sealObject(repository.keys, identity, plaintext);
  const { outcome } = await repository.stores[bucket].putOnce(identity.key, sealed, signalOption(signal));
  if (outcome === 'created') return { written: true, stored: sealed };
  const there = await getSealed(repository, bucket, identity, { signal });
  return { written: there.plaintext.equals(plaintext), stored: there.stored };
}

/**
 * Seals and writes a record of the control bucket that changes: creates it, or replaces it while its etag is `etag`. Result:
 * the new etag, or undefined when somebody else was first. Bodies must differ from each other (a nonce).
 */
export async function putReplaced(
  repository: Repository,
  identity: ObjectIdentity,
  plaintext: Buffer,
  etag: string | undefined,
  signal?: AbortSignal,
): Promise<string | undefined> {
  const sealed = sealObject(repository.keys, identity, plaintext);
  const { control } = repository.stores;
  if (etag === undefined) {
    const created = await control.putOnce(identity.key, sealed, signalOption(signal));
    return created.outcome === 'created' ? created.etag : undefined;
  }
  const result = await control.replace(identity.key, sealed, etag, signalOption(signal));
  return result.outcome === 'replaced' ? result.etag : undefined;
}

export const signalOption = (signal: AbortSignal | undefined): { signal?: AbortSignal } => (signal ? { signal } : {});

/** The same error with more said about where it struck: which disk, which block, which object. */
export function located(error: unknown, context: Readonly<Record<string, string | number>>): unknown {
  if (!(error instanceof AppError)) return error;
  const where = Object.entries(context)
    .map(([name, value]) => `${name} ${value}`)
    .join(', ');
  const bare = error.message.slice(error.code.length + 3);
  return new AppError(error.code, `${bare} (${where})`, {
    retryable: error.retryable,
    ...(error.retryAfterMs === undefined ? {} : { retryAfterMs: error.retryAfterMs }),
    context: { ...error.context, ...context },
    cause: error,
  });
}
