/**
 * The simulated AWS account as a real one is set up: from the same tables as the templates of infra/aws.
 * `{issuer}` and `{issuerHostPath}` are filled in by the simulator.
 */
import { controlBucketPolicy, dataBucketPolicy } from '../../shared/rights/buckets';
import {
  identityNames,
  type RightsNames,
  type RoleName,
  roleArnOf,
  roleNameOf,
  roleNames,
} from '../../shared/rights/names';
import { rolePolicy, trustPolicy } from '../../shared/rights/roles';

export interface AwsNames {
  readonly accountId: string;
  readonly region: string;
  readonly audience: string;
  /** `sub` of the managed identity's tokens: its object id. One identity plays all parts unless `subjects` names more. */
  readonly subject: string;
  readonly subjects?: Partial<RightsNames['subjects']>;
  readonly tenant: string;
  readonly dataBucket: string;
  readonly controlBucket: string;
  /** Days for which an object is locked when it is written; no lock when absent, so that a trial can be cleaned up. */
  readonly lockDays?: number;
}

const ROLE_PREFIX = 'blockferry';

export const roleArn = (accountId: string, role: RoleName): string =>
  roleArnOf({ partition: 'aws', accountId, rolePrefix: ROLE_PREFIX }, role);

export function awsSeed(names: AwsNames) {
  const rights = rightsNames(names);
  return {
    accountId: names.accountId,
    region: names.region,
    oidcProviders: [{ url: '{issuer}', audiences: [names.audience] }],
    roles: roleNames.map((role) => ({
      name: roleNameOf(rights, role),
      trust: trustPolicy(rights, role),
      policy: rolePolicy(rights, role),
      maxSessionSeconds: 3600,
    })),
    buckets: [
      {
        name: names.dataBucket,
        versioning: true,
        policy: dataBucketPolicy(rights),
        ...(names.lockDays === undefined ? {} : { objectLockDays: names.lockDays }),
      },
      { name: names.controlBucket, versioning: true, policy: controlBucketPolicy(rights) },
    ],
  };
}

function rightsNames(names: AwsNames): RightsNames {
  const arn = (name: string): string => `arn:aws:iam::${names.accountId}:${name}`;
  return {
    partition: 'aws',
    accountId: names.accountId,
    tenant: names.tenant,
    dataBucket: names.dataBucket,
    controlBucket: names.controlBucket,
    rolePrefix: ROLE_PREFIX,
    issuerHostPath: '{issuerHostPath}',
    audience: names.audience,
    subjects: {
      ...(Object.fromEntries(identityNames.map((name) => [name, names.subject])) as RightsNames['subjects']),
      ...names.subjects,
    },
    networks: ['127.0.0.0/8', '::1/128'],
    lockCapDays: String((names.lockDays ?? 30) + 5),
    deployer: arn('user/admin'),
    rescuer: arn('role/rescuer'),
    replicator: arn(`role/${ROLE_PREFIX}-replicator`),
  };
}
