/**
 * Buckets with the credentials of the person at the keyboard: environment, profile or instance, as the AWS SDK finds them. For
 * the command line and the worst day, when there is no managed identity to exchange. What may be done, IAM decides.
 */
import { systemClock } from '../base/clock';
import type { StorePair } from '../blockstore/object-store';
import { S3Caller } from './s3-caller';
import { S3ObjectStore } from './s3-object-store';

export interface OwnBuckets {
  readonly region: string;
  /** Another endpoint than AWS's own; path style is used then. */
  readonly endpoint?: string | undefined;
  readonly dataBucket: string;
  readonly controlBucket: string;
}

export function openOwnBuckets({ region, endpoint, dataBucket, controlBucket }: OwnBuckets): StorePair {
  const caller = new S3Caller({
    createClient: (sdk) =>
      new sdk.S3Client({ region, maxAttempts: 1, ...(endpoint ? { endpoint, forcePathStyle: true } : {}) }),
    clock: systemClock,
    random: Math.random,
  });
  return {
    data: new S3ObjectStore({ caller, bucket: dataBucket }),
    control: new S3ObjectStore({ caller, bucket: controlBucket }),
  };
}
