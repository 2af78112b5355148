/** Object locks of the data bucket, for the lock keeper: they can be lengthened, and S3 refuses everything else. */
import type { CallOptions, LockExtender } from '../blockstore/object-store';
import { AppError, isAppError } from '../model/errors';
import type { S3Caller } from './s3-caller';

export interface S3LockExtenderOptions {
  readonly caller: S3Caller;
  readonly bucket: string;
  readonly accountId?: string | undefined;
}

export class S3LockExtender implements LockExtender {
  constructor(private readonly options: S3LockExtenderOptions) {}

  async extendLock(key: string, untilMs: number, { signal }: CallOptions = {}): Promise<void> {
    const Retention = { Mode: 'COMPLIANCE', RetainUntilDate: new Date(untilMs) } as const;
    try {
      await this.options.caller.call(
        { what: `extending the lock of ${key}`, bytes: 0, signal },
        ({ sdk, client, abortSignal }) =>
          client.send(new sdk.PutObjectRetentionCommand({ ...this.named(key), Retention }), { abortSignal }),
      );
    } catch (error) {
      if (error instanceof AppError && error.context['status'] === 400) {
        throw new AppError(
          'store.denied',
          `extending the lock of ${key}: the data bucket takes no locks; it needs Object Lock, which is chosen when a bucket is made`,
        );
      }
      // S3 says AccessDenied for a missing right and for a lock that would become shorter: the lock that is there tells.
      if (!isAppError(error, 'store.denied') || error.retryable) throw error;
      if (((await this.lockedUntil(key, signal)) ?? 0) < untilMs) throw error;
    }
  }

  private async lockedUntil(key: string, signal: AbortSignal | undefined): Promise<number | undefined> {
    const reply = await this.options.caller.call(
      { what: `reading the lock of ${key}`, bytes: 0, signal },
      ({ sdk, client, abortSignal }) =>
        client.send(new sdk.GetObjectRetentionCommand(this.named(key)), { abortSignal }),
    );
    return reply.Retention?.RetainUntilDate?.getTime();
  }

  private named(key: string) {
    const { bucket, accountId } = this.options;
    return { Bucket: bucket, Key: key, ...(accountId === undefined ? {} : { ExpectedBucketOwner: accountId }) };
  }
}
