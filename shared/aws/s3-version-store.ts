/** The data bucket by versions, for the collector: listing with markers, locks, and deletes that name a version. */
import type { ListObjectVersionsCommandOutput } from '@aws-sdk/client-s3';
import type { CallOptions, StoredVersion, VersionStore } from '../blockstore/object-store';
import { AppError, isAppError } from '../model/errors';
import type { S3Caller } from './s3-caller';

export interface S3VersionStoreOptions {
  readonly caller: S3Caller;
  readonly bucket: string;
  readonly accountId?: string | undefined;
}

const PAGE_KEYS = 1000;

interface Marker {
  readonly KeyMarker?: string;
  readonly VersionIdMarker?: string;
}

export class S3VersionStore implements VersionStore {
  constructor(private readonly options: S3VersionStoreOptions) {}

  async *listVersions(prefix: string, { signal }: CallOptions = {}): AsyncIterable<StoredVersion> {
    for (let from: Marker | undefined = {}; from; ) {
      const page: ListObjectVersionsCommandOutput = await this.page(prefix, from, signal);
      // A page has versions and markers apart, each in order of key; together they must be in order too.
      const found = [
        ...(page.Versions ?? []).map((version) => ({ ...version, isMarker: false })),
        ...(page.DeleteMarkers ?? []).map((marker) => ({ ...marker, Size: 0, isMarker: true })),
      ].map(({ Key, VersionId, Size, LastModified, isMarker }): StoredVersion => {
        if (Key === undefined || VersionId === undefined || Size === undefined || !LastModified) {
          throw new AppError(
            'cloud.unavailable',
            `a version below ${prefix} was listed without key, id, size or time`,
            {
              retryable: true,
            },
          );
        }
        return { key: Key, versionId: VersionId, sizeBytes: Size, storedAtMs: LastModified.getTime(), isMarker };
      });
      yield* found.sort((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : 0));
      if (page.IsTruncated && page.NextKeyMarker === undefined) {
        throw new AppError('cloud.unavailable', `a listing below ${prefix} goes on, and does not say where`, {
          retryable: true,
        });
      }
      from = page.IsTruncated
        ? {
            KeyMarker: page.NextKeyMarker ?? '',
            ...(page.NextVersionIdMarker === undefined ? {} : { VersionIdMarker: page.NextVersionIdMarker }),
          }
        : undefined;
    }
  }

  async lockedUntil(key: string, versionId: string, { signal }: CallOptions = {}): Promise<number | undefined> {
    try {
      const reply = await this.options.caller.call(
        { what: `reading the lock of ${key}`, bytes: 0, signal },
        ({ sdk, client, abortSignal }) =>
          client.send(new sdk.GetObjectRetentionCommand({ ...this.named(key), VersionId: versionId }), { abortSignal }),
      );
      return reply.Retention?.RetainUntilDate?.getTime();
    } catch (error) {
      // No lock on this version, or none on the whole bucket: S3 answers with an error, not with nothing.
      if (isAppError(error, 'store.not-found')) return undefined;
      if (error instanceof AppError && error.context['status'] === 400) return undefined;
      throw error;
    }
  }

  async deleteVersion(key: string, versionId: string, { signal }: CallOptions = {}): Promise<'deleted' | 'locked'> {
    try {
      await this.options.caller.call(
        { what: `deleting a version of ${key}`, bytes: 0, signal },
        ({ sdk, client, abortSignal }) =>
          client.send(new sdk.DeleteObjectCommand({ ...this.named(key), VersionId: versionId }), { abortSignal }),
      );
      return 'deleted';
    } catch (error) {
      if (isAppError(error, 'store.not-found')) return 'deleted';
      // S3 says AccessDenied for a lock and for a missing right alike: only a lock that is there makes it the first.
      if (!isAppError(error, 'store.denied') || error.retryable) throw error;
      const until = await this.lockedUntil(key, versionId, signal ? { signal } : {});
      if (until === undefined) throw error;
      return 'locked';
    }
  }

  private page(
    prefix: string,
    from: Marker,
    signal: AbortSignal | undefined,
  ): Promise<ListObjectVersionsCommandOutput> {
    const { bucket, accountId } = this.options;
    const owner = accountId === undefined ? {} : { ExpectedBucketOwner: accountId };
    return this.options.caller.call(
      { what: `listing versions below ${prefix}`, bytes: 0, signal },
      ({ sdk, client, abortSignal }) => {
        const query = { Bucket: bucket, Prefix: prefix, MaxKeys: PAGE_KEYS, ...owner, ...from };
        return client.send(new sdk.ListObjectVersionsCommand(query), { abortSignal });
      },
    );
  }

  private named(key: string) {
    const { bucket, accountId } = this.options;
    return { Bucket: bucket, Key: key, ...(accountId === undefined ? {} : { ExpectedBucketOwner: accountId }) };
  }
}
