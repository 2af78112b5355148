import { randomBytes } from 'node:crypto';
import { GetObjectCommand, type GetObjectCommandInput, type S3Client } from '@aws-sdk/client-s3';

/** The promise rejects with this error name and status, as the SDK shows them. */
export async function expectError(promise: Promise<unknown>, name: string, status: number): Promise<void> {
  const error: unknown = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toMatchObject({ name, $metadata: { httpStatusCode: status } });
}

export function uniqueKey(name: string): string {
  return `${name}-${randomBytes(6).toString('hex')}`;
}

export async function readText(client: S3Client, input: GetObjectCommandInput): Promise<string> {
  return (await readBytes(client, input)).toString('utf8');
}

export async function readBytes(client: S3Client, input: GetObjectCommandInput): Promise<Buffer> {
  const { Body } = await client.send(new GetObjectCommand(input));
  return Buffer.from((await Body?.transformToByteArray()) ?? []);
}
