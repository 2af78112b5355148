import { CopyObjectCommand, DeleteObjectCommand, HeadObjectCommand, PutObjectCommand } from '@aws-sdk/client-s3';
import type { S3Fixture } from './s3';
import { expectError, readText, uniqueKey } from './s3-expect';

export function s3ConditionalWrites(fixture: () => S3Fixture): void {
  describe('conditional writes', () => {
    test('If-None-Match: * creates once and is 412 afterwards, the first content stays', async () => {
      const { client, plain: Bucket } = fixture();
      const Key = uniqueKey('once');
      await client.send(new PutObjectCommand({ Bucket, Key, Body: 'first', IfNoneMatch: '*' }));
      const second = client.send(new PutObjectCommand({ Bucket, Key, Body: 'second', IfNoneMatch: '*' }));
      await expectError(second, 'PreconditionFailed', 412);
      expect(await readText(client, { Bucket, Key })).toBe('first');
    });

    test('a deleted key can be created again, also where a delete marker hides a version', async () => {
      const { client, plain, versioned } = fixture();
      for (const Bucket of [plain, versioned]) {
        const Key = uniqueKey('again');
        await client.send(new PutObjectCommand({ Bucket, Key, Body: 'first', IfNoneMatch: '*' }));
        await client.send(new DeleteObjectCommand({ Bucket, Key }));
        await client.send(new PutObjectCommand({ Bucket, Key, Body: 'second', IfNoneMatch: '*' }));
        expect(await readText(client, { Bucket, Key })).toBe('second');
      }
    });

    test('If-Match replaces what it names, is 412 for another ETag and 404 for a missing key', async () => {
      const { client, plain: Bucket } = fixture();
      const Key = uniqueKey('head');
      const { ETag } = await client.send(new PutObjectCommand({ Bucket, Key, Body: 'one' }));
      await client.send(new PutObjectCommand({ Bucket, Key, Body: 'two', IfMatch: ETag }));
      const stale = client.send(new PutObjectCommand({ Bucket, Key, Body: 'three', IfMatch: ETag }));
      await expectError(stale, 'PreconditionFailed', 412);
      const missing = client.send(new PutObjectCommand({ Bucket, Key: uniqueKey('none'), Body: 'x', IfMatch: ETag }));
      await expectError(missing, 'NoSuchKey', 404);
      expect(await readText(client, { Bucket, Key })).toBe('two');
    });

    test('of 12 concurrent creators exactly one wins, the others get 412 or 409', async () => {
      const { client, plain: Bucket } = fixture();
      const Key = uniqueKey('race');
      const results = await Promise.allSettled(
        Array.from({ length: 12 }, (_, index) =>
          client.send(new PutObjectCommand({ Bucket, Key, Body: `writer ${index}`.padEnd(50_000), IfNoneMatch: '*' })),
        ),
      );
      const winners = results.flatMap((result, index) => (result.status === 'fulfilled' ? [index] : []));
      const losers = results.flatMap((result) => (result.status === 'rejected' ? [result.reason.name] : []));
      expect(winners).toHaveLength(1);
      expect(losers.every((name) => name === 'PreconditionFailed' || name === 'ConditionalRequestConflict')).toBe(true);
      expect((await readText(client, { Bucket, Key })).trimEnd()).toBe(`writer ${winners[0]}`);
    });

    test('of 8 concurrent replacers with one ETag exactly one wins', async () => {
      const { client, plain: Bucket } = fixture();
      const Key = uniqueKey('lease');
      const { ETag } = await client.send(new PutObjectCommand({ Bucket, Key, Body: 'start' }));
      const results = await Promise.allSettled(
        Array.from({ length: 8 }, (_, index) =>
          client.send(new PutObjectCommand({ Bucket, Key, Body: `holder ${index}`, IfMatch: ETag })),
        ),
      );
      expect(results.filter((result) => result.status === 'fulfilled')).toHaveLength(1);
    });

    test('a copy obeys If-None-Match too', async () => {
      const { client, plain: Bucket } = fixture();
      const source = uniqueKey('source');
      const Key = uniqueKey('copy');
      await client.send(new PutObjectCommand({ Bucket, Key: source, Body: 'source' }));
      const copy = { Bucket, Key, CopySource: `${Bucket}/${source}`, IfNoneMatch: '*' };
      await client.send(new CopyObjectCommand(copy));
      await expectError(client.send(new CopyObjectCommand(copy)), 'PreconditionFailed', 412);
    });

    test('a delete with If-Match removes only what it names', async () => {
      const { client, plain: Bucket } = fixture();
      const Key = uniqueKey('delete');
      const { ETag } = await client.send(new PutObjectCommand({ Bucket, Key, Body: 'x' }));
      const other = client.send(new DeleteObjectCommand({ Bucket, Key, IfMatch: '"00"' }));
      await expectError(other, 'PreconditionFailed', 412);
      await client.send(new DeleteObjectCommand({ Bucket, Key, IfMatch: ETag }));
      await expectError(client.send(new HeadObjectCommand({ Bucket, Key })), 'NotFound', 404);
    });
  });
}
