/** The engine over the real S3 client, with the rights of its roles and no more: what it needs is what they give. */
import { openSession } from '../../shared/blockstore/session';
import { verifyRestorePoint } from '../../shared/blockstore/verify';
import { MIB } from '../../shared/model/limits';
import { type StoreFixture, startStoreFixture } from '../aws/store-fixture';
import { backupBench, signal, tenant, vmKey } from '../helpers/backup-bench';
import { FakeDisk, noise } from '../helpers/fake-disk';

let fixture: StoreFixture;
beforeAll(async () => {
  fixture = await startStoreFixture();
});
afterAll(() => fixture.close());
afterEach(() => fixture.cloud.clearFaults());

const stores = (role: 'writer' | 'reader', sessionId: string) => fixture.access.open({ role, tenant, sessionId });

test('full, incremental, verification and restore run on writer and reader rights, through lost replies', async () => {
  const bench = backupBench();
  const disk = new FakeDisk(65 * MIB + 512).write(0, noise(1, 400_000)).write(64 * MIB, noise(2, MIB));
  const run = async (jobId: string, target: Parameters<typeof bench.backupTransfers>[1]) => {
    const writer = stores('writer', jobId);
    await openSession(await bench.repository(writer), { sessionId: jobId, vmKey, kind: 'BACKUP' }, signal);
    const handler = bench.handler(writer);
    await Promise.all(bench.backupTransfers(jobId, target).map((transfer) => handler(transfer, signal)));
    return await bench.publish(jobId, [target], writer);
  };
  const first = await run('job-1', { lun: 0, snapshotId: bench.access.snapshot('s1', disk) });
  disk.write(10 * MIB, noise(3, 100_000));
  fixture.cloud.fault({
    id: 'lost',
    service: 'aws',
    operation: 's3.PutObject',
    times: 3,
    action: { kind: 'lost-reply' },
  });
  const base = { snapshotId: 's1', pointId: first.id };
  const second = await run('job-2', { lun: 0, snapshotId: bench.access.snapshot('s2', disk), base });
  expect(second.previousDigest).toBeDefined();
  expect(second.disks[0]?.fullReason).toBeUndefined();

  const reader = stores('reader', 'res-1');
  const repository = await bench.repository(reader);
  const report = await verifyRestorePoint(
    repository,
    { vmKey, pointId: second.id, sampleBlocks: 30, seed: 's' },
    signal,
  );
  expect(report.sampledBlocks).toBe(25);
  await openSession(repository, { sessionId: 'res-1', vmKey, kind: 'RESTORE' }, signal);
  const handler = bench.handler(reader);
  await Promise.all(bench.restoreTransfers('res-1', second, 0).map((transfer) => handler(transfer, signal)));
  expect(bench.access.uploads.get('res-1-0')?.equals(disk.bytes)).toBe(true);
});

test('credentials that die while a window runs are renewed, time and again, and nothing is lost', async () => {
  const bench = backupBench(undefined, undefined, 'second ');
  const disk = new FakeDisk(64 * MIB).write(0, noise(4, 3 * MIB));
  const target = { lun: 0, snapshotId: bench.access.snapshot('s1', disk) };
  // 900 seconds are the shortest session that AWS gives; the service calls it dead twice within the window.
  const access = fixture.open({ sessionSeconds: 900 });
  const writer = access.open({ role: 'writer', tenant, sessionId: 'job-9' });
  await openSession(await bench.repository(writer), { sessionId: 'job-9', vmKey, kind: 'BACKUP' }, signal);
  const asked = fixture.requests('sts.AssumeRoleWithWebIdentity');
  for (const skip of [2, 8]) {
    fixture.cloud.fault({ id: `dead-${skip}`, operation: 's3.*', skip, times: 1, action: { kind: 'expire' } });
  }
  const handler = bench.handler(writer);
  for (const transfer of bench.backupTransfers('job-9', target)) await handler(transfer, signal);
  const point = await bench.publish('job-9', [target], writer);
  expect(fixture.requests('sts.AssumeRoleWithWebIdentity') - asked).toBe(2);
  const reader = access.open({ role: 'reader', tenant, sessionId: 'res-9' });
  const repository = await bench.repository(reader);
  const request = { vmKey, pointId: point.id, sampleBlocks: 60, seed: 's' };
  expect((await verifyRestorePoint(repository, request, signal)).sampledBlocks).toBe(48);
});
