/**
 * The simulated AWS account as a real one is set up: an OIDC provider that trusts the Azure tenant's issuer, a writer role
 * that can write once and never read the data back or delete, a reader role that writes nothing but its own session
 * records, and buckets whose own policies refuse overwriting and hiding whatever a role says.
 * `{issuer}` and `{issuerHostPath}` are filled in by the simulator.
 */
export interface AwsNames {
  readonly accountId: string;
  readonly region: string;
  readonly audience: string;
  /** `sub` of the managed identity's tokens: its object id. */
  readonly subject: string;
  readonly tenant: string;
  readonly dataBucket: string;
  readonly controlBucket: string;
}

export const roleNames = {
  writer: 'blockferry-writer',
  reader: 'blockferry-reader',
  collector: 'blockferry-collector',
  eraser: 'blockferry-eraser',
} as const;

export const roleArn = (accountId: string, role: keyof typeof roleNames): string =>
  `arn:aws:iam::${accountId}:role/${roleNames[role]}`;

interface Statement {
  readonly Sid: string;
  readonly Effect: 'Allow' | 'Deny';
  readonly Action: string | readonly string[];
  readonly Resource: string | readonly string[];
  readonly Principal?: '*' | Readonly<Record<string, string>>;
  readonly Condition?: Readonly<Record<string, Readonly<Record<string, string | readonly string[]>>>>;
}

const VERSION = '2012-10-17';

export function awsSeed(names: AwsNames) {
  return {
    accountId: names.accountId,
    region: names.region,
    oidcProviders: [{ url: '{issuer}', audiences: [names.audience] }],
    roles: [
      { name: roleNames.writer, trust: trust(names), policy: policy(writerRights(names)), maxSessionSeconds: 3600 },
      { name: roleNames.reader, trust: trust(names), policy: policy(readerRights(names)), maxSessionSeconds: 3600 },
      {
        name: roleNames.collector,
        trust: trust(names),
        policy: policy(collectorRights(names)),
        maxSessionSeconds: 3600,
      },
      { name: roleNames.eraser, trust: trust(names), policy: policy(eraserRights(names)), maxSessionSeconds: 3600 },
    ],
    buckets: [
      { name: names.dataBucket, versioning: true, policy: policy(dataBucketRules(names)) },
      { name: names.controlBucket, versioning: true, policy: policy(controlBucketRules(names)) },
    ],
  };
}

const policy = (statements: readonly Statement[]) => ({ Version: VERSION, Statement: statements });

function trust(names: AwsNames) {
  return {
    Version: VERSION,
    Statement: [
      {
        Effect: 'Allow',
        Principal: { Federated: `arn:aws:iam::${names.accountId}:oidc-provider/{issuerHostPath}` },
        Action: 'sts:AssumeRoleWithWebIdentity',
        Condition: {
          StringEquals: { '{issuerHostPath}:aud': names.audience, '{issuerHostPath}:sub': names.subject },
        },
      },
    ],
  };
}

function writerRights(names: AwsNames): Statement[] {
  const data = (folder: string): string => `arn:aws:s3:::${names.dataBucket}/t/${names.tenant}/${folder}/*`;
  return [
    {
      Sid: 'WriteOnce',
      Effect: 'Allow',
      Action: 's3:PutObject',
      Resource: [data('k/1'), data('u'), data('x'), data('m'), data('p')],
      Condition: { Null: { 's3:if-none-match': 'false' } },
    },
    // Not u/: what was written cannot be read back by whoever steals these credentials.
    {
      Sid: 'ReadMetadata',
      Effect: 'Allow',
      Action: 's3:GetObject',
      Resource: [data('k'), data('x'), data('m'), data('p')],
    },
    {
      Sid: 'WriteKeyEnvelopesOnce',
      Effect: 'Allow',
      Action: 's3:PutObject',
      Resource: controlKeys(names, '/1'),
      Condition: { Null: { 's3:if-none-match': 'false' } },
    },
    listOwnPrefix(names, names.dataBucket),
    ...ownSessions(names),
  ];
}

function readerRights(names: AwsNames): Statement[] {
  return [
    {
      Sid: 'ReadData',
      Effect: 'Allow',
      Action: ['s3:GetObject', 's3:GetObjectVersion'],
      Resource: `arn:aws:s3:::${names.dataBucket}/t/${names.tenant}/*`,
    },
    listOwnPrefix(names, names.dataBucket),
    ...ownSessions(names),
  ];
}

function ownSessions(names: AwsNames): Statement[] {
  return [
    {
      Sid: 'Sessions',
      Effect: 'Allow',
      Action: ['s3:GetObject', 's3:PutObject'],
      Resource: `arn:aws:s3:::${names.controlBucket}/t/${names.tenant}/s/*`,
    },
    { Sid: 'ReadKeyEnvelopes', Effect: 'Allow', Action: 's3:GetObject', Resource: controlKeys(names) },
    {
      Sid: 'SeeCollector',
      Effect: 'Allow',
      Action: 's3:GetObject',
      Resource: `arn:aws:s3:::${names.controlBucket}/t/${names.tenant}/gc/*`,
    },
    // Made once, by the first session of a new tenant; replaced by the collector alone.
    {
      Sid: 'MakeCollectorState',
      Effect: 'Allow',
      Action: 's3:PutObject',
      Resource: `arn:aws:s3:::${names.controlBucket}/t/${names.tenant}/gc/state`,
      Condition: { Null: { 's3:if-none-match': 'false' } },
    },
    { ...listOwnPrefix(names, names.controlBucket), Sid: 'ListSessions' },
  ];
}

/** Deletes packs, segments and manifests that nothing needs; reads no pack, and cannot touch point records or envelopes. */
function collectorRights(names: AwsNames): Statement[] {
  const data = (folder: string): string => `arn:aws:s3:::${names.dataBucket}/t/${names.tenant}/${folder}/*`;
  const control = (folder: string): string => `arn:aws:s3:::${names.controlBucket}/t/${names.tenant}/${folder}/*`;
  const collected = ['u', 'x', 'm'].map(data);
  return [
    { Sid: 'ReadMetadata', Effect: 'Allow', Action: 's3:GetObject', Resource: ['k', 'x', 'm', 'p'].map(data) },
    { Sid: 'SeeLocks', Effect: 'Allow', Action: 's3:GetObjectRetention', Resource: collected },
    { Sid: 'DeleteVersions', Effect: 'Allow', Action: 's3:DeleteObjectVersion', Resource: collected },
    {
      Sid: 'ReplaceSegments',
      Effect: 'Allow',
      Action: 's3:PutObject',
      Resource: data('x'),
      Condition: { Null: { 's3:if-none-match': 'false' } },
    },
    {
      Sid: 'SessionsAndState',
      Effect: 'Allow',
      Action: ['s3:GetObject', 's3:PutObject'],
      Resource: ['s', 'gc'].map(control),
    },
    { Sid: 'ReadKeyEnvelopes', Effect: 'Allow', Action: 's3:GetObject', Resource: controlKeys(names) },
    ...[names.dataBucket, names.controlBucket].map(
      (bucket, index): Statement => ({
        ...listOwnPrefix(names, bucket),
        Sid: `List${index}`,
        Action: ['s3:ListBucket', 's3:ListBucketVersions'],
      }),
    ),
  ];
}

/**
 * Who ends a tenant: it deletes the envelopes of its root key for good, and reads nothing. No job ever assumes it; a person
 * does, for one command (docs/keys.md).
 */
function eraserRights(names: AwsNames): Statement[] {
  const envelopes = [names.dataBucket, names.controlBucket].map(
    (bucket) => `arn:aws:s3:::${bucket}/t/${names.tenant}/k/*`,
  );
  return [
    { Sid: 'EraseKeyEnvelopes', Effect: 'Allow', Action: 's3:DeleteObjectVersion', Resource: envelopes },
    ...[names.dataBucket, names.controlBucket].map(
      (bucket, index): Statement => ({
        Sid: `FindKeyEnvelopes${index}`,
        Effect: 'Allow',
        Action: ['s3:ListBucket', 's3:ListBucketVersions'],
        Resource: `arn:aws:s3:::${bucket}`,
        Condition: { StringLike: { 's3:prefix': `t/${names.tenant}/k/*` } },
      }),
    ),
  ];
}

const controlKeys = (names: AwsNames, generation = ''): string =>
  `arn:aws:s3:::${names.controlBucket}/t/${names.tenant}/k${generation}/*`;

function listOwnPrefix(names: AwsNames, bucket: string): Statement {
  return {
    Sid: 'ListData',
    Effect: 'Allow',
    Action: 's3:ListBucket',
    Resource: `arn:aws:s3:::${bucket}`,
    Condition: { StringLike: { 's3:prefix': `t/${names.tenant}/*` } },
  };
}

function dataBucketRules({ accountId, dataBucket: bucket }: AwsNames): Statement[] {
  const objects = `arn:aws:s3:::${bucket}/*`;
  const deny = (Sid: string, Action: string | readonly string[], condition?: Statement['Condition']): Statement => ({
    Sid,
    Effect: 'Deny',
    Principal: '*',
    Action,
    Resource: objects,
    ...(condition === undefined ? {} : { Condition: condition }),
  });
  return [
    deny('WriteOnce', 's3:PutObject', {
      Null: { 's3:if-none-match': 'true' },
      Bool: { 's3:ObjectCreationOperation': 'true' },
    }),
    deny('NoMarkers', 's3:DeleteObject'),
    // Nobody deletes but the collector and who ends a tenant; the rights of the second end at key envelopes.
    deny('OnlyCollectorDeletes', 's3:DeleteObjectVersion', {
      ArnNotEquals: { 'aws:PrincipalArn': [roleArn(accountId, 'collector'), roleArn(accountId, 'eraser')] },
    }),
    deny('LockCap', 's3:PutObjectRetention', {
      NumericGreaterThan: { 's3:object-lock-remaining-retention-days': '35' },
    }),
    deny('NoBypass', ['s3:BypassGovernanceRetention', 's3:PutObjectLegalHold']),
    deny('NoSseC', 's3:PutObject', {
      Null: { 's3:x-amz-server-side-encryption-customer-algorithm': 'false' },
    }),
    tlsOnly(bucket),
  ];
}

/** Registers are replaced and expire; key envelopes are written once and never hidden, whatever a role says. */
function controlBucketRules({ accountId, controlBucket: bucket }: AwsNames): Statement[] {
  const envelopes = `arn:aws:s3:::${bucket}/t/*/k/*`;
  const deny = (Sid: string, Action: string, condition?: Statement['Condition']): Statement => ({
    Sid,
    Effect: 'Deny',
    Principal: '*',
    Action,
    Resource: envelopes,
    ...(condition === undefined ? {} : { Condition: condition }),
  });
  return [
    deny('KeyEnvelopesOnce', 's3:PutObject', {
      Null: { 's3:if-none-match': 'true' },
      Bool: { 's3:ObjectCreationOperation': 'true' },
    }),
    deny('NoMarkersOnKeyEnvelopes', 's3:DeleteObject'),
    deny('OnlyEraserDeletesKeyEnvelopes', 's3:DeleteObjectVersion', {
      ArnNotEquals: { 'aws:PrincipalArn': roleArn(accountId, 'eraser') },
    }),
    tlsOnly(bucket),
  ];
}

function tlsOnly(bucket: string): Statement {
  return {
    Sid: 'TlsOnly',
    Effect: 'Deny',
    Principal: '*',
    Action: 's3:*',
    Resource: [`arn:aws:s3:::${bucket}`, `arn:aws:s3:::${bucket}/*`],
    Condition: { Bool: { 'aws:SecureTransport': 'false' } },
  };
}
