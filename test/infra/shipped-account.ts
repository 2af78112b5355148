/** A simulated AWS account set up with what the shipped template says, word for word. */

import type { S3Client } from '@aws-sdk/client-s3';
import { AssumeRoleWithWebIdentityCommand } from '@aws-sdk/client-sts';
import type { PolicyDocument } from '../../local/cloud/aws/iam/policy-document';
import type { AwsSeed } from '../../local/cloud/aws/seed';
import { type RoleName, roleNames } from '../../shared/rights/names';
import { ACCOUNT_ID, type AwsHarness, createTestIssuer, REGION, startAws } from '../cloud/aws-harness';
import { documentOf, readTemplate, resolveTemplate } from './cfn-template';
import { parameters, pseudo, subjects } from './sample-names';

export const DATA = parameters.DataBucketName;
export const CONTROL = parameters.ControlBucketName;

/** Users with every right of their own: what stops them is the buckets. */
export const powerful = ['admin', 'deployer', 'rescuer'] as const;
export type Powerful = (typeof powerful)[number];
const keyOf = (name: Powerful) => ({
  accessKeyId: `AKIATEST${name.toUpperCase().padEnd(12, '0')}`,
  secretAccessKey: `secret/of/${name}`,
});

/** Who each role is trusted to. */
export const subjectOf: Readonly<Record<RoleName, string>> = {
  writer: subjects.dataProxy,
  reader: subjects.control,
  collector: subjects.collector,
  keeper: subjects.keeper,
  catalogue: subjects.control,
  eraser: subjects.person,
};

export interface ShippedAccount {
  readonly aws: AwsHarness;
  user(name: Powerful): S3Client;
  role(
    name: RoleName,
    options?: { readonly sub?: string; readonly aud?: string; readonly Policy?: string },
  ): Promise<S3Client>;
}

export async function startShippedAccount(
  changed: Partial<typeof parameters> = {},
  options: Pick<AwsSeed, 'treatLoopbackAsTls'> = {},
): Promise<ShippedAccount> {
  const aws = await startAws({ ...shippedSeed({ ...parameters, ...changed }), ...options });
  const client = (credentials: { accessKeyId: string; secretAccessKey: string }): S3Client =>
    aws.client({ credentials });
  return {
    aws,
    user: (name) => client(keyOf(name)),
    async role(name, { sub = subjectOf[name], aud = parameters.Audience, Policy } = {}) {
      const { Credentials } = await aws.sts().send(
        new AssumeRoleWithWebIdentityCommand({
          RoleArn: `arn:aws:iam::${ACCOUNT_ID}:role/${parameters.RolePrefix}-${name}`,
          RoleSessionName: 'matrix',
          WebIdentityToken: aws.issuer.token({ aud, sub }),
          Policy,
        }),
      );
      const credentials = {
        accessKeyId: Credentials?.AccessKeyId ?? '',
        secretAccessKey: Credentials?.SecretAccessKey ?? '',
        sessionToken: Credentials?.SessionToken ?? '',
      };
      return client(credentials);
    },
  };
}

/** The test's issuer stands where Entra does in the template; nothing else is changed. */
function shippedSeed(given: Readonly<Record<string, string>>): Partial<AwsSeed> {
  const { resources } = resolveTemplate(readTemplate('blockferry.yaml'), given, pseudo);
  const { issuer } = createTestIssuer();
  const placed = (text: string): string =>
    text
      .replaceAll(`https://${given['IssuerHost']}/${given['EntraTenantId']}/`, issuer)
      .replaceAll(`${given['IssuerHost']}/${given['EntraTenantId']}/`, issuer.replace('http://', ''));
  const properties = (id: string): Record<string, never> =>
    JSON.parse(placed(JSON.stringify(resources[id]?.Properties)));
  const policy = (value: unknown): PolicyDocument => documentOf(value);
  const provider: Record<string, unknown> = properties('OidcProvider');
  return {
    accountId: ACCOUNT_ID,
    region: REGION,
    oidcProviders: [{ url: String(provider['Url']), audiences: provider['ClientIdList'] as string[] }],
    roles: roleNames.map((role) => {
      const id = `${role.slice(0, 1).toUpperCase()}${role.slice(1)}Role`;
      const { RoleName, AssumeRolePolicyDocument, Policies, MaxSessionDuration } = properties(id);
      const [rights] = Policies as unknown as readonly { readonly PolicyDocument: unknown }[];
      return {
        name: RoleName ?? '',
        trust: policy(AssumeRolePolicyDocument),
        policy: policy(rights?.PolicyDocument),
        maxSessionSeconds: Number(MaxSessionDuration),
      };
    }),
    buckets: ['DataBucket', 'ControlBucket'].map((id) => {
      const { BucketName, ObjectLockConfiguration } = properties(id);
      const lock = ObjectLockConfiguration as unknown as { Rule: { DefaultRetention: { Days: string } } } | undefined;
      return {
        name: String(BucketName),
        versioning: true,
        policy: policy(properties(`${id}Policy`)['PolicyDocument']),
        ...(lock === undefined ? {} : { objectLockDays: Number(lock.Rule.DefaultRetention.Days) }),
      };
    }),
    users: powerful.map((name) => ({ name, ...keyOf(name) })),
  };
}
