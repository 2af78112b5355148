/**
 * A bucket as S3 has them: versions, conditions, delete markers, retention. One step each, so every call is linearizable, as
 * S3's are. Its own code: nothing of the simulator in local/, nothing of the product.
 */
import { createHash } from 'node:crypto';

export interface Version {
  readonly id: string;
  /** undefined: a delete marker. */
  readonly body: Buffer | undefined;
  readonly etag: string;
  readonly atMs: number;
  retainUntilMs: number;
}

export interface Condition {
  readonly ifNoneMatch?: string | undefined;
  readonly ifMatch?: string | undefined;
}

export interface Listed {
  readonly key: string;
  readonly version: Version;
  readonly isLatest: boolean;
}

/** As the SDK throws them. */
export class S3Error extends Error {
  readonly $metadata: { readonly httpStatusCode: number };
  constructor(
    override readonly name: string,
    status: number,
  ) {
    super(name);
    this.$metadata = { httpStatusCode: status };
  }
}

export interface BucketEvents {
  written(bucket: string, key: string, body: Buffer, before: Buffer | undefined): void;
  deleted(bucket: string, key: string): void;
}

export class Bucket {
  private readonly versions = new Map<string, Version[]>();
  private sorted: string[] | undefined;
  private writes = 0;

  constructor(
    readonly name: string,
    private readonly clock: () => number,
    private readonly events: BucketEvents,
    /** Default retention of a new version, 0: none. */
    private readonly retentionMs: number,
  ) {}

  put(key: string, body: Buffer, condition: Condition): Version {
    const present = this.current(key);
    if (condition.ifNoneMatch === '*' && present) throw new S3Error('PreconditionFailed', 412);
    if (condition.ifMatch !== undefined && !present) throw new S3Error('NoSuchKey', 404);
    if (condition.ifMatch !== undefined && present?.etag !== condition.ifMatch) {
      throw new S3Error('PreconditionFailed', 412);
    }
    const stored = Buffer.from(body);
    const version = this.add(key, stored, `"${createHash('md5').update(stored).digest('hex')}"`);
    this.events.written(this.name, key, stored, present?.body);
    return version;
  }

  get(key: string, versionId?: string): Version & { readonly body: Buffer } {
    const version = versionId === undefined ? this.current(key) : this.find(key, versionId);
    if (version?.body === undefined) throw new S3Error('NoSuchKey', 404);
    return version as Version & { readonly body: Buffer };
  }

  /** Current objects below the prefix and behind `after`, in key order, at most `max`. */
  list(prefix: string, after: string, max: number): Listed[] {
    const found: Listed[] = [];
    for (const key of this.keysFrom(prefix, after)) {
      const version = this.current(key);
      if (!version) continue;
      found.push({ key, version, isLatest: true });
      if (found.length >= max) break;
    }
    return found;
  }

  /** All versions, newest of a key first, behind the mark `key` and `versionId`. */
  listVersions(
    prefix: string,
    after: { readonly key: string; readonly versionId: string } | undefined,
    max: number,
  ): Listed[] {
    const all = [...this.keysFrom(prefix, '')].flatMap((key) =>
      (this.versions.get(key) ?? []).toReversed().map((version, index) => ({ key, version, isLatest: index === 0 })),
    );
    const at = after ? all.findIndex(({ key, version }) => key === after.key && version.id === after.versionId) : -1;
    const start = at >= 0 || !after ? at + 1 : all.findIndex(({ key }) => key > after.key);
    return start < 0 ? [] : all.slice(start, start + max);
  }

  /** Without a version a marker hides the object; with one it is gone for good, unless it is retained. */
  delete(key: string, versionId: string | undefined): void {
    if (versionId === undefined) {
      this.add(key, undefined, '');
      this.events.deleted(this.name, key);
      return;
    }
    const version = this.find(key, versionId);
    if (!version) return;
    if (version.retainUntilMs > this.clock()) throw new S3Error('AccessDenied', 403);
    this.remove(key, version);
  }

  /** Compliance mode: longer only. */
  retain(key: string, versionId: string | undefined, untilMs: number): void {
    const version = versionId === undefined ? this.current(key) : this.find(key, versionId);
    if (!version) throw new S3Error('NoSuchKey', 404);
    if (version.body === undefined) throw new S3Error('MethodNotAllowed', 405);
    if (untilMs < version.retainUntilMs && version.retainUntilMs > this.clock()) throw new S3Error('AccessDenied', 403);
    version.retainUntilMs = untilMs;
  }

  /** Damage from outside: other bytes under the same name, or gone, whatever protects it. */
  damage(key: string, body: Buffer | undefined): void {
    const version = this.current(key);
    if (!version) return;
    if (body === undefined) this.remove(key, version);
    else Object.assign(version, { body, etag: `"${createHash('md5').update(body).digest('hex')}"` });
  }

  current(key: string): Version | undefined {
    const newest = this.versions.get(key)?.at(-1);
    return newest?.body === undefined ? undefined : newest;
  }

  keys(prefix: string): string[] {
    return [...this.keysFrom(prefix, '')].filter((key) => this.current(key) !== undefined);
  }

  private find(key: string, versionId: string): Version | undefined {
    return this.versions.get(key)?.find(({ id }) => id === versionId);
  }

  private add(key: string, body: Buffer | undefined, etag: string): Version {
    const retainUntilMs = body !== undefined && this.retentionMs > 0 ? this.clock() + this.retentionMs : 0;
    const version: Version = { id: `v${++this.writes}`, body, etag, atMs: this.clock(), retainUntilMs };
    const known = this.versions.get(key);
    if (known) known.push(version);
    else {
      this.versions.set(key, [version]);
      this.sorted = undefined;
    }
    return version;
  }

  private remove(key: string, version: Version): void {
    const left = (this.versions.get(key) ?? []).filter((other) => other !== version);
    if (left.length > 0) this.versions.set(key, left);
    else {
      this.versions.delete(key);
      this.sorted = undefined;
    }
    if (version.body !== undefined) this.events.deleted(this.name, key);
  }

  private *keysFrom(prefix: string, after: string): Generator<string> {
    this.sorted ??= [...this.versions.keys()].sort();
    const { sorted } = this;
    let low = 0;
    let high = sorted.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      const key = sorted[middle] ?? '';
      if (key < prefix || key <= after) low = middle + 1;
      else high = middle;
    }
    for (; low < sorted.length && sorted[low]?.startsWith(prefix); low++) yield sorted[low] ?? '';
  }
}
