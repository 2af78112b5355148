/** An object store in memory that keeps the promises of the interface, with a log of its calls. */
import { createHash } from 'node:crypto';
import type {
  CallOptions,
  LockExtender,
  ObjectStore,
  StoredObject,
  StoredVersion,
  StorePair,
  VersionStore,
} from '../../shared/blockstore/object-store';
import { AppError } from '../../shared/model/errors';

interface Entry {
  body: Buffer;
  etag: string;
  storedAtMs?: number;
}

export class MemoryObjectStore implements ObjectStore {
  readonly objects = new Map<string, Entry>();
  readonly calls: string[] = [];
  /** Ends of object locks by key. */
  readonly locks = new Map<string, number>();
  /** The store's own clock. */
  now: () => number = () => 0;
  private writes = 0;

  async putOnce(key: string, body: Buffer, options?: CallOptions) {
    this.enter('putOnce', key, options);
    const held = this.objects.get(key);
    if (held) return { outcome: held.body.equals(body) ? ('created' as const) : ('exists' as const), etag: held.etag };
    return { outcome: 'created' as const, etag: this.write(key, body) };
  }

  async replace(key: string, body: Buffer, etag: string, options?: CallOptions) {
    this.enter('replace', key, options);
    if (this.objects.get(key)?.etag !== etag) return { outcome: 'changed' as const };
    return { outcome: 'replaced' as const, etag: this.write(key, body) };
  }

  async get(key: string, options?: CallOptions & { readonly start?: number; readonly end?: number }) {
    this.enter('get', key, options);
    const held = this.objects.get(key);
    if (!held) throw new AppError('store.not-found', `there is no object ${key}`);
    const { start = 0, end = held.body.length } = options ?? {};
    if (end > held.body.length)
      throw new AppError('store.unavailable', `${key} is shorter than asked`, { retryable: true });
    return { body: Buffer.from(held.body.subarray(start, end)), etag: held.etag };
  }

  async *list(prefix: string, options?: CallOptions): AsyncIterable<StoredObject> {
    this.enter('list', prefix, options);
    for (const key of [...this.objects.keys()].filter((name) => name.startsWith(prefix)).sort()) {
      const entry = this.objects.get(key);
      if (entry) yield { key, sizeBytes: entry.body.length, etag: entry.etag };
    }
  }

  /** Bytes of all objects below a prefix. */
  bytesBelow(prefix: string): number {
    return [...this.objects].reduce((sum, [key, { body }]) => sum + (key.startsWith(prefix) ? body.length : 0), 0);
  }

  private write(key: string, body: Buffer): string {
    const etag = `"${createHash('md5').update(body).digest('hex')}-${++this.writes}"`;
    this.objects.set(key, { body: Buffer.from(body), etag, storedAtMs: this.now() });
    return etag;
  }

  private enter(method: string, key: string, options: CallOptions | undefined): void {
    options?.signal?.throwIfAborted();
    this.calls.push(`${method} ${key}`);
  }
}

/** The same store by versions: one a key, since keys are written once. */
export const memoryVersions = (store: MemoryObjectStore): VersionStore & LockExtender => ({
  async *listVersions(prefix, options): AsyncIterable<StoredVersion> {
    for await (const { key, sizeBytes, etag: versionId } of store.list(prefix, options)) {
      const storedAtMs = store.objects.get(key)?.storedAtMs ?? 0;
      yield { key, versionId, sizeBytes, storedAtMs, isMarker: false };
    }
  },
  lockedUntil: async (key) => store.locks.get(key),
  deleteVersion: async (key, versionId) => {
    store.calls.push(`deleteVersion ${key}`);
    if ((store.locks.get(key) ?? 0) > store.now()) return 'locked';
    if (store.objects.get(key)?.etag === versionId) store.objects.delete(key);
    return 'deleted';
  },
  extendLock: async (key, untilMs) => {
    if (!store.objects.has(key)) throw new AppError('store.not-found', `there is no object ${key}`);
    store.calls.push(`extendLock ${key}`);
    store.locks.set(key, Math.max(untilMs, store.locks.get(key) ?? 0));
  },
});

export interface MemoryStores extends StorePair {
  readonly data: MemoryObjectStore;
  readonly control: MemoryObjectStore;
}

export const memoryStores = (): MemoryStores => ({ data: new MemoryObjectStore(), control: new MemoryObjectStore() });

/** A deep copy: what a crash at this moment would leave. */
export function copyStores(stores: MemoryStores): MemoryStores {
  const copy = memoryStores();
  for (const bucket of ['data', 'control'] as const) {
    for (const [key, { body, etag }] of stores[bucket].objects) {
      copy[bucket].objects.set(key, { body: Buffer.from(body), etag });
    }
  }
  return copy;
}
