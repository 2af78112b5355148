/**
 * The tables of shared/rights filled with `${Name}` instead of names. CloudFormation and Terraform read the same placeholders:
 * one by Fn::Sub over parameters, the other by templatefile() over variables.
 */
import type { ReplicaNames } from '../../shared/rights/buckets';
import type { RightsNames } from '../../shared/rights/names';

/** A placeholder, as both languages write it. */
export const slot = (name: string): string => `\${${name}}`;

/** Stands for a list of CIDR blocks; the renderers put a list there. */
export const NETWORKS = slot('AllowedNetworks');
/** Lock window and five days; CloudFormation cannot add, so it looks it up. */
export const LOCK_CAP = slot('LockCapDays');

/** `partition` and `account` are spelled differently in the two languages. */
export function placeholderNames({ partition, account }: { readonly partition: string; readonly account: string }) {
  return {
    partition,
    accountId: account,
    tenant: slot('RepositoryTenant'),
    dataBucket: slot('DataBucketName'),
    controlBucket: slot('ControlBucketName'),
    rolePrefix: slot('RolePrefix'),
    issuerHostPath: `${slot('IssuerHost')}/${slot('EntraTenantId')}/`,
    audience: slot('Audience'),
    subjects: {
      control: slot('ControlObjectId'),
      dataProxy: slot('DataProxyObjectId'),
      collector: slot('CollectorObjectId'),
      keeper: slot('KeeperObjectId'),
      person: slot('EraserObjectId'),
    },
    networks: [NETWORKS],
    lockCapDays: LOCK_CAP,
    deployer: slot('DeployerArn'),
    rescuer: slot('RescuerArn'),
    replicator: `arn:${partition}:iam::${account}:role/${slot('RolePrefix')}-replicator`,
    replicaBucketArn: slot('ReplicaBucketArn'),
  } satisfies RightsNames & { readonly replicaBucketArn: string };
}

export const replicaPlaceholders = (partition: string): ReplicaNames => ({
  partition,
  bucket: slot('ReplicaBucketName'),
  replicator: slot('ReplicatorArn'),
  deployer: slot('DeployerArn'),
});

/** Trust of the role with which S3 copies. */
export const replicatorTrust = (account: string) => ({
  Version: '2012-10-17',
  Statement: [
    {
      Effect: 'Allow',
      Principal: { Service: 's3.amazonaws.com' },
      Action: 'sts:AssumeRole',
      Condition: { StringEquals: { 'aws:SourceAccount': account } },
    },
  ],
});

/** Days that a lock may be set to when the bucket is made, with the longest lock that is allowed then. */
export const lockWindows = [1, 7, 14, 30, 60, 90, 180, 365].map((days) => ({ days, capDays: days + 5 }));
