/**
 * The STS conformance suite, against the simulator; or against a real STS, when the environment names one:
 *
 *   STS_CONFORMANCE_ENDPOINT  such as https://sts.eu-central-1.amazonaws.com
 *   STS_CONFORMANCE_ROLE_ARN  a role that trusts the token, with a maximal session of one hour
 *   STS_CONFORMANCE_TOKEN     a valid web identity token
 *   AWS_REGION                as always with the SDK
 */
import { STSClient } from '@aws-sdk/client-sts';
import { ACCOUNT_ID, REGION, startAws } from '../cloud/aws-harness';
import { type StsTarget, stsConformance } from './sts';

const endpoint = process.env['STS_CONFORMANCE_ENDPOINT'];

stsConformance(
  endpoint === undefined ? 'STS, simulated' : `STS at ${endpoint}`,
  endpoint === undefined ? openSimulator : () => openServer(endpoint),
);

async function openSimulator(): Promise<StsTarget> {
  const aws = await startAws({
    oidcProviders: [{ url: '{issuer}', audiences: ['api://blockferry'] }],
    roles: [
      {
        name: 'writer',
        trust: {
          Statement: {
            Effect: 'Allow',
            Action: 'sts:AssumeRoleWithWebIdentity',
            Principal: { Federated: `arn:aws:iam::${ACCOUNT_ID}:oidc-provider/{issuerHostPath}` },
            Condition: {
              StringEquals: { '{issuerHostPath}:aud': 'api://blockferry', '{issuerHostPath}:sub': 'writer-object-id' },
            },
          },
        },
        policy: { Statement: { Effect: 'Allow', Action: 's3:*', Resource: '*' } },
      },
    ],
  });
  const client = (options: {
    credentials?: { accessKeyId: string; secretAccessKey: string; sessionToken: string };
  }): STSClient => new STSClient({ endpoint: aws.endpoint, region: REGION, maxAttempts: 1, ...options });
  return {
    client: aws.sts(),
    withCredentials: (session) =>
      client({
        credentials: {
          accessKeyId: session.AccessKeyId ?? '',
          secretAccessKey: session.SecretAccessKey ?? '',
          sessionToken: session.SessionToken ?? '',
        },
      }),
    roleArn: `arn:aws:iam::${ACCOUNT_ID}:role/writer`,
    token: () => aws.issuer.token({ aud: 'api://blockferry', sub: 'writer-object-id' }),
    close: () => aws.close(),
  };
}

async function openServer(url: string): Promise<StsTarget> {
  const region = process.env['AWS_REGION'] ?? 'us-east-1';
  const client = new STSClient({ endpoint: url, region, maxAttempts: 1 });
  return {
    client,
    withCredentials: (session) =>
      new STSClient({
        endpoint: url,
        region,
        maxAttempts: 1,
        credentials: {
          accessKeyId: session.AccessKeyId ?? '',
          secretAccessKey: session.SecretAccessKey ?? '',
          sessionToken: session.SessionToken ?? '',
        },
      }),
    roleArn: process.env['STS_CONFORMANCE_ROLE_ARN'] ?? '',
    token: () => process.env['STS_CONFORMANCE_TOKEN'] ?? '',
    async close() {
      client.destroy();
    },
  };
}
