/** SIGKILL in the middle of a stream of writes: nothing that was acknowledged is lost, nothing half is visible. */
import { type ChildProcess, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  S3Client,
  UploadPartCommand,
} from '@aws-sdk/client-s3';
import { readBytes } from '../conformance/s3-expect';

const Bucket = 'data';
const WRITERS = 4;
const ROUNDS = [40, 15];

/** What belongs under a key follows from the key, so that also an unacknowledged object can be checked. */
function contentOf(key: string): Buffer {
  const seed = createHash('sha256').update(key).digest();
  const sizeBytes = 1 + (seed.readUInt32BE(0) % 400_000);
  return Buffer.concat(Array.from({ length: Math.ceil(sizeBytes / 32) }, () => seed)).subarray(0, sizeBytes);
}

interface Simulator {
  readonly client: S3Client;
  kill(): Promise<void>;
}

async function start(directory: string): Promise<Simulator> {
  const child: ChildProcess = spawn(
    process.execPath,
    [
      '--disable-warning=ExperimentalWarning',
      '-r',
      join(__dirname, 'aws-swc-register.js'),
      join(__dirname, 'aws-crash-child.ts'),
      directory,
    ],
    { stdio: ['pipe', 'pipe', 'inherit'] },
  );
  const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  const port = await new Promise<string>((resolve, reject) => {
    child.stdout?.once('data', (line: Buffer) => resolve(line.toString().trim()));
    void exited.then(() => reject(new Error('the simulator did not start')));
  });
  const client = new S3Client({
    endpoint: `http://127.0.0.1:${port}`,
    region: 'eu-central-1',
    forcePathStyle: true,
    maxAttempts: 1,
    credentials: { accessKeyId: 'AKIATESTADMIN0000001', secretAccessKey: 'crash-test' },
  });
  return {
    client,
    async kill() {
      child.kill('SIGKILL');
      await exited;
      client.destroy();
    },
  };
}

/** Writes until the simulator dies; reports each acknowledged key. */
async function write(client: S3Client, name: string, onAcknowledged: (key: string) => void): Promise<void> {
  for (let index = 0; ; index += 1) {
    const Key = `${name}/${index}`;
    try {
      if (index % 5 === 4) await writeMultipart(client, Key);
      else await client.send(new PutObjectCommand({ Bucket, Key, Body: contentOf(Key), IfNoneMatch: '*' }));
    } catch {
      return; // the connection broke: nobody knows whether this one was stored
    }
    onAcknowledged(Key);
  }
}

async function writeMultipart(client: S3Client, Key: string): Promise<void> {
  const { UploadId } = await client.send(new CreateMultipartUploadCommand({ Bucket, Key }));
  const { ETag } = await client.send(
    new UploadPartCommand({ Bucket, Key, UploadId, PartNumber: 1, Body: contentOf(Key) }),
  );
  const MultipartUpload = { Parts: [{ ETag, PartNumber: 1 }] };
  await client.send(new CompleteMultipartUploadCommand({ Bucket, Key, UploadId, MultipartUpload, IfNoneMatch: '*' }));
}

async function listKeys(client: S3Client): Promise<readonly string[]> {
  const keys: string[] = [];
  let ContinuationToken: string | undefined;
  do {
    const page = await client.send(new ListObjectsV2Command({ Bucket, ContinuationToken }));
    keys.push(...(page.Contents ?? []).map(({ Key }) => Key ?? ''));
    ContinuationToken = page.NextContinuationToken;
  } while (ContinuationToken !== undefined);
  return keys;
}

test('after each kill every acknowledged object is there, and every object is whole', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'blockferry-aws-crash-'));
  const acknowledged = new Set<string>();
  let simulator = await start(directory);
  try {
    for (const [round, killAfterCount] of ROUNDS.entries()) {
      let count = 0;
      const { promise: enough, resolve } = Promise.withResolvers<void>();
      const writers = Array.from({ length: WRITERS }, (_, index) =>
        write(simulator.client, `round-${round}/writer-${index}`, (key) => {
          acknowledged.add(key);
          count += 1;
          if (count === killAfterCount) resolve();
        }),
      );
      await enough;
      await simulator.kill();
      await Promise.all(writers);
      simulator = await start(directory);

      const keys = await listKeys(simulator.client);
      expect(keys).toEqual(expect.arrayContaining([...acknowledged]));
      for (const key of keys) {
        const bytes = await readBytes(simulator.client, { Bucket, Key: key });
        expect({ key, same: bytes.equals(contentOf(key)) }).toEqual({ key, same: true });
      }
      expect(readdirSync(join(directory, 'aws', 'objects', 'incoming'))).toEqual([]);
    }
  } finally {
    await simulator.kill();
    rmSync(directory, { recursive: true, force: true });
  }
  expect(statSync(directory, { throwIfNoEntry: false })).toBeUndefined();
});
