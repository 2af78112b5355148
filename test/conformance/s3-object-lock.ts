import {
  DeleteObjectCommand,
  DeleteObjectsCommand,
  GetObjectLegalHoldCommand,
  GetObjectLockConfigurationCommand,
  GetObjectRetentionCommand,
  HeadObjectCommand,
  PutBucketVersioningCommand,
  PutObjectCommand,
  PutObjectLegalHoldCommand,
  PutObjectLockConfigurationCommand,
  PutObjectRetentionCommand,
} from '@aws-sdk/client-s3';
import type { S3Fixture } from './s3';
import { expectError, uniqueKey } from './s3-expect';

const MINUTE_MS = 60_000;

export function s3ObjectLock(fixture: () => S3Fixture, options: { readonly canAdvanceClock: boolean }): void {
  describe('Object Lock', () => {
    const inMs = (ms: number): Date => new Date(Math.ceil((Date.now() + ms) / 1000) * 1000);
    const put = async (
      mode: 'GOVERNANCE' | 'COMPLIANCE',
      until: Date,
    ): Promise<{ Bucket: string; Key: string; VersionId: string | undefined }> => {
      const { client, locked: Bucket } = fixture();
      const Key = uniqueKey('locked');
      const { VersionId } = await client.send(
        new PutObjectCommand({ Bucket, Key, Body: 'x', ObjectLockMode: mode, ObjectLockRetainUntilDate: until }),
      );
      return { Bucket, Key, VersionId };
    };

    test('a locked version cannot be removed, a delete marker can still hide it', async () => {
      const { client } = fixture();
      const target = await put('GOVERNANCE', inMs(10 * MINUTE_MS));
      await expectError(client.send(new DeleteObjectCommand(target)), 'AccessDenied', 403);
      const { DeleteMarker } = await client.send(new DeleteObjectCommand({ Bucket: target.Bucket, Key: target.Key }));
      expect(DeleteMarker).toBe(true);
      const head = await client.send(new HeadObjectCommand(target));
      expect(head.ObjectLockMode).toBe('GOVERNANCE');
    });

    test('DeleteObjects reports a locked version as an error of its own in a 200', async () => {
      const { client } = fixture();
      const { Bucket, Key, VersionId } = await put('GOVERNANCE', inMs(10 * MINUTE_MS));
      const done = await client.send(new DeleteObjectsCommand({ Bucket, Delete: { Objects: [{ Key, VersionId }] } }));
      expect(done.Errors).toMatchObject([{ Key, VersionId, Code: 'AccessDenied' }]);
    });

    test('GOVERNANCE gives way to a caller who says so', async () => {
      const { client } = fixture();
      const target = await put('GOVERNANCE', inMs(10 * MINUTE_MS));
      await client.send(new DeleteObjectCommand({ ...target, BypassGovernanceRetention: true }));
      await expectError(client.send(new HeadObjectCommand(target)), 'NotFound', 404);
    });

    test('COMPLIANCE can be extended, and neither shortened, weakened nor bypassed', async () => {
      const { client } = fixture();
      const target = await put('COMPLIANCE', inMs(MINUTE_MS));
      const retain = (Mode: 'GOVERNANCE' | 'COMPLIANCE', RetainUntilDate: Date): Promise<unknown> =>
        client.send(
          new PutObjectRetentionCommand({
            ...target,
            BypassGovernanceRetention: true,
            Retention: { Mode, RetainUntilDate },
          }),
        );
      const longer = inMs(2 * MINUTE_MS);
      await retain('COMPLIANCE', longer);
      await expectError(retain('COMPLIANCE', inMs(MINUTE_MS)), 'AccessDenied', 403);
      await expectError(retain('GOVERNANCE', inMs(3 * MINUTE_MS)), 'AccessDenied', 403);
      const bypass = client.send(new DeleteObjectCommand({ ...target, BypassGovernanceRetention: true }));
      await expectError(bypass, 'AccessDenied', 403);
      const { Retention } = await client.send(new GetObjectRetentionCommand(target));
      expect(Retention).toMatchObject({ Mode: 'COMPLIANCE', RetainUntilDate: longer });
    });

    test('a legal hold protects until it is taken off', async () => {
      const { client, locked: Bucket } = fixture();
      const Key = uniqueKey('held');
      const { VersionId } = await client.send(
        new PutObjectCommand({ Bucket, Key, Body: 'x', ObjectLockLegalHoldStatus: 'ON' }),
      );
      const remove = (): Promise<unknown> =>
        client.send(new DeleteObjectCommand({ Bucket, Key, VersionId, BypassGovernanceRetention: true }));
      await expectError(remove(), 'AccessDenied', 403);
      const held = await client.send(new GetObjectLegalHoldCommand({ Bucket, Key, VersionId }));
      expect(held.LegalHold?.Status).toBe('ON');
      await client.send(new PutObjectLegalHoldCommand({ Bucket, Key, VersionId, LegalHold: { Status: 'OFF' } }));
      await remove();
    });

    test('the default retention of the bucket applies to what brings none of its own', async () => {
      const { client, locked: Bucket } = fixture();
      const configure = (Rule?: { DefaultRetention: { Mode: 'GOVERNANCE'; Days: number } }): Promise<unknown> =>
        client.send(
          new PutObjectLockConfigurationCommand({
            Bucket,
            ObjectLockConfiguration: { ObjectLockEnabled: 'Enabled', ...(Rule === undefined ? {} : { Rule }) },
          }),
        );
      await configure({ DefaultRetention: { Mode: 'GOVERNANCE', Days: 3 } });
      const Key = uniqueKey('default');
      const { VersionId } = await client.send(new PutObjectCommand({ Bucket, Key, Body: 'x' }));
      const { ObjectLockConfiguration } = await client.send(new GetObjectLockConfigurationCommand({ Bucket }));
      await configure();
      expect(ObjectLockConfiguration?.Rule?.DefaultRetention).toMatchObject({ Mode: 'GOVERNANCE', Days: 3 });
      const { Retention } = await client.send(new GetObjectRetentionCommand({ Bucket, Key, VersionId }));
      const days = ((Retention?.RetainUntilDate?.getTime() ?? 0) - Date.now()) / 86_400_000;
      expect(Retention?.Mode).toBe('GOVERNANCE');
      expect(Math.round(days)).toBe(3);
    });

    test('a write with a lock needs a checksum or Content-MD5', async () => {
      const { client, locked: Bucket } = fixture();
      const command = new PutObjectCommand({
        Bucket,
        Key: uniqueKey('unchecked'),
        Body: 'x',
        ObjectLockMode: 'GOVERNANCE',
        ObjectLockRetainUntilDate: inMs(MINUTE_MS),
      });
      command.middlewareStack.add(
        (next) => (input) => {
          const { request } = input as { request: { headers: Record<string, string> } };
          for (const name of Object.keys(request.headers)) {
            if (/^x-amz-(?:checksum|sdk-checksum)/.test(name)) delete request.headers[name];
          }
          return next(input);
        },
        { step: 'build', priority: 'low', name: 'withoutChecksum' },
      );
      await expectError(client.send(command), 'InvalidRequest', 400);
    });

    test('locks are refused in a bucket without Object Lock, and versioning cannot be suspended in one with it', async () => {
      const { client, plain, locked } = fixture();
      const ObjectLockRetainUntilDate = inMs(MINUTE_MS);
      const unlocked = client.send(
        new PutObjectCommand({
          Bucket: plain,
          Key: 'x',
          Body: 'x',
          ObjectLockMode: 'GOVERNANCE',
          ObjectLockRetainUntilDate,
        }),
      );
      await expectError(unlocked, 'InvalidRequest', 400);
      const suspend = client.send(
        new PutBucketVersioningCommand({ Bucket: locked, VersioningConfiguration: { Status: 'Suspended' } }),
      );
      await expectError(suspend, 'InvalidBucketState', 409);
      const configuration = client.send(new GetObjectLockConfigurationCommand({ Bucket: plain }));
      await expectError(configuration, 'ObjectLockConfigurationNotFoundError', 404);
    });

    if (!options.canAdvanceClock) return;

    test('a retention that has ended protects no more', async () => {
      const { client, advanceClock } = fixture();
      const target = await put('COMPLIANCE', inMs(MINUTE_MS));
      advanceClock?.(3 * MINUTE_MS);
      await client.send(new DeleteObjectCommand(target));
      await expectError(client.send(new HeadObjectCommand(target)), 'NotFound', 404);
    });
  });
}
