/**
 * What the rights in AWS are written about. The same tables are filled with real names for the embedded stack and for checks, and
 * with placeholders (`${DataBucketName}`) for the templates of infra/aws: so what is deployed is what is enforced in the tests.
 */

/** One identity in Azure for each thing that may be done; `person` ends a tenant, and has no identity until then. */
export const identityNames = ['control', 'dataProxy', 'collector', 'keeper', 'person'] as const;
export type IdentityName = (typeof identityNames)[number];

/** Which identities may assume which role. */
export const roles = {
  writer: { trusted: ['control', 'dataProxy'] },
  reader: { trusted: ['control', 'dataProxy'] },
  collector: { trusted: ['collector'] },
  keeper: { trusted: ['keeper'] },
  catalogue: { trusted: ['control'] },
  eraser: { trusted: ['person'] },
} as const satisfies Readonly<Record<string, { readonly trusted: readonly IdentityName[] }>>;

export type RoleName = keyof typeof roles;
export const roleNames = Object.keys(roles) as readonly RoleName[];

export interface RightsNames {
  /** `aws`, `aws-cn` or `aws-us-gov`. */
  readonly partition: string;
  readonly accountId: string;
  /** Name of the tenant in the repository, not of the Entra tenant. */
  readonly tenant: string;
  readonly dataBucket: string;
  readonly controlBucket: string;
  /** Roles are called PREFIX-writer and so on. */
  readonly rolePrefix: string;
  /** `iss` of the identities' tokens without the scheme, with its slash at the end: `sts.windows.net/TENANT-GUID/`. */
  readonly issuerHostPath: string;
  readonly audience: string;
  /** Object ids: the `sub` of the identities' tokens. */
  readonly subjects: Readonly<Record<IdentityName, string>>;
  /** CIDR blocks from which objects may be read and written. */
  readonly networks: readonly string[];
  /** No lock may be longer: the window and five days. */
  readonly lockCapDays: string;
  /** ARN of the one principal that may change the buckets themselves. */
  readonly deployer: string;
  /** ARN of the role that people take to restore in an emergency, from wherever they are. */
  readonly rescuer: string;
  /** ARN of the role with which S3 copies into another account. */
  readonly replicator: string;
}

export const roleNameOf = (names: Pick<RightsNames, 'rolePrefix'>, role: RoleName): string =>
  `${names.rolePrefix}-${role}`;

export const roleArnOf = (names: Pick<RightsNames, 'partition' | 'accountId' | 'rolePrefix'>, role: RoleName): string =>
  `arn:${names.partition}:iam::${names.accountId}:role/${roleNameOf(names, role)}`;

export const bucketArnOf = (names: Pick<RightsNames, 'partition'>, bucket: string): string =>
  `arn:${names.partition}:s3:::${bucket}`;

type Values = string | readonly string[];

export interface Statement {
  readonly Sid: string;
  readonly Effect: 'Allow' | 'Deny';
  readonly Principal?: '*' | Readonly<Record<string, string>>;
  readonly Action: Values;
  readonly Resource: Values;
  readonly Condition?: Readonly<Record<string, Readonly<Record<string, Values>>>>;
}

export interface PolicyDocument<Item = Statement> {
  readonly Version: '2012-10-17';
  readonly Statement: readonly Item[];
}

export const policyOf = <Item>(statements: readonly Item[]): PolicyDocument<Item> => ({
  Version: '2012-10-17',
  Statement: statements,
});
