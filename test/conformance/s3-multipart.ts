import { createHash, randomBytes } from 'node:crypto';
import {
  AbortMultipartUploadCommand,
  type ChecksumAlgorithm,
  type ChecksumType,
  type CompletedPart,
  CompleteMultipartUploadCommand,
  type CompleteMultipartUploadCommandInput,
  CreateMultipartUploadCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListMultipartUploadsCommand,
  ListPartsCommand,
  PutObjectCommand,
  UploadPartCommand,
} from '@aws-sdk/client-s3';
import type { S3Fixture } from './s3';
import { expectError, readBytes, uniqueKey } from './s3-expect';

type OpenUpload = CompleteMultipartUploadCommandInput & {
  readonly MultipartUpload: { readonly Parts: CompletedPart[] };
};

const PART_BYTES = 5 * 1024 * 1024;

export function s3Multipart(fixture: () => S3Fixture): void {
  describe('multipart uploads', () => {
    const body = randomBytes(PART_BYTES + 1234);
    const pieces = [body.subarray(0, PART_BYTES), body.subarray(PART_BYTES)];

    const begin = async (
      Key: string,
      checksum: { ChecksumAlgorithm?: ChecksumAlgorithm; ChecksumType?: ChecksumType } = { ChecksumAlgorithm: 'CRC32' },
    ): Promise<OpenUpload> => {
      const { client, plain: Bucket } = fixture();
      const { UploadId } = await client.send(new CreateMultipartUploadCommand({ Bucket, Key, ...checksum }));
      const Parts: CompletedPart[] = [];
      for (const [index, Body] of pieces.entries()) {
        const PartNumber = index + 1;
        const { $metadata: _, ...part } = await client.send(
          new UploadPartCommand({
            Bucket,
            Key,
            UploadId,
            PartNumber,
            Body,
            ChecksumAlgorithm: checksum.ChecksumAlgorithm,
          }),
        );
        Parts.push({ ...part, PartNumber });
      }
      return { Bucket, Key, UploadId, MultipartUpload: { Parts } };
    };

    test('the parts in order are the object, with an ETag that counts them', async () => {
      const { client, plain: Bucket } = fixture();
      const Key = uniqueKey('multipart');
      const upload = await begin(Key);
      await expectError(client.send(new HeadObjectCommand({ Bucket, Key })), 'NotFound', 404);
      const done = await client.send(new CompleteMultipartUploadCommand(upload));
      const md5s = pieces.map((piece) => createHash('md5').update(piece).digest());
      expect(done.ETag).toBe(`"${createHash('md5').update(Buffer.concat(md5s)).digest('hex')}-2"`);
      expect((await readBytes(client, { Bucket, Key })).equals(body)).toBe(true);
      const Range = `bytes=${PART_BYTES - 10}-${PART_BYTES + 9}`;
      const across = await readBytes(client, { Bucket, Key, Range });
      expect(across.equals(body.subarray(PART_BYTES - 10, PART_BYTES + 10))).toBe(true);
      const second = await client.send(new GetObjectCommand({ Bucket, Key, PartNumber: 2 }));
      expect(second).toMatchObject({ PartsCount: 2, ContentLength: 1234 });
      await second.Body?.transformToByteArray();
    });

    test.each(['CRC32', 'CRC32C', 'SHA256'] as const)(
      'a composite %s is the checksum of the checksums',
      async (algorithm) => {
        const { client, plain: Bucket } = fixture();
        const Key = uniqueKey('composite');
        await client.send(new CompleteMultipartUploadCommand(await begin(Key, { ChecksumAlgorithm: algorithm })));
        const head = await client.send(new HeadObjectCommand({ Bucket, Key, ChecksumMode: 'ENABLED' }));
        expect(head.ChecksumType).toBe('COMPOSITE');
        expect(head[`Checksum${algorithm}`]).toMatch(/^[A-Za-z0-9+/]+=*-2$/);
      },
    );

    test.each(['CRC32', 'CRC32C', 'CRC64NVME'] as const)(
      'a full-object %s equals that of one put',
      async (algorithm) => {
        const { client, plain: Bucket } = fixture();
        const Key = uniqueKey('full');
        const upload = await begin(Key, { ChecksumAlgorithm: algorithm, ChecksumType: 'FULL_OBJECT' });
        const done = await client.send(new CompleteMultipartUploadCommand(upload));
        const whole = await client.send(
          new PutObjectCommand({ Bucket, Key: `${Key}-whole`, Body: body, ChecksumAlgorithm: algorithm }),
        );
        expect(done.ChecksumType).toBe('FULL_OBJECT');
        expect(done[`Checksum${algorithm}`]).toBe(whole[`Checksum${algorithm}`]);
      },
    );

    test('a completion obeys If-None-Match and leaves the upload open on 412', async () => {
      const { client, plain: Bucket } = fixture();
      const Key = uniqueKey('conditional');
      const upload = await begin(Key);
      await client.send(new PutObjectCommand({ Bucket, Key, Body: 'first' }));
      const complete = client.send(new CompleteMultipartUploadCommand({ ...upload, IfNoneMatch: '*' }));
      await expectError(complete, 'PreconditionFailed', 412);
      const { Parts } = await client.send(new ListPartsCommand({ Bucket, Key, UploadId: upload.UploadId }));
      expect(Parts?.map(({ PartNumber, Size }) => [PartNumber, Size])).toEqual([
        [1, PART_BYTES],
        [2, 1234],
      ]);
      await client.send(new AbortMultipartUploadCommand({ Bucket, Key, UploadId: upload.UploadId }));
    });

    test('wrong order, a wrong ETag and parts that are too small are refused', async () => {
      const { client, plain: Bucket } = fixture();
      const Key = uniqueKey('refused');
      const upload = await begin(Key);
      const { Parts } = upload.MultipartUpload;
      const complete = (parts: typeof Parts): Promise<unknown> =>
        client.send(new CompleteMultipartUploadCommand({ ...upload, MultipartUpload: { Parts: parts } }));
      await expectError(complete(Parts.toReversed()), 'InvalidPartOrder', 400);
      await expectError(complete([{ ETag: '"00"', PartNumber: 1 }]), 'InvalidPart', 400);
      const { UploadId } = upload;
      const small = await client.send(new UploadPartCommand({ Bucket, Key, UploadId, PartNumber: 1, Body: 'small' }));
      const { $metadata: _, ...part } = small;
      const [, last] = Parts;
      await expectError(
        complete([{ ...part, PartNumber: 1 }, ...(last === undefined ? [] : [last])]),
        'EntityTooSmall',
        400,
      );
      await client.send(new AbortMultipartUploadCommand({ Bucket, Key, UploadId }));
    });

    test('an aborted upload is gone', async () => {
      const { client, plain: Bucket } = fixture();
      const Key = uniqueKey('aborted');
      const upload = await begin(Key);
      const open = await client.send(new ListMultipartUploadsCommand({ Bucket, Prefix: Key }));
      expect(open.Uploads).toMatchObject([{ Key, UploadId: upload.UploadId }]);
      await client.send(new AbortMultipartUploadCommand({ Bucket, Key, UploadId: upload.UploadId }));
      await expectError(client.send(new CompleteMultipartUploadCommand(upload)), 'NoSuchUpload', 404);
      const after = await client.send(new ListMultipartUploadsCommand({ Bucket, Prefix: Key }));
      expect(after.Uploads ?? []).toEqual([]);
    });

    test('a part with a wrong checksum is refused', async () => {
      const { client, plain: Bucket } = fixture();
      const Key = uniqueKey('part');
      const { UploadId } = await client.send(
        new CreateMultipartUploadCommand({ Bucket, Key, ChecksumAlgorithm: 'CRC32' }),
      );
      const part = new UploadPartCommand({
        Bucket,
        Key,
        UploadId,
        PartNumber: 1,
        Body: 'x',
        ChecksumCRC32: 'AAAAAA==',
      });
      await expectError(client.send(part), 'BadDigest', 400);
      await client.send(new AbortMultipartUploadCommand({ Bucket, Key, UploadId }));
    });
  });
}
