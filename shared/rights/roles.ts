/**
 * What each role may do, and who may assume it. Nothing is allowed twice over: no role reads packs and deletes, none writes packs
 * and reads them back. A session policy cuts each session down further (shared/aws/session-policy.ts).
 *
 * Letters below `t/TENANT/`: packs u, index segments x, manifests m, restore points p, key envelopes k; sessions s and the
 * collector's state gc are in the control bucket.
 */
import {
  bucketArnOf,
  type PolicyDocument,
  policyOf,
  type RightsNames,
  type RoleName,
  roles,
  type Statement,
} from './names';

export interface TrustStatement {
  readonly Effect: 'Allow';
  readonly Principal: { readonly Federated: string };
  readonly Action: 'sts:AssumeRoleWithWebIdentity';
  readonly Condition: { readonly StringEquals: Readonly<Record<string, string | readonly string[]>> };
}

/** By `sub` and `aud` both: any identity of the Entra tenant can ask for a token of the audience. */
export function trustPolicy(names: RightsNames, role: RoleName): PolicyDocument<TrustStatement> {
  const subjects = roles[role].trusted.map((identity) => names.subjects[identity]);
  return policyOf([
    {
      Effect: 'Allow',
      Principal: {
        Federated: `arn:${names.partition}:iam::${names.accountId}:oidc-provider/${names.issuerHostPath}`,
      },
      Action: 'sts:AssumeRoleWithWebIdentity',
      Condition: {
        StringEquals: { [`${names.issuerHostPath}:aud`]: names.audience, [`${names.issuerHostPath}:sub`]: subjects },
      },
    },
  ]);
}

export function rolePolicy(names: RightsNames, role: RoleName): PolicyDocument {
  return policyOf(rights[role](placesOf(names)));
}

interface Places {
  readonly names: RightsNames;
  /** Objects below the tenant's prefix in the data bucket; `k/1` is a folder too. */
  readonly data: (...folders: string[]) => string[];
  readonly control: (...folders: string[]) => string[];
}

function placesOf(names: RightsNames): Places {
  const under =
    (bucket: string) =>
    (...folders: string[]) =>
      folders.map((folder) => `${bucketArnOf(names, bucket)}/t/${names.tenant}/${folder}/*`);
  return { names, data: under(names.dataBucket), control: under(names.controlBucket) };
}

const rights: Readonly<Record<RoleName, (places: Places) => readonly Statement[]>> = {
  writer: (places) => [
    allow('WriteOnce', 's3:PutObject', places.data('k/1', 'u', 'x', 'm', 'p'), once),
    // Not u/: what was written cannot be read back by whoever steals these credentials.
    allow('ReadMetadata', 's3:GetObject', places.data('k', 'x', 'm', 'p')),
    allow('WriteKeyEnvelopesOnce', 's3:PutObject', places.control('k/1'), once),
    ...ownSessions(places),
    ...listing(places, 's3:ListBucket'),
  ],
  reader: (places) => [
    allow('ReadData', ['s3:GetObject', 's3:GetObjectVersion'], places.data('k', 'u', 'x', 'm', 'p')),
    ...ownSessions(places),
    ...listing(places, 's3:ListBucket'),
  ],
  // Deletes what nothing needs; reads no pack, and cannot touch point records or envelopes.
  collector: (places) => [
    allow('ReadMetadata', 's3:GetObject', places.data('k', 'x', 'm', 'p')),
    allow('SeeLocks', 's3:GetObjectRetention', places.data('u', 'x', 'm')),
    allow('DeleteVersions', 's3:DeleteObjectVersion', places.data('u', 'x', 'm')),
    allow('ReplaceSegments', 's3:PutObject', places.data('x'), once),
    allow('SessionsAndState', ['s3:GetObject', 's3:PutObject'], places.control('s', 'gc')),
    allow('ReadKeyEnvelopes', 's3:GetObject', places.control('k')),
    ...listing(places, 's3:ListBucket', 's3:ListBucketVersions'),
  ],
  // Lengthens locks and nothing else; how far, the bucket policy says once more. It reads what names the units, not the units.
  keeper: (places) => [
    allow('ReadMetadata', 's3:GetObject', places.data('k', 'x', 'm', 'p')),
    allow('SeeLocks', 's3:GetObjectRetention', places.data('k', 'u', 'x', 'm', 'p')),
    allow('Lengthen', 's3:PutObjectRetention', places.data('k', 'u', 'x', 'm', 'p'), {
      NumericLessThanEquals: { 's3:object-lock-remaining-retention-days': places.names.lockCapDays },
    }),
    ...ownSessions(places),
    allow('KeeperState', 's3:PutObject', [
      `${bucketArnOf(places.names, places.names.controlBucket)}/t/${places.names.tenant}/gc/keeper`,
    ]),
    ...listing(places, 's3:ListBucket', 's3:ListBucketVersions'),
  ],
  // Shows what there is: records and registers, which say names, times and sizes.
  catalogue: (places) => [
    allow('ReadPoints', 's3:GetObject', places.data('k', 'p')),
    allow('ReadSessions', 's3:GetObject', places.control('k', 's')),
    list(places, 'ListPoints', places.names.dataBucket, ['s3:ListBucket'], 'p/*'),
    list(places, 'ListSessions', places.names.controlBucket, ['s3:ListBucket'], 's/*'),
    // So that `blockferry doctor` sees whether the buckets are what they should be.
    allow(
      'ReadSettings',
      [
        's3:GetBucketVersioning',
        's3:GetBucketObjectLockConfiguration',
        's3:GetBucketPolicy',
        's3:GetLifecycleConfiguration',
      ],
      [places.names.dataBucket, places.names.controlBucket].map((bucket) => bucketArnOf(places.names, bucket)),
    ),
  ],
  // Ends a tenant: deletes the envelopes of its root key for good, and reads nothing. No job ever assumes it (docs/keys.md).
  eraser: (places) => [
    allow('EraseKeyEnvelopes', 's3:DeleteObjectVersion', [...places.data('k'), ...places.control('k')]),
    list(places, 'FindDataEnvelopes', places.names.dataBucket, ['s3:ListBucket', 's3:ListBucketVersions'], 'k/*'),
    list(places, 'FindControlEnvelopes', places.names.controlBucket, ['s3:ListBucket', 's3:ListBucketVersions'], 'k/*'),
  ],
};

const once = { Null: { 's3:if-none-match': 'false' } };

function ownSessions({ names, control }: Places): Statement[] {
  return [
    allow('Sessions', ['s3:GetObject', 's3:PutObject'], control('s')),
    allow('SeeCollectorAndKeys', 's3:GetObject', control('gc', 'k')),
    // Made once, by the first session of a new tenant; replaced by the collector alone.
    allow(
      'MakeCollectorState',
      's3:PutObject',
      [`${bucketArnOf(names, names.controlBucket)}/t/${names.tenant}/gc/state`],
      once,
    ),
  ];
}

function listing(places: Places, ...actions: string[]): Statement[] {
  return [
    list(places, 'ListData', places.names.dataBucket, actions, '*'),
    list(places, 'ListControl', places.names.controlBucket, actions, '*'),
  ];
}

function list({ names }: Places, sid: string, bucket: string, actions: readonly string[], below: string): Statement {
  return allow(sid, actions, [bucketArnOf(names, bucket)], {
    StringLike: { 's3:prefix': `t/${names.tenant}/${below}` },
  });
}

function allow(
  Sid: string,
  Action: Statement['Action'],
  Resource: readonly string[],
  condition?: Statement['Condition'],
): Statement {
  return { Sid, Effect: 'Allow', Action, Resource, ...(condition === undefined ? {} : { Condition: condition }) };
}
