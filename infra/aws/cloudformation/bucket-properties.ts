/** What all buckets have in common. */
import { ref } from './intrinsics';

interface LifecycleRule {
  readonly Id: string;
  readonly Status: 'Enabled';
  readonly [name: string]: unknown;
}

/** Uploads that were begun and never completed cost money and are seen by nobody. */
const incompleteUploads: LifecycleRule = {
  Id: 'incomplete-uploads',
  Status: 'Enabled',
  AbortIncompleteMultipartUpload: { DaysAfterInitiation: 3 },
};

export const bucketBasics = (lifecycle: readonly LifecycleRule[] = []) => ({
  VersioningConfiguration: { Status: 'Enabled' },
  PublicAccessBlockConfiguration: {
    BlockPublicAcls: true,
    BlockPublicPolicy: true,
    IgnorePublicAcls: true,
    RestrictPublicBuckets: true,
  },
  OwnershipControls: { Rules: [{ ObjectOwnership: 'BucketOwnerEnforced' }] },
  // S3's own keys: what is in the objects is encrypted already, and a KMS key is one more thing to be held to ransom.
  BucketEncryption: {
    ServerSideEncryptionConfiguration: [{ ServerSideEncryptionByDefault: { SSEAlgorithm: 'AES256' } }],
  },
  LifecycleConfiguration: { Rules: [incompleteUploads, ...lifecycle] },
});

/** Compliance mode: in governance mode the collector's right to delete would reach locked versions. */
export const lockedBucket = () => ({
  ...bucketBasics(),
  ObjectLockEnabled: true,
  ObjectLockConfiguration: {
    ObjectLockEnabled: 'Enabled',
    Rule: { DefaultRetention: { Mode: 'COMPLIANCE', Days: ref('LockDays') } },
  },
});
