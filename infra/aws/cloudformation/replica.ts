/** The template for a third account: a bucket that S3 copies into, and from which nobody deletes. */
import { replicaBucketPolicy } from '../../../shared/rights/buckets';
import { replicaPlaceholders, slot } from '../placeholders';
import { lockedBucket } from './bucket-properties';
import { ref, toCfn } from './intrinsics';
import { parameters } from './parameters';

export function replicaTemplate() {
  return {
    AWSTemplateFormatVersion: '2010-09-09',
    Description:
      'Blockferry: the copy of the backups in an account of its own. Deploy it before ReplicaBucketArn is set.',
    Parameters: {
      ReplicaBucketName: { ...parameters.DataBucketName, Description: 'Bucket that gets a copy of everything.' },
      LockDays: parameters.LockDays,
      ReplicatorArn: {
        Type: 'String',
        Description: 'arn:aws:iam::ACCOUNT-OF-THE-DATA-BUCKET:role/PREFIX-replicator',
        AllowedPattern: parameters.DeployerArn.AllowedPattern,
      },
      DeployerArn: parameters.DeployerArn,
    },
    Resources: {
      ReplicaBucket: {
        Type: 'AWS::S3::Bucket',
        DeletionPolicy: 'Retain',
        UpdateReplacePolicy: 'Retain',
        Properties: { BucketName: ref('ReplicaBucketName'), ...lockedBucket() },
      },
      ReplicaBucketPolicy: {
        Type: 'AWS::S3::BucketPolicy',
        Properties: {
          Bucket: ref('ReplicaBucket'),
          PolicyDocument: toCfn(replicaBucketPolicy(replicaPlaceholders(slot('AWS::Partition')))),
        },
      },
    },
    Outputs: { ReplicaBucketArn: { Value: { 'Fn::GetAtt': ['ReplicaBucket', 'Arn'] } } },
  };
}
