/** The reader against the S3 API itself: its own signatures, pages of lists, retries, and errors without secrets. */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { CreateBucketCommand, PutObjectCommand } from '@aws-sdk/client-s3';
import { ADMIN, type AwsHarness, REGION, startAws } from '../cloud/aws-harness';
import { goldenFolder, loadGolden } from '../golden/load';
import { inFolder, type ReaderRun, runReader } from './run-reader';

jest.setTimeout(120_000);

let aws: AwsHarness;
beforeAll(async () => {
  aws = await startAws();
  const golden = loadGolden();
  for (const bucket of ['data', 'control'] as const) {
    await aws.s3.send(new CreateBucketCommand({ Bucket: `golden-${bucket}` }));
    for (const [Key, { body: Body }] of golden[bucket].objects) {
      await aws.s3.send(new PutObjectCommand({ Bucket: `golden-${bucket}`, Key, Body }));
    }
  }
});
afterAll(() => aws.close());
afterEach(() => aws.context.faults.clear());

const environment = { AWS_ACCESS_KEY_ID: ADMIN.accessKeyId, AWS_SECRET_ACCESS_KEY: ADMIN.secretAccessKey };
const run = (command: string, rest: readonly string[], env: NodeJS.ProcessEnv = environment): Promise<ReaderRun> => {
  const where = [
    '--bucket',
    'golden-data',
    '--control-bucket',
    'golden-control',
    '--region',
    REGION,
    '--endpoint',
    aws.endpoint,
  ];
  return runReader([command, ...where, '--key-file', path.join(goldenFolder, 'key-file.hex'), ...rest], env);
};
const latest = ['--tenant', 'acme', '--vm', 'web', '--point', 'latest'];

test('lists what the folder copy lists', async () => {
  const folder = ['--data', path.join(goldenFolder, 'data'), '--key-file', path.join(goldenFolder, 'key-file.hex')];
  const copy = await runReader(['list', ...folder, '--json']);
  expect(await run('list', ['--json'])).toEqual(copy);
});

test('restores a disk, through a throttled and broken day', async () => {
  aws.context.faults.add({ id: 'busy', operation: 's3.GetObject', times: 2, action: { kind: 'status', status: 503 } });
  aws.context.faults.add({ id: 'cut', operation: 's3.GetObject', times: 1, action: { kind: 'reset' } });
  await inFolder(async (folder) => {
    const [fromS3, fromFolder] = [path.join(folder, 's3.img'), path.join(folder, 'folder.img')];
    expect(await run('restore', [...latest, '--disk', '0', '--out', fromS3])).toMatchObject({ code: 0, stderr: '' });
    const copy = [
      '--data',
      path.join(goldenFolder, 'data'),
      '--root-key-file',
      path.join(goldenFolder, 'root-key.hex'),
    ];
    await runReader(['restore', ...copy, ...latest, '--disk', '0', '--out', fromFolder]);
    expect(readFileSync(fromS3).equals(readFileSync(fromFolder))).toBe(true);
  });
});

test('a refused request ends with 1 and tells no secret', async () => {
  const secret = 'wrong/secret';
  const refused = await run('list', [], { ...environment, AWS_SECRET_ACCESS_KEY: secret });
  expect(refused).toMatchObject({ code: 1, stderr: expect.stringContaining('HTTP 403') });
  expect(refused.stderr + refused.stdout).not.toContain(secret);
});
