/** The product's roles and bucket policy in the shape of the security design, end to end: token, session, S3. */
import {
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  DeleteObjectCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  PutBucketPolicyCommand,
  PutObjectCommand,
  type S3Client,
  UploadPartCommand,
} from '@aws-sdk/client-s3';
import { AssumeRoleWithWebIdentityCommand } from '@aws-sdk/client-sts';
import type { PolicyStatementDocument } from '../../local/cloud/aws/iam/policy-document';
import type { RoleSeed } from '../../local/cloud/aws/seed';
import { expectError } from '../conformance/s3-expect';
import { ACCOUNT_ID, type AwsHarness, startAws } from './aws-harness';

const AUDIENCE = 'api://blockferry';
const DATA = 'arn:aws:s3:::data';
const arnOf = (name: string): string => `arn:aws:iam::${ACCOUNT_ID}:role/${name}`;

const role = (name: string, Statement: readonly PolicyStatementDocument[]): RoleSeed => ({
  name,
  trust: {
    Statement: {
      Effect: 'Allow',
      Action: 'sts:AssumeRoleWithWebIdentity',
      Principal: { Federated: `arn:aws:iam::${ACCOUNT_ID}:oidc-provider/{issuerHostPath}` },
      Condition: { StringEquals: { '{issuerHostPath}:aud': AUDIENCE, '{issuerHostPath}:sub': `${name}-id` } },
    },
  },
  policy: { Version: '2012-10-17', Statement },
});
const deny = (Sid: string, Action: string | string[], Condition?: PolicyStatementDocument['Condition']) => ({
  Sid,
  Effect: 'Deny' as const,
  Principal: '*' as const,
  Action,
  Resource: [DATA, `${DATA}/*`],
  ...(Condition === undefined ? {} : { Condition }),
});

let aws: AwsHarness;

beforeAll(async () => {
  aws = await startAws({
    oidcProviders: [{ url: '{issuer}', audiences: [AUDIENCE, 'api://other'] }],
    roles: [
      role('writer', [
        {
          Effect: 'Allow',
          Action: 's3:PutObject',
          Resource: `${DATA}/t/one/*`,
          Condition: { Null: { 's3:if-none-match': 'false' } },
        },
        { Effect: 'Allow', Action: 's3:GetObject', Resource: `${DATA}/t/one/m/*` },
        {
          Effect: 'Allow',
          Action: 's3:ListBucket',
          Resource: DATA,
          Condition: { StringLike: { 's3:prefix': 't/one/*' } },
        },
      ]),
      role('reader', [
        { Effect: 'Allow', Action: ['s3:GetObject', 's3:GetObjectVersion'], Resource: `${DATA}/t/one/*` },
        { Effect: 'Allow', Action: 's3:ListBucket', Resource: DATA },
      ]),
      role('collector', [
        { Effect: 'Allow', Action: ['s3:DeleteObject', 's3:DeleteObjectVersion'], Resource: `${DATA}/*` },
      ]),
    ],
    buckets: [
      {
        name: 'data',
        versioning: true,
        policy: {
          Version: '2012-10-17',
          Statement: [
            deny('WriteOnce', 's3:PutObject', {
              Null: { 's3:if-none-match': 'true' },
              Bool: { 's3:ObjectCreationOperation': 'true' },
            }),
            deny('NoMarkers', 's3:DeleteObject'),
            deny('OnlyCollectorDeletes', 's3:DeleteObjectVersion', {
              ArnNotEquals: { 'aws:PrincipalArn': arnOf('collector') },
            }),
            deny('NoSseC', 's3:PutObject', {
              Null: { 's3:x-amz-server-side-encryption-customer-algorithm': 'false' },
            }),
            deny('TlsOnly', 's3:*', { Bool: { 'aws:SecureTransport': 'false' } }),
            deny('Frozen', ['s3:PutBucketPolicy', 's3:DeleteBucketPolicy'], {
              ArnNotEquals: { 'aws:PrincipalArn': arnOf('deploy') },
            }),
          ],
        },
      },
    ],
  });
});
afterAll(() => aws.close());

async function assume(name: string, options: { Policy?: string; sub?: string; aud?: unknown } = {}): Promise<S3Client> {
  const { sub = `${name}-id`, aud = AUDIENCE, Policy } = options;
  const { Credentials } = await aws.sts().send(
    new AssumeRoleWithWebIdentityCommand({
      RoleArn: arnOf(name),
      RoleSessionName: `${name}-session`,
      WebIdentityToken: aws.issuer.token({ aud, sub }),
      Policy,
    }),
  );
  return aws.client({
    credentials: {
      accessKeyId: Credentials?.AccessKeyId ?? '',
      secretAccessKey: Credentials?.SecretAccessKey ?? '',
      sessionToken: Credentials?.SessionToken ?? '',
    },
  });
}

const Bucket = 'data';
const put = (client: S3Client, Key: string, more: object = {}): Promise<{ VersionId?: string | undefined }> =>
  client.send(new PutObjectCommand({ Bucket, Key, Body: 'x', IfNoneMatch: '*', ...more }));

describe('trust', () => {
  test.each([
    ['another subject', { sub: 'reader-id' }, 'AccessDenied'],
    ['an audience that the provider knows and the role does not', { aud: 'api://other' }, 'AccessDenied'],
    ['an audience that the provider does not know', { aud: 'api://nobody' }, 'InvalidIdentityTokenException'],
  ])('%s is refused', async (_name, options, error) => {
    await expect(assume('writer', options)).rejects.toMatchObject({ name: error });
  });

  test.each([
    ['an expired token', { exp: 1000 }, {}, 'ExpiredTokenException'],
    ['a token from the future', { nbf: 4_000_000_000 }, {}, 'InvalidIdentityTokenException'],
    ['another issuer', { iss: 'https://sts.windows.net/other/' }, {}, 'InvalidIdentityTokenException'],
    ['a key that the issuer does not publish', {}, { kid: 'unknown' }, 'InvalidIdentityTokenException'],
    ['another algorithm', {}, { alg: 'HS256' }, 'InvalidIdentityTokenException'],
  ])('%s is refused', async (_name, claims, header, error) => {
    const WebIdentityToken = aws.issuer.token({ aud: AUDIENCE, sub: 'writer-id', ...claims }, header);
    const command = new AssumeRoleWithWebIdentityCommand({
      RoleArn: arnOf('writer'),
      RoleSessionName: 'session',
      WebIdentityToken,
    });
    await expect(aws.sts().send(command)).rejects.toMatchObject({ name: error });
  });
});

describe('the writer', () => {
  test('creates in its own prefix, once', async () => {
    const writer = await assume('writer');
    await put(writer, 't/one/u/once');
    await expectError(put(writer, 't/one/u/once'), 'PreconditionFailed', 412);
  });

  test.each([
    ['write to another tenant', (client: S3Client) => put(client, 't/two/u/x')],
    ['write without If-None-Match', (client: S3Client) => put(client, 't/one/u/plain', { IfNoneMatch: undefined })],
    [
      'use SSE-C',
      (client: S3Client) =>
        put(client, 't/one/u/ssec', { SSECustomerAlgorithm: 'AES256', SSECustomerKey: 'k'.repeat(32) }),
    ],
    [
      'replace what is there',
      (client: S3Client) => put(client, 't/one/u/once', { IfMatch: '"x"', IfNoneMatch: undefined }),
    ],
    ['read packs back', (client: S3Client) => client.send(new GetObjectCommand({ Bucket, Key: 't/one/u/once' }))],
    ['delete', (client: S3Client) => client.send(new DeleteObjectCommand({ Bucket, Key: 't/one/u/once' }))],
    ['list another tenant', (client: S3Client) => client.send(new ListObjectsV2Command({ Bucket, Prefix: 't/two/' }))],
    ['list without a prefix', (client: S3Client) => client.send(new ListObjectsV2Command({ Bucket }))],
  ])('may not %s', async (_name, attempt) => {
    await expectError(attempt(await assume('writer')), 'AccessDenied', 403);
  });

  test('lists its own prefix', async () => {
    const writer = await assume('writer');
    await put(writer, 't/one/m/listed');
    const { Contents } = await writer.send(new ListObjectsV2Command({ Bucket, Prefix: 't/one/m/' }));
    expect(Contents?.map(({ Key }) => Key)).toContain('t/one/m/listed');
  });

  test('does not learn that an object is missing, because its right to list depends on a prefix', async () => {
    const writer = await assume('writer');
    const get = writer.send(new GetObjectCommand({ Bucket, Key: 't/one/m/missing' }));
    await expectError(get, 'AccessDenied', 403);
    await expect(get).rejects.toThrow(/s3:ListBucket/);
    const reader = await assume('reader');
    await expectError(reader.send(new GetObjectCommand({ Bucket, Key: 't/one/m/missing' })), 'NoSuchKey', 404);
  });

  test('is cut down by a session policy to one machine', async () => {
    const Policy = JSON.stringify({
      Version: '2012-10-17',
      Statement: [{ Effect: 'Allow', Action: 's3:PutObject', Resource: `${DATA}/t/one/u/vm-1/*` }],
    });
    const writer = await assume('writer', { Policy });
    await put(writer, 't/one/u/vm-1/x');
    await expectError(put(writer, 't/one/u/vm-2/x'), 'AccessDenied', 403);
  });
});

describe('the bucket policy', () => {
  test('stops even the administrator from writing unconditionally, but not the parts of an upload', async () => {
    const Key = 't/one/u/multipart';
    await expectError(aws.s3.send(new PutObjectCommand({ Bucket, Key, Body: 'x' })), 'AccessDenied', 403);
    const { UploadId } = await aws.s3.send(new CreateMultipartUploadCommand({ Bucket, Key }));
    const { ETag } = await aws.s3.send(new UploadPartCommand({ Bucket, Key, UploadId, PartNumber: 1, Body: 'x' }));
    const complete = { Bucket, Key, UploadId, MultipartUpload: { Parts: [{ ETag, PartNumber: 1 }] } };
    await expectError(aws.s3.send(new CompleteMultipartUploadCommand(complete)), 'AccessDenied', 403);
    await aws.s3.send(new CompleteMultipartUploadCommand({ ...complete, IfNoneMatch: '*' }));
  });

  test('lets only the collector remove versions, and nobody add markers', async () => {
    const Key = 't/one/u/collected';
    const { VersionId } = await put(aws.s3, Key);
    await expectError(aws.s3.send(new DeleteObjectCommand({ Bucket, Key, VersionId })), 'AccessDenied', 403);
    const collector = await assume('collector');
    await expectError(collector.send(new DeleteObjectCommand({ Bucket, Key })), 'AccessDenied', 403);
    await collector.send(new DeleteObjectCommand({ Bucket, Key, VersionId }));
    await expectError(aws.s3.send(new HeadObjectCommand({ Bucket, Key })), 'NotFound', 404);
  });

  test('cannot be replaced once it is frozen', async () => {
    const command = new PutBucketPolicyCommand({ Bucket, Policy: '{"Version":"2012-10-17","Statement":[]}' });
    await expectError(aws.s3.send(command), 'AccessDenied', 403);
  });
});
