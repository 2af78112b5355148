/**
 * What the product relies on S3 to do, as tests against any S3 server; each names one documented behaviour.
 * The suite makes three buckets of its own (plain, versioned, with Object Lock), and empties and removes them.
 */
import { randomBytes } from 'node:crypto';
import {
  CreateBucketCommand,
  DeleteBucketCommand,
  DeleteObjectCommand,
  ListObjectVersionsCommand,
  PutBucketVersioningCommand,
  type S3Client,
} from '@aws-sdk/client-s3';
import { s3ConditionalWrites } from './s3-conditions';
import { s3Listings } from './s3-listings';
import { s3Multipart } from './s3-multipart';
import { s3ObjectLock } from './s3-object-lock';
import { s3Objects } from './s3-objects';
import { s3Versions } from './s3-versions';

export interface S3Target {
  /** Without retries, so that each answer is seen. */
  readonly client: S3Client;
  /** Buckets are called `<bucket>-<random>-plain` and so on. */
  readonly bucket: string;
  readonly region: string;
  /** Lets the server's time pass; absent where that is not possible, and then tests of expiry are not registered. */
  readonly advanceClock?: (ms: number) => void;
  close(): Promise<void>;
}

export interface S3Fixture {
  readonly client: S3Client;
  readonly plain: string;
  readonly versioned: string;
  readonly locked: string;
  readonly advanceClock: ((ms: number) => void) | undefined;
}

/** Registers the whole suite; `open` is called once before its tests. */
export function s3Conformance(
  name: string,
  open: () => Promise<S3Target>,
  options: { readonly canAdvanceClock: boolean },
): void {
  describe(name, () => {
    let target: S3Target | undefined;
    let opened: S3Fixture | undefined;
    const fixture = (): S3Fixture => {
      if (opened === undefined) throw new Error('the target is not open');
      return opened;
    };
    beforeAll(async () => {
      target = await open();
      opened = await createBuckets(target);
    });
    afterAll(async () => {
      if (opened !== undefined) await removeBuckets(opened);
      await target?.close();
    });
    s3Objects(fixture);
    s3ConditionalWrites(fixture);
    s3Versions(fixture);
    s3Listings(fixture);
    s3Multipart(fixture);
    s3ObjectLock(fixture, options);
  });
}

async function createBuckets(target: S3Target): Promise<S3Fixture> {
  const { client, region } = target;
  const base = `${target.bucket}-${randomBytes(4).toString('hex')}`;
  const configuration =
    region === 'us-east-1' ? {} : { CreateBucketConfiguration: { LocationConstraint: region as 'eu-central-1' } };
  const names = { plain: `${base}-plain`, versioned: `${base}-versioned`, locked: `${base}-locked` };
  await client.send(new CreateBucketCommand({ Bucket: names.plain, ...configuration }));
  await client.send(new CreateBucketCommand({ Bucket: names.versioned, ...configuration }));
  await client.send(
    new PutBucketVersioningCommand({ Bucket: names.versioned, VersioningConfiguration: { Status: 'Enabled' } }),
  );
  await client.send(
    new CreateBucketCommand({ Bucket: names.locked, ...configuration, ObjectLockEnabledForBucket: true }),
  );
  return { client, ...names, advanceClock: target.advanceClock };
}

/** A version that is still locked stays, and its bucket with it. */
async function removeBuckets({ client, ...names }: S3Fixture): Promise<void> {
  for (const Bucket of [names.plain, names.versioned, names.locked]) {
    const { Versions = [], DeleteMarkers = [] } = await client.send(new ListObjectVersionsCommand({ Bucket }));
    let leftCount = 0;
    for (const { Key, VersionId } of [...Versions, ...DeleteMarkers]) {
      await client
        .send(new DeleteObjectCommand({ Bucket, Key, VersionId, BypassGovernanceRetention: true }))
        .catch(() => {
          leftCount += 1;
        });
    }
    if (leftCount === 0) await client.send(new DeleteBucketCommand({ Bucket })).catch(() => undefined);
  }
}
