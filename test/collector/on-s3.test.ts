/** The collector over the real S3 client under its own role: it deletes what expired, and can do nothing else. */
import { expirePoint } from '../../shared/blockstore/expiry';
import { openSession } from '../../shared/blockstore/session';
import { verifyRestorePoint } from '../../shared/blockstore/verify';
import { collectorDefaults } from '../../shared/collector/context';
import { runCycle } from '../../shared/collector/run-cycle';
import { MIB } from '../../shared/model/limits';
import { names, type StoreFixture, startStoreFixture } from '../aws/store-fixture';
import { backupBench, signal, tenant, vmKey } from '../helpers/backup-bench';
import { FakeDisk, noise } from '../helpers/fake-disk';

let fixture: StoreFixture;
beforeAll(async () => {
  fixture = await startStoreFixture();
});
afterAll(() => fixture.close());

const scope = { tenant, sessionId: 'collector-1' };

test('an expired point goes, with its packs and nothing of the other point; the role reads no pack', async () => {
  const bench = backupBench();
  const run = async (jobId: string, seed: number) => {
    const disk = new FakeDisk(64 * MIB).write(0, noise(seed, 400_000));
    const target = { lun: 0, snapshotId: bench.access.snapshot(jobId, disk) };
    const writer = fixture.access.open({ role: 'writer', tenant, sessionId: jobId });
    await openSession(await bench.repository(writer), { sessionId: jobId, vmKey, kind: 'BACKUP' }, signal);
    const handler = bench.handler(writer);
    for (const transfer of bench.backupTransfers(jobId, target)) await handler(transfer, signal);
    return bench.publish(jobId, [target], writer);
  };
  const first = await run('job-1', 1);
  const second = await run('job-2', 2);
  const stores = fixture.access.open({ ...scope, role: 'collector' });
  const repository = await bench.repository(stores);
  const versions = fixture.access.versions(scope);
  const settings = { ...collectorDefaults, youngMs: -1_000_000_000, undoMs: 0, shareMax: 1 };
  const packs = async (): Promise<string[]> => {
    const keys: string[] = [];
    for await (const { key } of versions.listVersions(`t/${tenant}/u/`)) keys.push(key);
    return keys;
  };
  const before = await packs();
  expect(before).toHaveLength(2);
  expect((await runCycle({ repository, versions, settings })).outcome).toBe('nothing');

  await expirePoint(repository, first.id, { by: 'test', reason: 'over' });
  bench.clock.advance(1);
  const dry = await runCycle({ repository, versions, settings }, { dryRun: true });
  expect(dry.condemn?.condemned.units).toBeGreaterThan(0);
  expect(await packs()).toEqual(before);

  // Not without being asked: half of the packs is far more than a tenth.
  const stopped = await runCycle({ repository, versions, settings: { ...settings, shareMax: 0.1 } });
  expect(stopped.stops.map(({ reason }) => reason)).toEqual(['share']);
  expect(await packs()).toEqual(before);

  expect((await runCycle({ repository, versions, settings })).outcome).toBe('closed');
  const after = await packs();
  expect(after).toHaveLength(1);
  await expect(stores.data.get(after[0] ?? '')).rejects.toMatchObject({ code: 'store.denied' });
  const reader = await bench.repository(fixture.access.open({ role: 'reader', tenant, sessionId: 'ver-1' }));
  const request = { vmKey, pointId: second.id, sampleBlocks: 60, seed: 's' };
  expect((await verifyRestorePoint(reader, request, signal)).sampledBlocks).toBeGreaterThan(0);
});

test('a writer deletes nothing, and the collector neither point records nor other tenants', async () => {
  const { versions: none } = fixture.access;
  const versions = none(scope);
  for await (const { key, versionId } of versions.listVersions(`t/${tenant}/p/`)) {
    await expect(versions.deleteVersion(key, versionId)).rejects.toMatchObject({ code: 'store.denied' });
  }
  const other = fixture.access.versions({ ...scope, tenant: 'another' });
  await expect(other.deleteVersion('t/another/u/00/x', 'v')).rejects.toMatchObject({ code: 'store.denied' });
  expect(names.tenant).toBe(tenant);
});
