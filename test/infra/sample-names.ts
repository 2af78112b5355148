/** One installation, as parameters of both languages. */
export const ACCOUNT = '111122223333';
export const ISSUER_HOST = 'sts.example';
export const TENANT_GUID = '11111111-2222-3333-4444-555555555555';

const objectId = (digit: number): string => `${String(digit).repeat(8)}-0000-4000-8000-000000000000`;
export const subjects = {
  control: objectId(1),
  dataProxy: objectId(2),
  collector: objectId(3),
  keeper: objectId(4),
  person: objectId(5),
} as const;

export const parameters = {
  RepositoryTenant: 'acme',
  DataBucketName: 'acme-data',
  ControlBucketName: 'acme-control',
  LockDays: '30',
  RolePrefix: 'ferry',
  EntraTenantId: TENANT_GUID,
  IssuerHost: ISSUER_HOST,
  Audience: 'api://blockferry',
  ControlObjectId: subjects.control,
  DataProxyObjectId: subjects.dataProxy,
  CollectorObjectId: subjects.collector,
  KeeperObjectId: subjects.keeper,
  EraserObjectId: subjects.person,
  AllowedNetworks: '127.0.0.0/8,::1/128',
  DeployerArn: `arn:aws:iam::${ACCOUNT}:user/deployer`,
  RescuerArn: `arn:aws:iam::${ACCOUNT}:user/rescuer`,
  ReplicaBucketArn: 'arn:aws:s3:::acme-replica',
  ReplicaAccountId: '444455556666',
} as const;

export const pseudo = { Partition: 'aws', AccountId: ACCOUNT, NoValue: '' } as const;
