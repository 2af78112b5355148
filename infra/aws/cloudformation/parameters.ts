/** What a person decides, or `azd` tells: the parameters of the main template. `blockferry init` writes a file with them. */
import { lockWindows } from '../placeholders';

const guid = {
  AllowedPattern: '[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}',
  ConstraintDescription: 'a GUID in lower case',
};
const optionalGuid = { ...guid, AllowedPattern: `(${guid.AllowedPattern})?`, Default: '' };
const bucket = {
  AllowedPattern: '[a-z0-9][a-z0-9-]{1,61}[a-z0-9]',
  ConstraintDescription: 'a bucket name without dots',
};
const arn = {
  AllowedPattern: 'arn:aws[\\w-]*:iam::\\d{12}:(role|user)/.+',
  ConstraintDescription: 'the ARN of a role or user',
};

const text = <Rest extends object>(Description: string, rest: Rest) => ({ Type: 'String', Description, ...rest });

export const parameters = {
  RepositoryTenant: text(
    'Name of the tenant in the repository, as in the Azure parameters. It cannot be changed later.',
    {
      AllowedPattern: '[a-z0-9][a-z0-9-]{0,39}',
    },
  ),
  DataBucketName: text('Bucket for packs, manifests and restore points.', bucket),
  ControlBucketName: text('Bucket for sessions and the state of the collector.', bucket),
  LockDays: text('Days for which nobody at all can delete what was written (Object Lock, compliance mode).', {
    Default: '30',
    AllowedValues: lockWindows.map(({ days }) => String(days)),
  }),
  RolePrefix: text('Roles are called PREFIX-writer and so on. Another one for each repository of the account.', {
    Default: 'blockferry',
    AllowedPattern: '[\\w+=,.@-]{1,40}',
  }),
  EntraTenantId: text('Entra tenant of the identities.', guid),
  IssuerHost: text('Host of the issuer in version 1 tokens: sts.windows.net, in China sts.chinacloudapi.cn.', {
    Default: 'sts.windows.net',
    AllowedPattern: '[a-z0-9.-]+',
  }),
  Audience: text('Application ID URI of the federation app registration.', { AllowedPattern: '(api|https)://\\S+' }),
  CreateOidcProvider: text('false when the account trusts this Entra tenant already: there can be one provider only.', {
    Default: 'true',
    AllowedValues: ['true', 'false'],
  }),
  ControlObjectId: text(
    'Object id of the identity id-NAME-control; AWS_TRUSTED_SUBJECTS of the Azure deployment.',
    guid,
  ),
  DataProxyObjectId: text('Object id of the identity id-NAME-data-proxy.', guid),
  CollectorObjectId: text('Object id of the identity id-NAME-collector.', guid),
  KeeperObjectId: text('Object id of the identity id-NAME-keeper.', guid),
  EraserObjectId: text(
    'Object id of the identity that may end the tenant. Empty, as it should be until that day: no such role.',
    {
      ...optionalGuid,
    },
  ),
  AllowedNetworks: {
    Type: 'CommaDelimitedList',
    Description:
      'CIDR blocks of the data proxies and the control plane, as AWS sees them. 0.0.0.0/0,::/0 lets a stolen session be used from anywhere.',
  },
  DeployerArn: text(
    'The one principal that may change the buckets, with their policies. It deploys this template.',
    arn,
  ),
  RescuerArn: text('The role that people take to restore in an emergency, from any network.', arn),
  ReplicaBucketArn: text('Bucket in a third account that gets a copy of everything; see replica.yaml. Empty: none.', {
    Default: '',
    AllowedPattern: '(arn:aws[\\w-]*:s3:::[a-z0-9-]+)?',
  }),
  ReplicaAccountId: text('Account of that bucket.', { Default: '', AllowedPattern: '(\\d{12})?' }),
} as const;

export const conditions = {
  CreatesOidcProvider: { 'Fn::Equals': [{ Ref: 'CreateOidcProvider' }, 'true'] },
  HasEraser: { 'Fn::Not': [{ 'Fn::Equals': [{ Ref: 'EraserObjectId' }, ''] }] },
  HasReplica: { 'Fn::Not': [{ 'Fn::Equals': [{ Ref: 'ReplicaBucketArn' }, ''] }] },
} as const;
