import {
  CopyObjectCommand,
  DeleteObjectCommand,
  GetBucketVersioningCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  ListObjectVersionsCommand,
  PutObjectCommand,
} from '@aws-sdk/client-s3';
import type { S3Fixture } from './s3';
import { expectError, readText, uniqueKey } from './s3-expect';

export function s3Versions(fixture: () => S3Fixture): void {
  describe('versions', () => {
    test('each put makes a version of its own that can be read by its id', async () => {
      const { client, versioned: Bucket } = fixture();
      const Key = uniqueKey('versions');
      const first = await client.send(new PutObjectCommand({ Bucket, Key, Body: 'one' }));
      const second = await client.send(new PutObjectCommand({ Bucket, Key, Body: 'two' }));
      expect(first.VersionId).not.toBe(second.VersionId);
      expect(await readText(client, { Bucket, Key })).toBe('two');
      expect(await readText(client, { Bucket, Key, VersionId: first.VersionId })).toBe('one');
    });

    test('a delete hides behind a marker, whose removal brings the object back', async () => {
      const { client, versioned: Bucket } = fixture();
      const Key = uniqueKey('marker');
      await client.send(new PutObjectCommand({ Bucket, Key, Body: 'kept' }));
      const marker = await client.send(new DeleteObjectCommand({ Bucket, Key }));
      expect(marker.DeleteMarker).toBe(true);
      await expectError(client.send(new GetObjectCommand({ Bucket, Key })), 'NoSuchKey', 404);
      const { KeyCount } = await client.send(new ListObjectsV2Command({ Bucket, Prefix: Key }));
      expect(KeyCount).toBe(0);
      await client.send(new DeleteObjectCommand({ Bucket, Key, VersionId: marker.VersionId }));
      expect(await readText(client, { Bucket, Key })).toBe('kept');
    });

    test('a marker cannot be read by its id', async () => {
      const { client, versioned: Bucket } = fixture();
      const Key = uniqueKey('marker');
      const { VersionId } = await client.send(new DeleteObjectCommand({ Bucket, Key }));
      await expectError(client.send(new GetObjectCommand({ Bucket, Key, VersionId })), 'MethodNotAllowed', 405);
    });

    test('the removal of a version by its id is final and makes the one before it current', async () => {
      const { client, versioned: Bucket } = fixture();
      const Key = uniqueKey('final');
      await client.send(new PutObjectCommand({ Bucket, Key, Body: 'one' }));
      const { VersionId } = await client.send(new PutObjectCommand({ Bucket, Key, Body: 'two' }));
      await client.send(new DeleteObjectCommand({ Bucket, Key, VersionId }));
      expect(await readText(client, { Bucket, Key })).toBe('one');
      await expectError(client.send(new GetObjectCommand({ Bucket, Key, VersionId })), 'NoSuchVersion', 404);
    });

    test('versions are listed newest first, markers apart', async () => {
      const { client, versioned: Bucket } = fixture();
      const Key = uniqueKey('list');
      const one = await client.send(new PutObjectCommand({ Bucket, Key, Body: 'one' }));
      const two = await client.send(new PutObjectCommand({ Bucket, Key, Body: 'two' }));
      const marker = await client.send(new DeleteObjectCommand({ Bucket, Key }));
      const { Versions, DeleteMarkers } = await client.send(new ListObjectVersionsCommand({ Bucket, Prefix: Key }));
      expect(Versions?.map(({ VersionId, IsLatest }) => [VersionId, IsLatest])).toEqual([
        [two.VersionId, false],
        [one.VersionId, false],
      ]);
      expect(DeleteMarkers).toMatchObject([{ VersionId: marker.VersionId, IsLatest: true }]);
    });

    test('the listing of versions goes on in the middle of a key', async () => {
      const { client, versioned: Bucket } = fixture();
      const prefix = uniqueKey('paged');
      const ids: Array<string | undefined> = [];
      for (const name of ['a', 'a', 'a', 'b']) {
        const put = await client.send(new PutObjectCommand({ Bucket, Key: `${prefix}/${name}`, Body: 'x' }));
        ids.push(put.VersionId);
      }
      const seen: Array<string | undefined> = [];
      let KeyMarker: string | undefined;
      let VersionIdMarker: string | undefined;
      do {
        const page = await client.send(
          new ListObjectVersionsCommand({ Bucket, Prefix: prefix, MaxKeys: 2, KeyMarker, VersionIdMarker }),
        );
        seen.push(...(page.Versions ?? []).map(({ VersionId }) => VersionId));
        KeyMarker = page.NextKeyMarker;
        VersionIdMarker = page.NextVersionIdMarker;
      } while (KeyMarker !== undefined);
      const [first, second, third, fourth] = ids;
      expect(seen).toEqual([third, second, first, fourth]);
    });

    test('a copy can name the version of its source', async () => {
      const { client, versioned: Bucket } = fixture();
      const Key = uniqueKey('copied');
      const { VersionId } = await client.send(new PutObjectCommand({ Bucket, Key, Body: 'old' }));
      await client.send(new PutObjectCommand({ Bucket, Key, Body: 'new' }));
      const CopySource = `${Bucket}/${Key}?versionId=${VersionId}`;
      await client.send(new CopyObjectCommand({ Bucket, Key: `${Key}-copy`, CopySource }));
      expect(await readText(client, { Bucket, Key: `${Key}-copy` })).toBe('old');
    });

    test('a bucket tells whether it keeps versions', async () => {
      const { client, plain, versioned } = fixture();
      expect((await client.send(new GetBucketVersioningCommand({ Bucket: plain }))).Status).toBeUndefined();
      expect((await client.send(new GetBucketVersioningCommand({ Bucket: versioned }))).Status).toBe('Enabled');
      const head = client.send(new HeadObjectCommand({ Bucket: versioned, Key: uniqueKey('none') }));
      await expectError(head, 'NotFound', 404);
    });
  });
}
