/**
 * What nobody may do to the buckets, whatever a role says. All of these are denies: they hold against an administrator of the
 * account as well, until somebody with the right to change the policy changes it, which is one principal.
 */
import { bucketArnOf, type PolicyDocument, policyOf, type RightsNames, roleArnOf, type Statement } from './names';

/** The settings of a bucket: who may change them ends what the objects' rules are worth. */
const BUCKET_SETTINGS = [
  's3:DeleteBucket',
  's3:DeleteBucketPolicy',
  's3:PutBucketAcl',
  's3:PutBucketObjectLockConfiguration',
  's3:PutBucketOwnershipControls',
  's3:PutBucketPolicy',
  's3:PutBucketPublicAccessBlock',
  's3:PutBucketVersioning',
  's3:PutEncryptionConfiguration',
  's3:PutLifecycleConfiguration',
  's3:PutReplicationConfiguration',
] as const;

export function dataBucketPolicy(names: RightsNames): PolicyDocument {
  const bucket = bucketArnOf(names, names.dataBucket);
  const objects = `${bucket}/*`;
  return policyOf([
    // Creating the parts of an upload is no creation of an object; completing it is.
    deny('WriteOnce', 's3:PutObject', objects, {
      Null: { 's3:if-none-match': 'true' },
      Bool: { 's3:ObjectCreationOperation': 'true' },
    }),
    deny('NoMarkers', 's3:DeleteObject', objects),
    // Who ends a tenant deletes too; the rights of that role end at key envelopes.
    deny('OnlyCollectorDeletes', 's3:DeleteObjectVersion', objects, {
      ArnNotEquals: { 'aws:PrincipalArn': [roleArnOf(names, 'collector'), roleArnOf(names, 'eraser')] },
    }),
    deny('LockCap', 's3:PutObjectRetention', objects, {
      NumericGreaterThan: { 's3:object-lock-remaining-retention-days': names.lockCapDays },
    }),
    deny('NoBypass', ['s3:BypassGovernanceRetention', 's3:PutObjectLegalHold'], objects),
    deny('NoSseC', 's3:PutObject', objects, {
      Null: { 's3:x-amz-server-side-encryption-customer-algorithm': 'false' },
    }),
    tlsOnly(bucket),
    fromUs(names, objects),
    frozen(names, bucket),
  ]);
}

/** Registers are replaced and expire; key envelopes are written once and never hidden. */
export function controlBucketPolicy(names: RightsNames): PolicyDocument {
  const bucket = bucketArnOf(names, names.controlBucket);
  const envelopes = `${bucket}/t/*/k/*`;
  return policyOf([
    deny('KeyEnvelopesOnce', 's3:PutObject', envelopes, {
      Null: { 's3:if-none-match': 'true' },
      Bool: { 's3:ObjectCreationOperation': 'true' },
    }),
    deny('NoMarkersOnKeyEnvelopes', 's3:DeleteObject', envelopes),
    deny('OnlyEraserDeletesKeyEnvelopes', 's3:DeleteObjectVersion', envelopes, {
      ArnNotEquals: { 'aws:PrincipalArn': roleArnOf(names, 'eraser') },
    }),
    tlsOnly(bucket),
    fromUs(names, `${bucket}/*`),
    frozen(names, bucket),
  ]);
}

export interface ReplicaNames {
  readonly partition: string;
  readonly bucket: string;
  /** Role of the account with the data bucket. */
  readonly replicator: string;
  readonly deployer: string;
}

/** The copy in a third account: S3 writes it, people read it, nobody deletes from it. */
export function replicaBucketPolicy(names: ReplicaNames): PolicyDocument {
  const bucket = bucketArnOf(names, names.bucket);
  return policyOf([
    {
      Sid: 'Replicate',
      Effect: 'Allow',
      Principal: { AWS: names.replicator },
      Action: ['s3:ReplicateObject', 's3:ReplicateTags', 's3:ObjectOwnerOverrideToBucketOwner'],
      Resource: `${bucket}/*`,
    },
    deny('NoMarkers', 's3:DeleteObject', `${bucket}/*`),
    deny('NoBypass', ['s3:BypassGovernanceRetention', 's3:PutObjectLegalHold'], `${bucket}/*`),
    tlsOnly(bucket),
    frozen(names, bucket),
  ]);
}

/** What S3 needs to copy versions with their locks. */
export function replicatorPolicy(names: RightsNames & { readonly replicaBucketArn: string }): PolicyDocument {
  const bucket = bucketArnOf(names, names.dataBucket);
  const allow = (Sid: string, Action: Statement['Action'], Resource: string): Statement => ({
    Sid,
    Effect: 'Allow',
    Action,
    Resource,
  });
  return policyOf([
    allow('ReadConfiguration', ['s3:GetReplicationConfiguration', 's3:ListBucket'], bucket),
    allow(
      'ReadVersions',
      [
        's3:GetObjectVersionForReplication',
        's3:GetObjectVersionAcl',
        's3:GetObjectVersionTagging',
        's3:GetObjectRetention',
        's3:GetObjectLegalHold',
      ],
      `${bucket}/*`,
    ),
    allow(
      'WriteReplicas',
      ['s3:ReplicateObject', 's3:ReplicateTags', 's3:ObjectOwnerOverrideToBucketOwner'],
      `${names.replicaBucketArn}/*`,
    ),
  ]);
}

function tlsOnly(bucket: string): Statement {
  return deny('TlsOnly', 's3:*', [bucket, `${bucket}/*`], { Bool: { 'aws:SecureTransport': 'false' } });
}

/** A stolen session is worth nothing elsewhere. S3's own copying comes from no address, and the worst day from anywhere. */
function fromUs(names: RightsNames, objects: string): Statement {
  return deny('FromUs', ['s3:GetObject*', 's3:PutObject*'], objects, {
    NotIpAddress: { 'aws:SourceIp': names.networks },
    ArnNotEquals: { 'aws:PrincipalArn': [names.rescuer, names.replicator] },
  });
}

function frozen(names: Pick<RightsNames, 'deployer'>, bucket: string): Statement {
  return deny('Frozen', BUCKET_SETTINGS, bucket, { ArnNotEquals: { 'aws:PrincipalArn': names.deployer } });
}

function deny(
  Sid: string,
  Action: Statement['Action'],
  Resource: Statement['Resource'],
  condition?: Statement['Condition'],
): Statement {
  return {
    Sid,
    Effect: 'Deny',
    Principal: '*',
    Action,
    Resource,
    ...(condition === undefined ? {} : { Condition: condition }),
  };
}
