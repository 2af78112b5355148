/** The main template: provider, roles, buckets. The policies are those of shared/rights. */
import { controlBucketPolicy, dataBucketPolicy, replicatorPolicy } from '../../../shared/rights/buckets';
import { type RoleName, roleNames } from '../../../shared/rights/names';
import { rolePolicy, trustPolicy } from '../../../shared/rights/roles';
import { lockWindows, placeholderNames, replicatorTrust, slot } from '../placeholders';
import { bucketBasics, lockedBucket } from './bucket-properties';
import { ref, subJson, toCfn } from './intrinsics';
import { conditions, parameters } from './parameters';

const names = placeholderNames({ partition: slot('AWS::Partition'), account: slot('AWS::AccountId') });

const descriptions: Readonly<Record<RoleName, string>> = {
  writer: 'Writes backups, each object once; reads no pack back, deletes nothing',
  reader: 'Reads backups to restore and verify them; writes only its own session',
  collector: 'Deletes what no restore point needs, by version; reads no pack',
  keeper: 'Lengthens locks of what restore points need; nothing else',
  catalogue: 'Reads restore points and sessions, no contents',
  eraser: 'Ends a tenant by deleting its key envelopes; exists only while wanted',
};

export function mainTemplate() {
  return {
    AWSTemplateFormatVersion: '2010-09-09',
    Description: 'Blockferry: buckets for backups of Azure VMs, and roles for the identities of one installation.',
    Parameters: parameters,
    Mappings: {
      LockWindows: Object.fromEntries(
        lockWindows.map(({ days, capDays }) => [String(days), { CapDays: String(capDays) }]),
      ),
    },
    Conditions: conditions,
    Resources: {
      OidcProvider: {
        Type: 'AWS::IAM::OIDCProvider',
        Condition: 'CreatesOidcProvider',
        Properties: {
          Url: toCfn(`https://${names.issuerHostPath}`),
          ClientIdList: [ref('Audience')],
        },
      },
      ...Object.fromEntries(roleNames.map((role) => [`${capital(role)}Role`, roleResource(role)])),
      ...buckets(),
      ReplicatorRole: {
        Type: 'AWS::IAM::Role',
        Condition: 'HasReplica',
        Properties: {
          RoleName: toCfn(`${slot('RolePrefix')}-replicator`),
          AssumeRolePolicyDocument: toCfn(replicatorTrust(names.accountId)),
          Policies: [{ PolicyName: 'rights', PolicyDocument: toCfn(replicatorPolicy(names)) }],
        },
      },
    },
    Outputs: Object.fromEntries(
      roleNames.map((role) => [
        `${capital(role)}RoleArn`,
        {
          ...(role === 'eraser' ? { Condition: 'HasEraser' } : {}),
          Value: { 'Fn::GetAtt': [`${capital(role)}Role`, 'Arn'] },
        },
      ]),
    ),
  };
}

function roleResource(role: RoleName) {
  return {
    Type: 'AWS::IAM::Role',
    ...(role === 'eraser' ? { Condition: 'HasEraser' } : {}),
    DependsOn: 'OidcProvider',
    Properties: {
      RoleName: toCfn(`${names.rolePrefix}-${role}`),
      Description: descriptions[role],
      MaxSessionDuration: 3600,
      AssumeRolePolicyDocument: subJson(trustPolicy(names, role)),
      Policies: [{ PolicyName: 'rights', PolicyDocument: toCfn(rolePolicy(names, role)) }],
    },
  };
}

function buckets() {
  return {
    DataBucket: {
      Type: 'AWS::S3::Bucket',
      DeletionPolicy: 'Retain',
      UpdateReplacePolicy: 'Retain',
      Properties: {
        BucketName: ref('DataBucketName'),
        ...lockedBucket(),
        ReplicationConfiguration: {
          'Fn::If': ['HasReplica', replication(), ref('AWS::NoValue')],
        },
      },
    },
    DataBucketPolicy: bucketPolicy('DataBucket', dataBucketPolicy(names)),
    ControlBucket: {
      Type: 'AWS::S3::Bucket',
      DeletionPolicy: 'Retain',
      UpdateReplacePolicy: 'Retain',
      Properties: {
        BucketName: ref('ControlBucketName'),
        ...bucketBasics([
          { Id: 'old-registers', Status: 'Enabled', NoncurrentVersionExpiration: { NoncurrentDays: 90 } },
        ]),
      },
    },
    ControlBucketPolicy: bucketPolicy('ControlBucket', controlBucketPolicy(names)),
  };
}

const bucketPolicy = (bucket: string, document: unknown) => ({
  Type: 'AWS::S3::BucketPolicy',
  Properties: { Bucket: ref(bucket), PolicyDocument: toCfn(document) },
});

/** Versions with their locks; markers are not copied, because a marker hides. */
const replication = () => ({
  Role: { 'Fn::Sub': names.replicator },
  Rules: [
    {
      Id: 'everything',
      Status: 'Enabled',
      Priority: 1,
      Filter: { Prefix: '' },
      DeleteMarkerReplication: { Status: 'Disabled' },
      Destination: {
        Bucket: ref('ReplicaBucketArn'),
        Account: ref('ReplicaAccountId'),
        AccessControlTranslation: { Owner: 'Destination' },
      },
    },
  ],
});

const capital = (text: string): string => text.slice(0, 1).toUpperCase() + text.slice(1);
