import { ListObjectsV2Command, type ListObjectsV2CommandInput, PutObjectCommand } from '@aws-sdk/client-s3';
import type { S3Fixture } from './s3';
import { uniqueKey } from './s3-expect';

const NAMES = ['a', 'a/1', 'a/2', 'a/b/3', 'a b&<c>', 'b', 'z/1', 'Ä', '😀', '\uff5e'];
/** S3 orders by the bytes of UTF-8, where a JavaScript sort would put the last two the other way round. */
const IN_BYTE_ORDER = ['a', 'a b&<c>', 'a/1', 'a/2', 'a/b/3', 'b', 'z/1', 'Ä', '\uff5e', '😀'];

export function s3Listings(fixture: () => S3Fixture): void {
  describe('ListObjectsV2', () => {
    const root = uniqueKey('listing');

    beforeAll(async () => {
      const { client, plain: Bucket } = fixture();
      for (const name of NAMES) await client.send(new PutObjectCommand({ Bucket, Key: `${root}/${name}`, Body: name }));
    });

    const list = async (
      input: Omit<ListObjectsV2CommandInput, 'Bucket'>,
    ): Promise<{ keys: string[]; prefixes: string[]; next: string | undefined; truncated: boolean | undefined }> => {
      const { client, plain: Bucket } = fixture();
      const page = await client.send(new ListObjectsV2Command({ Bucket, Prefix: `${root}/`, ...input }));
      const strip = (text: string | undefined): string => (text ?? '').slice(root.length + 1);
      return {
        keys: (page.Contents ?? []).map(({ Key }) => strip(Key)),
        prefixes: (page.CommonPrefixes ?? []).map(({ Prefix }) => strip(Prefix)),
        next: page.NextContinuationToken,
        truncated: page.IsTruncated,
      };
    };

    test('keys come in the order of their UTF-8 bytes', async () => {
      expect(await list({})).toMatchObject({ keys: IN_BYTE_ORDER, prefixes: [], truncated: false });
    });

    test('a prefix is no folder', async () => {
      expect((await list({ Prefix: `${root}/a` })).keys).toEqual(IN_BYTE_ORDER.slice(0, 5));
    });

    test('a delimiter folds what lies behind it into common prefixes', async () => {
      const { keys, prefixes } = await list({ Delimiter: '/' });
      expect(keys).toEqual(['a', 'a b&<c>', 'b', 'Ä', '\uff5e', '😀']);
      expect(prefixes).toEqual(['a/', 'z/']);
    });

    test.each([1, 3])('pages of %i give everything once', async (MaxKeys) => {
      const keys: string[] = [];
      let ContinuationToken: string | undefined;
      do {
        const page = await list({ MaxKeys, ContinuationToken });
        expect(page.keys.length).toBeLessThanOrEqual(MaxKeys);
        keys.push(...page.keys);
        ContinuationToken = page.next;
      } while (ContinuationToken !== undefined);
      expect(keys).toEqual(IN_BYTE_ORDER);
    });

    test('pages count common prefixes and never repeat one', async () => {
      const seen: string[] = [];
      let ContinuationToken: string | undefined;
      do {
        const page = await list({ MaxKeys: 2, Delimiter: '/', ContinuationToken });
        seen.push(...page.keys, ...page.prefixes);
        ContinuationToken = page.next;
      } while (ContinuationToken !== undefined);
      expect([...seen].sort()).toEqual(['a', 'a b&<c>', 'a/', 'b', 'z/', 'Ä', '\uff5e', '😀'].sort());
    });

    test('start-after is exclusive', async () => {
      expect((await list({ StartAfter: `${root}/a/2` })).keys).toEqual(IN_BYTE_ORDER.slice(4));
    });

    test('a page size of zero gives nothing and is not truncated', async () => {
      expect(await list({ MaxKeys: 0 })).toMatchObject({ keys: [], truncated: false });
    });

    test('keys can be asked for in URL encoding', async () => {
      const { keys } = await list({ EncodingType: 'url', Prefix: `${root}/a b` });
      expect(keys.map((key) => decodeURIComponent(key.replaceAll('+', ' ')))).toEqual(['a b&<c>']);
    });

    test('an entry has size, ETag and time', async () => {
      const { client, plain: Bucket } = fixture();
      const { Contents } = await client.send(new ListObjectsV2Command({ Bucket, Prefix: `${root}/z/` }));
      expect(Contents).toMatchObject([{ Size: 3, ETag: expect.stringMatching(/^"[0-9a-f]{32}"$/) }]);
      expect(Contents?.[0]?.LastModified?.getTime()).not.toBeNaN();
    });
  });
}
