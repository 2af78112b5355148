/** Whatever arrives, each service of the simulator answers in its protocol: a 500 would be a crash of its own. */

import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  CompleteMultipartUploadCommand,
  CopyObjectCommand,
  CreateBucketCommand,
  GetObjectCommand,
  ListObjectsV2Command,
  ListObjectVersionsCommand,
  PutBucketPolicyCommand,
  PutObjectCommand,
  PutObjectRetentionCommand,
  UploadPartCommand,
} from '@aws-sdk/client-s3';
import { type AzureFixture, startAzureFixture } from './arm-fixture';
import { type AwsHarness, startAws } from './aws-harness';

let azure: AzureFixture;
let aws: AwsHarness;
beforeAll(async () => {
  [azure, aws] = [await startAzureFixture(), await startAws({ buckets: [{ name: 'data' }] })];
  await aws.s3.send(new PutObjectCommand({ Bucket, Key, Body: '0123456789' }));
});
afterAll(async () => {
  await aws.close();
  await azure.close();
});

/** The status of the answer to a request written by hand. */
function send(origin: string, head: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const socket = connect(Number(new URL(origin).port), '127.0.0.1');
    let text = '';
    socket.setEncoding('latin1').on('data', (chunk: string) => {
      text += chunk;
    });
    socket.on('error', reject);
    socket.on('close', () => resolve(Number(/^HTTP\/1\.1 (\d{3})/.exec(text)?.[1] ?? 0)));
    socket.write(`${head}\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n`, 'latin1');
  });
}

const SIGNED =
  'Authorization: AWS4-HMAC-SHA256 Credential=AKIATESTADMIN0000001/20260101/eu-central-1/s3/aws4_request, SignedHeaders=host, Signature=00';

test.each([
  'GET //[ HTTP/1.1',
  'GET /%E0%A4%A HTTP/1.1',
  'GET /data/%E0%A4%A?versionId=%E0 HTTP/1.1',
  'GET /data?list-type=2&max-keys=-1&continuation-token=%ff HTTP/1.1',
  `GET /data/key HTTP/1.1\r\n${SIGNED}`,
  `GET /data/key HTTP/1.1\r\n${SIGNED}\r\nx-amz-date: never`,
  `GET /data/key HTTP/1.1\r\n${SIGNED}\r\nx-amz-date: 20260101T000000Z\r\nx-amz-security-token: x`,
  'GET /data/key HTTP/1.1\r\nAuthorization: AWS4-HMAC-SHA256 Credential=',
  'GET /data/key?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Expires=x&X-Amz-Credential=/ HTTP/1.1',
  'POST /?Action=AssumeRoleWithWebIdentity HTTP/1.1\r\nContent-Type: application/x-www-form-urlencoded',
  'POST / HTTP/1.1\r\nContent-Type: application/x-www-form-urlencoded',
  'PUT /c/abcd?comp=page&sv=2018-03-28&sr=b&si=x&sig=%E0%A4 HTTP/1.1\r\nx-ms-range: bytes=0-511',
  'GET /c/abcd?comp=pagelist HTTP/1.1\r\nx-ms-previous-snapshot-url: not a url',
  'GET /msi/token?resource=%E0%A4 HTTP/1.1',
  'BREW / HTTP/1.1',
  'DELETE / HTTP/1.1\r\nContent-Length: -1',
])('%j is refused by each service', async (head) => {
  const { disk, identity } = azure.azure.endpoints;
  const statuses = await Promise.all([disk, identity, aws.endpoint].map((origin) => send(origin, head)));
  expect(statuses.filter((status) => status < 400 || status >= 500)).toEqual([]);
});

const Bucket = 'data';
const Key = 'key';
/** The status that S3 gives; 501 is what the simulator says it does not emulate. */
const commands = [
  [400, new ListObjectsV2Command({ Bucket, MaxKeys: -1 })],
  [400, new ListObjectsV2Command({ Bucket, ContinuationToken: 'not mine' })],
  [400, new ListObjectVersionsCommand({ Bucket, VersionIdMarker: 'alone' })],
  [200, new GetObjectCommand({ Bucket, Key, Range: 'bytes=9-3' })],
  [404, new GetObjectCommand({ Bucket, Key, VersionId: 'zzz' })],
  [400, new GetObjectCommand({ Bucket, Key, PartNumber: 0 })],
  [400, new PutObjectCommand({ Bucket, Key: 'k'.repeat(1025), Body: '' })],
  [400, new PutObjectCommand({ Bucket, Key, Body: 'x', ContentMD5: 'no base64' })],
  [501, new PutObjectCommand({ Bucket, Key, Body: 'x', IfMatch: '*', IfNoneMatch: '*' })],
  [400, new PutObjectCommand({ Bucket, Key, Body: 'x', ObjectLockMode: 'COMPLIANCE' })],
  [400, new UploadPartCommand({ Bucket, Key, UploadId: 'none', PartNumber: 0, Body: 'x' })],
  [400, new UploadPartCommand({ Bucket, Key, UploadId: 'none', PartNumber: 10_001, Body: 'x' })],
  [404, new CompleteMultipartUploadCommand({ Bucket, Key, UploadId: 'none' })],
  [400, new CopyObjectCommand({ Bucket, Key, CopySource: 'data/%E0%A4%A' })],
  [400, new CopyObjectCommand({ Bucket, Key, CopySource: 'no-slash' })],
  [400, new PutObjectRetentionCommand({ Bucket, Key, Retention: { Mode: 'COMPLIANCE' } })],
  [400, new PutBucketPolicyCommand({ Bucket, Policy: '{"Statement":' })],
  [400, new CreateBucketCommand({ Bucket: 'UPPER_case' })],
] as const;

test.each(
  commands.map(
    ([status, command]) => [status, command.constructor.name, JSON.stringify(command.input), command] as const,
  ),
)('S3 answers %i to a bad %s %s', async (status, _name, _input, command) => {
  aws.context.log.clear();
  const sent: Promise<{ Body?: { transformToByteArray(): Promise<Uint8Array> } }> = aws.s3.send(
    command as GetObjectCommand,
  );
  await sent.then((reply) => reply.Body?.transformToByteArray()).catch(() => undefined);
  // An entry is written when the response closes, which is after the client has it.
  for (let wait = 0; wait < 200 && aws.context.log.entries().length === 0; wait++) await sleep(10);
  expect(aws.context.log.entries().map((entry) => entry.status)).toEqual([status]);
});
