import { readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { setImmediate } from 'node:timers/promises';
import {
  DeleteObjectCommand,
  GetBucketLifecycleConfigurationCommand,
  GetBucketPolicyCommand,
  GetObjectCommand,
  HeadObjectCommand,
  PutBucketLifecycleConfigurationCommand,
  PutBucketPolicyCommand,
  PutObjectCommand,
  type S3Client,
} from '@aws-sdk/client-s3';
import { AssumeRoleWithWebIdentityCommand } from '@aws-sdk/client-sts';
import type { ControlRequest } from '../../local/cloud/kit/service';
import { expectError, readText } from '../conformance/s3-expect';
import { ACCOUNT_ID, type AwsHarness, startAws } from './aws-harness';

let aws: AwsHarness;
beforeAll(async () => {
  aws = await startAws({
    buckets: [{ name: 'plain' }, { name: 'locked', objectLockDays: 7 }],
    oidcProviders: [{ url: '{issuer}', audiences: ['api://blockferry'] }],
    roles: [
      {
        name: 'worker',
        trust: {
          Statement: {
            Effect: 'Allow',
            Action: 'sts:AssumeRoleWithWebIdentity',
            Principal: { Federated: `arn:aws:iam::${ACCOUNT_ID}:oidc-provider/{issuerHostPath}` },
            Condition: { StringEquals: { '{issuerHostPath}:sub': 'worker-id' } },
          },
        },
        policy: { Statement: { Effect: 'Allow', Action: 's3:*', Resource: '*' } },
      },
    ],
  });
});
afterAll(() => aws.close());
afterEach(() => {
  aws.context.faults.clear();
  aws.setNow(undefined);
});

const Bucket = 'plain';
const put = (client: S3Client, Key: string, more: object = {}) =>
  client.send(new PutObjectCommand({ Bucket, Key, Body: 'content', ...more }));

async function workerClient(config: { maxAttempts?: number } = {}): Promise<S3Client> {
  const { Credentials } = await aws.sts().send(
    new AssumeRoleWithWebIdentityCommand({
      RoleArn: `arn:aws:iam::${ACCOUNT_ID}:role/worker`,
      RoleSessionName: 'worker',
      WebIdentityToken: aws.issuer.token({ aud: 'api://blockferry', sub: 'worker-id' }),
      DurationSeconds: 900,
    }),
  );
  return aws.client({
    ...config,
    credentials: {
      accessKeyId: Credentials?.AccessKeyId ?? '',
      secretAccessKey: Credentials?.SecretAccessKey ?? '',
      sessionToken: Credentials?.SessionToken ?? '',
    },
  });
}

describe('a restart', () => {
  test('keeps objects, bucket configuration and sessions, and removes data that belongs to nothing', async () => {
    // The restart closes idle connections; a retry opens new ones.
    const worker = await workerClient({ maxAttempts: 3 });
    const admin = aws.client({ maxAttempts: 3 });
    await put(worker, 'kept');
    const Policy = JSON.stringify({
      Version: '2012-10-17',
      Statement: [{ Effect: 'Deny', Principal: '*', Action: 's3:PutObject', Resource: 'arn:aws:s3:::plain/frozen/*' }],
    });
    await admin.send(new PutBucketPolicyCommand({ Bucket, Policy }));
    const stray = join(aws.context.stateDirectory, 'aws', 'objects', 'data', 'ab', 'ab'.padEnd(32, '0'));
    writeFileSync(stray, 'left behind by a crash');
    await aws.restart();
    expect(await readText(worker, { Bucket, Key: 'kept' })).toBe('content');
    expect((await admin.send(new GetBucketPolicyCommand({ Bucket }))).Policy).toBe(Policy);
    await expectError(put(worker, 'frozen/x'), 'AccessDenied', 403);
    expect(readdirSync(join(stray, '..'))).not.toContain('ab'.padEnd(32, '0'));
  });
});

describe('expiry', () => {
  test('a session ends when its time is over', async () => {
    const worker = await workerClient({ maxAttempts: 2 });
    await put(worker, 'in-time');
    aws.setNow(Date.now() + 901_000);
    await expectError(put(worker, 'too-late'), 'ExpiredToken', 400);
  });

  test('the fault expire gives ExpiredToken, and ExpiredTokenException for a web identity', async () => {
    const worker = await workerClient();
    aws.context.faults.add({ id: 'expire', service: 'aws', action: { kind: 'expire' } });
    await expectError(put(worker, 'never'), 'ExpiredToken', 400);
    await expect(workerClient()).rejects.toMatchObject({ name: 'ExpiredTokenException' });
  });
});

describe('faults', () => {
  test.each([
    [503, undefined, 'SlowDown'],
    [500, undefined, 'InternalError'],
    [409, undefined, 'ConditionalRequestConflict'],
    [400, 'RequestTimeout', 'RequestTimeout'],
  ])('an injected %i with code %p is seen as %s', async (status, code, name) => {
    aws.context.faults.add({
      id: 'status',
      operation: 's3.PutObject',
      action: { kind: 'status', status, ...(code === undefined ? {} : { code }) },
    });
    await expectError(put(aws.s3, 'never'), name, status);
    await expectError(aws.s3.send(new HeadObjectCommand({ Bucket, Key: 'never' })), 'NotFound', 404);
  });

  test('a lost reply has had its effect: the repeated conditional put is 412', async () => {
    aws.context.faults.add({ id: 'lost', operation: 's3.PutObject', times: 1, action: { kind: 'lost-reply' } });
    await expectError(put(aws.client({ maxAttempts: 2 }), 'lost', { IfNoneMatch: '*' }), 'PreconditionFailed', 412);
    expect(await readText(aws.s3, { Bucket, Key: 'lost' })).toBe('content');
  });

  test('a flipped bit on the wire is found by the checksum', async () => {
    await put(aws.s3, 'corrupt');
    aws.context.faults.add({ id: 'corrupt', operation: 's3.GetObject', action: { kind: 'corrupt' } });
    await expect(readText(aws.s3, { Bucket, Key: 'corrupt' })).rejects.toThrow(/checksum/i);
  });
});

describe('concurrent writers', () => {
  test('one whose body is still on the way when the other commits gets 409', async () => {
    const { promise: gate, resolve: openGate } = Promise.withResolvers<void>();
    async function* slowBody(): AsyncGenerator<Buffer> {
      yield Buffer.from('slow ');
      await gate;
      yield Buffer.from('writer');
    }
    const slow = put(aws.s3, 'contended', { Body: Readable.from(slowBody()), ContentLength: 11, IfNoneMatch: '*' });
    slow.catch(() => undefined);
    // Once its data file is there the slow one has passed its first check.
    const incoming = join(aws.context.stateDirectory, 'aws', 'objects', 'incoming');
    while (readdirSync(incoming).length === 0) await setImmediate();
    await put(aws.client(), 'contended', { Body: 'fast', IfNoneMatch: '*' });
    openGate();
    await expectError(slow, 'ConditionalRequestConflict', 409);
    expect(await readText(aws.s3, { Bucket, Key: 'contended' })).toBe('fast');
  });
});

describe('configuration', () => {
  test('the seed turns Object Lock on with its default retention', async () => {
    await aws.s3.send(new PutObjectCommand({ Bucket: 'locked', Key: 'x', Body: 'x' }));
    const { ObjectLockMode, ObjectLockRetainUntilDate } = await aws.s3.send(
      new HeadObjectCommand({ Bucket: 'locked', Key: 'x' }),
    );
    expect(ObjectLockMode).toBe('COMPLIANCE');
    expect(Math.round(((ObjectLockRetainUntilDate?.getTime() ?? 0) - Date.now()) / 86_400_000)).toBe(7);
  });

  test('a lifecycle is kept as it was put', async () => {
    const Rules = [
      {
        ID: 'abort',
        Status: 'Enabled' as const,
        Filter: { Prefix: 't/' },
        AbortIncompleteMultipartUpload: { DaysAfterInitiation: 7 },
      },
    ];
    await aws.s3.send(new PutBucketLifecycleConfigurationCommand({ Bucket, LifecycleConfiguration: { Rules } }));
    expect((await aws.s3.send(new GetBucketLifecycleConfigurationCommand({ Bucket }))).Rules).toEqual(Rules);
  });

  test.each([
    ['no roles', { roles: undefined }, /roles/],
    ['an account id that is none', { accountId: '12' }, /accountId/],
    [
      'a policy without actions',
      { buckets: [{ name: 'bad', policy: { Statement: [{ Effect: 'Allow' }] } }] },
      /Action/,
    ],
  ])('a seed with %s is refused by name', async (_name, seed, message) => {
    await expect(startAws(seed as object)).rejects.toThrow(message);
  });
});

describe('control', () => {
  const control = (name: string, request: Partial<ControlRequest>): unknown =>
    aws.controls.get(name)?.({ query: new URLSearchParams(), body: undefined, ...request });

  test('objects are listed with versions and sizes', async () => {
    await put(aws.s3, 'listed/a');
    await aws.s3.send(new DeleteObjectCommand({ Bucket: 'locked', Key: 'listed' }));
    const objects = await control('GET /s3/objects', {
      query: new URLSearchParams({ bucket: Bucket, prefix: 'listed/' }),
    });
    expect(objects).toMatchObject([{ key: 'listed/a', sizeBytes: 7, isCurrent: true, isMarker: false }]);
    const markers = await control('GET /s3/objects', {
      query: new URLSearchParams({ bucket: 'locked', prefix: 'listed' }),
    });
    expect(markers).toMatchObject([{ key: 'listed', isMarker: true }]);
  });

  test('a bit flipped at rest is served as it is, with the old checksum', async () => {
    await put(aws.s3, 'rotten');
    await control('POST /s3/flip', { body: { bucket: Bucket, key: 'rotten', offset: 3 } });
    const ranged = await aws.s3.send(new GetObjectCommand({ Bucket, Key: 'rotten', Range: 'bytes=0-6' }));
    expect(await ranged.Body?.transformToString()).toBe('conuent');
    await expect(readText(aws.s3, { Bucket, Key: 'rotten' })).rejects.toThrow(/checksum/i);
  });

  test('bad requests are refused', async () => {
    await expect(async () => control('GET /s3/objects', {})).rejects.toMatchObject({ status: 400 });
    const body = { bucket: Bucket, key: 'none', offset: 0 };
    await expect(async () => control('POST /s3/flip', { body })).rejects.toMatchObject({ status: 404 });
  });
});

test('each request is logged once, with its operation and its bytes', async () => {
  await put(aws.s3, 'logged');
  await readText(aws.s3, { Bucket, Key: 'logged' });
  const entries = () =>
    aws.context.log.entries({ service: 'aws' }).filter(({ details }) => details?.['key'] === 'logged');
  while (entries().length < 2) await setImmediate(); // an entry is written when its connection is done with it
  expect(entries()).toMatchObject([
    { operation: 's3.PutObject', requestBytes: 7, responseBytes: 0, status: 200, details: { bucket: Bucket } },
    { operation: 's3.GetObject', requestBytes: 0, responseBytes: 7, status: 200, details: { bucket: Bucket } },
  ]);
});
