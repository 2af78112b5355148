import { createHash, randomBytes } from 'node:crypto';
import { Readable } from 'node:stream';
import {
  CopyObjectCommand,
  DeleteObjectCommand,
  DeleteObjectsCommand,
  GetBucketLocationCommand,
  GetObjectAttributesCommand,
  GetObjectCommand,
  HeadBucketCommand,
  HeadObjectCommand,
  PutObjectCommand,
} from '@aws-sdk/client-s3';
import type { S3Fixture } from './s3';
import { expectError, readBytes, readText, uniqueKey } from './s3-expect';

const ALGORITHMS = ['CRC32', 'CRC32C', 'CRC64NVME', 'SHA1', 'SHA256'] as const;

export function s3Objects(fixture: () => S3Fixture): void {
  describe('objects', () => {
    test('a put is read back byte for byte, with its type, metadata and MD5 as ETag', async () => {
      const { client, plain: Bucket } = fixture();
      const Key = uniqueKey('a b/ü+&=?#/%41');
      const Body = randomBytes(300_000);
      const put = await client.send(
        new PutObjectCommand({ Bucket, Key, Body, ContentType: 'application/x-pack', Metadata: { kind: 'pack' } }),
      );
      const head = await client.send(new HeadObjectCommand({ Bucket, Key }));
      expect(put.ETag).toBe(`"${createHash('md5').update(Body).digest('hex')}"`);
      expect(head).toMatchObject({
        ContentLength: 300_000,
        ContentType: 'application/x-pack',
        Metadata: { kind: 'pack' },
        ETag: put.ETag,
      });
      expect((await readBytes(client, { Bucket, Key })).equals(Body)).toBe(true);
    });

    test('an empty object is an object', async () => {
      const { client, plain: Bucket } = fixture();
      const Key = uniqueKey('empty');
      await client.send(new PutObjectCommand({ Bucket, Key, Body: Buffer.alloc(0) }));
      expect((await readBytes(client, { Bucket, Key })).length).toBe(0);
    });

    test('a streamed body of known length arrives whole', async () => {
      const { client, plain: Bucket } = fixture();
      const Key = uniqueKey('stream');
      const body = randomBytes(1_000_001);
      const pieces = [body.subarray(0, 1), body.subarray(1, 70_000), body.subarray(70_000)];
      await client.send(new PutObjectCommand({ Bucket, Key, Body: Readable.from(pieces), ContentLength: body.length }));
      expect((await readBytes(client, { Bucket, Key })).equals(body)).toBe(true);
    });

    test.each(ALGORITHMS)('a %s checksum is stored, and given back on demand', async (algorithm) => {
      const { client, plain: Bucket } = fixture();
      const Key = uniqueKey('checksum');
      const put = await client.send(
        new PutObjectCommand({ Bucket, Key, Body: '123456789', ChecksumAlgorithm: algorithm }),
      );
      const head = await client.send(new HeadObjectCommand({ Bucket, Key, ChecksumMode: 'ENABLED' }));
      const field = `Checksum${algorithm}` as const;
      expect(put[field]).toBeDefined();
      expect(head[field]).toBe(put[field]);
      expect(head.ChecksumType).toBe('FULL_OBJECT');
      expect(await readText(client, { Bucket, Key, ChecksumMode: 'ENABLED' })).toBe('123456789');
    });

    test.each([
      ['CRC32', 'AAAAAA=='],
      ['CRC32C', 'AAAAAA=='],
      ['CRC64NVME', 'AAAAAAAAAAA='],
      ['SHA256', Buffer.alloc(32).toString('base64')],
    ])('a wrong %s is refused and nothing is stored', async (algorithm, value) => {
      const { client, plain: Bucket } = fixture();
      const Key = uniqueKey('wrong');
      const input = { Bucket, Key, Body: 'data', [`Checksum${algorithm}`]: value };
      await expectError(client.send(new PutObjectCommand(input)), 'BadDigest', 400);
      await expectError(client.send(new HeadObjectCommand({ Bucket, Key })), 'NotFound', 404);
    });

    test('a wrong Content-MD5 is refused', async () => {
      const { client, plain: Bucket } = fixture();
      const ContentMD5 = createHash('md5').update('other').digest('base64');
      const put = client.send(new PutObjectCommand({ Bucket, Key: uniqueKey('md5'), Body: 'data', ContentMD5 }));
      await expectError(put, 'BadDigest', 400);
    });

    test.each([
      ['bytes=0-0', '0', 'bytes 0-0/10'],
      ['bytes=3-5', '345', 'bytes 3-5/10'],
      ['bytes=7-', '789', 'bytes 7-9/10'],
      ['bytes=-2', '89', 'bytes 8-9/10'],
      ['bytes=5-100', '56789', 'bytes 5-9/10'],
    ])('the range %s gives 206 with just these bytes', async (Range, text, contentRange) => {
      const { client, plain: Bucket } = fixture();
      const Key = uniqueKey('range');
      await client.send(new PutObjectCommand({ Bucket, Key, Body: '0123456789' }));
      const got = await client.send(new GetObjectCommand({ Bucket, Key, Range }));
      expect(await got.Body?.transformToString()).toBe(text);
      expect(got).toMatchObject({ ContentRange: contentRange, $metadata: { httpStatusCode: 206 } });
    });

    test('a range behind the end is 416', async () => {
      const { client, plain: Bucket } = fixture();
      const Key = uniqueKey('range');
      await client.send(new PutObjectCommand({ Bucket, Key, Body: '0123456789' }));
      await expectError(client.send(new GetObjectCommand({ Bucket, Key, Range: 'bytes=10-' })), 'InvalidRange', 416);
    });

    test('a read with If-Match of another ETag is 412, with If-None-Match of its own 304', async () => {
      const { client, plain: Bucket } = fixture();
      const Key = uniqueKey('conditional-read');
      const { ETag } = await client.send(new PutObjectCommand({ Bucket, Key, Body: 'x' }));
      const other = client.send(new GetObjectCommand({ Bucket, Key, IfMatch: '"00"' }));
      await expectError(other, 'PreconditionFailed', 412);
      const same = client.send(new GetObjectCommand({ Bucket, Key, IfNoneMatch: ETag }));
      await expect(same).rejects.toMatchObject({ $metadata: { httpStatusCode: 304 } });
    });

    test('what is not there is NoSuchKey, NotFound or NoSuchBucket', async () => {
      const { client, plain: Bucket } = fixture();
      await expectError(client.send(new GetObjectCommand({ Bucket, Key: 'missing' })), 'NoSuchKey', 404);
      await expectError(client.send(new HeadObjectCommand({ Bucket, Key: 'missing' })), 'NotFound', 404);
      const gone = client.send(new PutObjectCommand({ Bucket: `${Bucket}-none`, Key: 'x', Body: 'x' }));
      await expectError(gone, 'NoSuchBucket', 404);
      await expectError(client.send(new HeadBucketCommand({ Bucket: `${Bucket}-none` })), 'NotFound', 404);
    });

    test('a delete of nothing succeeds', async () => {
      const { client, plain: Bucket } = fixture();
      const gone = await client.send(new DeleteObjectCommand({ Bucket, Key: uniqueKey('never') }));
      expect(gone.$metadata.httpStatusCode).toBe(204);
    });

    test('DeleteObjects removes many and reports each', async () => {
      const { client, plain: Bucket } = fixture();
      const keys = [uniqueKey('many a'), uniqueKey('many <&>'), uniqueKey('never')];
      for (const Key of keys.slice(0, 2)) await client.send(new PutObjectCommand({ Bucket, Key, Body: 'x' }));
      const done = await client.send(
        new DeleteObjectsCommand({ Bucket, Delete: { Objects: keys.map((Key) => ({ Key })) } }),
      );
      expect(done.Deleted?.map(({ Key }) => Key)).toEqual(keys);
      await expectError(client.send(new HeadObjectCommand({ Bucket, Key: keys[0] })), 'NotFound', 404);
    });

    test('a copy has the bytes and the metadata of its source', async () => {
      const { client, plain: Bucket } = fixture();
      const Key = uniqueKey('source ü');
      await client.send(new PutObjectCommand({ Bucket, Key, Body: 'copied', Metadata: { kind: 'pack' } }));
      const copy = { Bucket, Key: uniqueKey('copy'), CopySource: `${Bucket}/${encodeURIComponent(Key)}` };
      await client.send(new CopyObjectCommand(copy));
      expect(await readText(client, { Bucket, Key: copy.Key })).toBe('copied');
      expect((await client.send(new HeadObjectCommand({ Bucket, Key: copy.Key }))).Metadata).toEqual({ kind: 'pack' });
    });

    test('GetObjectAttributes gives size, ETag and checksum', async () => {
      const { client, plain: Bucket } = fixture();
      const Key = uniqueKey('attributes');
      const put = await client.send(new PutObjectCommand({ Bucket, Key, Body: 'abc', ChecksumAlgorithm: 'CRC32' }));
      const got = await client.send(
        new GetObjectAttributesCommand({ Bucket, Key, ObjectAttributes: ['ETag', 'Checksum', 'ObjectSize'] }),
      );
      expect(got).toMatchObject({
        ObjectSize: 3,
        ETag: put.ETag?.replaceAll('"', ''),
        Checksum: { ChecksumCRC32: put.ChecksumCRC32 },
      });
    });

    test('another expected bucket owner is refused', async () => {
      const { client, plain: Bucket } = fixture();
      const put = new PutObjectCommand({ Bucket, Key: 'owner', Body: 'x', ExpectedBucketOwner: '999999999999' });
      await expectError(client.send(put), 'AccessDenied', 403);
    });

    test('the location of a bucket is known', async () => {
      const { client, plain: Bucket } = fixture();
      const { LocationConstraint } = await client.send(new GetBucketLocationCommand({ Bucket }));
      expect(LocationConstraint ?? 'us-east-1').toBe(await client.config.region());
    });
  });
}
