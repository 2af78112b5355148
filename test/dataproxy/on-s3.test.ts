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
