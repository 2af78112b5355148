/**
 * The one storage interface. Each sentence here is a promise that the conformance suite tests on every implementation.
 * Keys are relative to a bucket (or whatever the implementation calls its root) and made of our own ids only.
 */
export interface StoredObject {
  readonly key: string;
  readonly sizeBytes: number;
  /** Opaque. Changes with each write of the key. */
  readonly etag: string;
}

export interface ObjectBody {
  readonly body: Buffer;
  readonly etag: string;
}

export interface CallOptions {
  readonly signal?: AbortSignal;
}

export interface GetOptions extends CallOptions {
  readonly start?: number;
  readonly end?: number;
  readonly into?: Buffer;
}

export interface ObjectStore {
  /**
   * Writes `body` under a key that must not exist. 'created' when the object is there with exactly these bytes, also when an
   * earlier try of this very call wrote it and its reply was lost; 'exists' when other bytes are there. Safe to repeat.
   * The store has verified a checksum of the bytes before it resolves. Atomic: readers see all or nothing.
   */
  putOnce(
    key: string,
    body: Buffer,
    options?: CallOptions,
  ): Promise<{ readonly outcome: 'created' | 'exists'; readonly etag: string }>;

  /**
   * Compare-and-swap: writes only while the key's etag is `etag`. 'changed' when it is another or gone. A lost reply is
   * resolved by reading back, so bodies must differ from each other (a nonce), or A-B-A would pass.
   */
  replace(
    key: string,
    body: Buffer,
    etag: string,
    options?: CallOptions,
  ): Promise<{ readonly outcome: 'replaced'; readonly etag: string } | { readonly outcome: 'changed' }>;

  /**
   * The whole object, or exactly the range [start, end). With `into`, and room in it, the body may lie there; nothing writes to
   * it any more once the call has resolved or rejected. `store.not-found` when there is none; a body shorter or longer than
   * asked is an error (`store.unavailable`, retryable), never handed on.
   */
  get(key: string, options?: GetOptions): Promise<ObjectBody>;

  /** All objects below the prefix in key order, every page; an error on any page is thrown, never "empty". */
  list(prefix: string, options?: CallOptions): AsyncIterable<StoredObject>;
}

/** One version of an object, as only collector and lock keeper look at them. */
export interface StoredVersion {
  readonly key: string;
  readonly versionId: string;
  readonly sizeBytes: number;
  /** When the store took it, by the store's clock. */
  readonly storedAtMs: number;
  /** A delete marker: it hides older versions of the key. */
  readonly isMarker: boolean;
}

/** The data bucket by versions. Only the collector's credential may delete. */
export interface VersionStore {
  /** All versions and delete markers below the prefix, keys ascending, every page; an error on any page is thrown. */
  listVersions(prefix: string, options?: CallOptions): AsyncIterable<StoredVersion>;
  /** Until when the version is under an object lock (epoch ms), in the future or not; undefined when it never was. */
  lockedUntil(key: string, versionId: string, options?: CallOptions): Promise<number | undefined>;
  /** Deletes this version for good. 'locked' when the store refuses because of a lock. Repeating it is safe. */
  deleteVersion(key: string, versionId: string, options?: CallOptions): Promise<'deleted' | 'locked'>;
}

/** Moves the end of an object's lock further into the future. Never shortens one: the store refuses. */
export interface LockExtender {
  /**
   * The current version of the key is locked until then, or longer if it was. `store.not-found` when there is none. Repeating
   * it is safe.
   */
  extendLock(key: string, untilMs: number, options?: CallOptions): Promise<void>;
}

/** What a credential for the store may do; each is an AWS role narrowed by a session policy. */
export type StoreRole = 'writer' | 'reader' | 'collector' | 'keeper' | 'catalogue';

/** The two buckets of a tenant. */
export interface StorePair {
  readonly data: ObjectStore;
  readonly control: ObjectStore;
}

/** Opens the stores with rights cut to one tenant and, for a writer, one session. */
export interface StoreAccess {
  open(request: { readonly role: StoreRole; readonly tenant: string; readonly sessionId: string }): StorePair;
}

export interface ErasedObjects {
  /** Versions that are gone for good, delete markers included. */
  readonly deletedCount: number;
  /** Keys of versions that the store keeps, such as those under an object lock. */
  readonly kept: readonly string[];
}

/** Deletes for good. No job has one: only the command that ends a tenant. */
export interface ObjectEraser {
  /** Every version of every object below the prefix. Repeating it is safe. */
  eraseAll(bucket: keyof StorePair, prefix: string, options?: CallOptions): Promise<ErasedObjects>;
}

/** Gives the tenant's root key (32 bytes). Throws `key.*`, or `cloud.*` when the key's service does not answer. */
export interface KeySource {
  /** The buffer is never logged or stored; it goes back to `release` when the keys have been derived from it. */
  rootKey(tenant: string): Promise<Buffer>;
  /** Generation of the pack wrap key for new packs; 1 when the source knows of no rotation. */
  packGeneration?(tenant: string): Promise<number>;
  release?(rootKey: Buffer): void;
}
