/** Object locks over the real S3 client: the keeper lengthens them, nobody shortens them, and the collector waits for their end. */
import { PutObjectRetentionCommand, S3Client } from '@aws-sdk/client-s3';
import { expirePoint } from '../../shared/blockstore/expiry';
import { openSession } from '../../shared/blockstore/session';
import { verifyRestorePoint } from '../../shared/blockstore/verify';
import { collectorDefaults } from '../../shared/collector/context';
import { keepLocks } from '../../shared/collector/keep-locks';
import { runCycle } from '../../shared/collector/run-cycle';
import { MIB } from '../../shared/model/limits';
import { names, type StoreFixture, startStoreFixture } from '../aws/store-fixture';
import { backupBench, signal, tenant, vmKey } from '../helpers/backup-bench';
import { FakeDisk, noise } from '../helpers/fake-disk';

const DAY_MS = 86_400_000;
const LOCK_DAYS = 7;
const ADMIN = { accessKeyId: 'AKIATESTADMIN0000001', secretAccessKey: 'secret-of-the-admin' };

let fixture: StoreFixture;
let admin: S3Client;

beforeAll(async () => {
  fixture = await startStoreFixture({ lockDays: LOCK_DAYS, users: [{ name: 'admin', ...ADMIN }] });
  // Tokens outlive the days that pass below.
  await fixture.cloud.control('POST', '/behaviour', { tokenLifetimeSeconds: 90 * 86_400 });
  admin = new S3Client({
    endpoint: fixture.cloud.cloud.endpoints.aws,
    region: names.region,
    forcePathStyle: true,
    credentials: ADMIN,
    maxAttempts: 1,
  });
});
afterAll(async () => {
  admin.destroy();
  await fixture.close();
});

const bench = backupBench();
const versionsOf = () => fixture.access.versions({ tenant, sessionId: 'collector-1' });
/** The keeper's and the collector's clock; S3 has its own. */
const clockTo = (ms: number): void => bench.clock.advance(ms - bench.clock.now());

async function backup(jobId: string, seed: number) {
  const disk = new FakeDisk(64 * MIB).write(0, noise(seed, 300_000));
  const target = { lun: 0, snapshotId: bench.access.snapshot(jobId, disk) };
  const writer = fixture.access.open({ role: 'writer', tenant, sessionId: jobId });
  await openSession(await bench.repository(writer), { sessionId: jobId, vmKey, kind: 'BACKUP' }, signal);
  const handler = bench.handler(writer);
  for (const transfer of bench.backupTransfers(jobId, target)) await handler(transfer, signal);
  return bench.publish(jobId, [target], writer);
}

let keepers = 0;
async function keep() {
  keepers += 1;
  const scope = { tenant, sessionId: `keep-${keepers}` };
  const repository = await bench.repository(fixture.access.open({ ...scope, role: 'keeper' }));
  return keepLocks(
    { repository, locks: fixture.access.locks(scope), sessionId: scope.sessionId, windowMs: LOCK_DAYS * DAY_MS },
    { force: true },
  );
}

/** Ends of the locks of packs, roots, leaves and records, by key. */
async function locks(): Promise<ReadonlyMap<string, number>> {
  const found = new Map<string, number>();
  const versions = versionsOf();
  for (const folder of ['u/', 'm/']) {
    for await (const { key, versionId } of versions.listVersions(`t/${tenant}/${folder}`)) {
      found.set(key, (await versions.lockedUntil(key, versionId)) ?? 0);
    }
  }
  return found;
}

test('what is written is locked; the keeper lengthens, and a lock that ends later stays', async () => {
  await backup('job-1', 1);
  const written = await locks();
  expect(written.size).toBeGreaterThan(2);
  for (const until of written.values()) expect(until).toBeGreaterThan(Date.now() + (LOCK_DAYS - 1) * DAY_MS);

  // The bench's clock is the keeper's: three days later its locks end later too.
  clockTo(Date.now() + 3 * DAY_MS);
  const kept = await keep();
  expect(kept).toMatchObject({ outcome: 'kept', missing: 0, damaged: 0 });
  const lengthened = await locks();
  for (const [key, until] of lengthened) expect(until - (written.get(key) ?? 0)).toBeGreaterThan(2 * DAY_MS);

  // Earlier than what is there: S3 refuses, and the keeper takes the longer lock for kept.
  clockTo(Date.now() + DAY_MS);
  expect(await keep()).toMatchObject({ outcome: 'kept', missing: 0 });
  expect(await locks()).toEqual(lengthened);
});

test('nobody shortens a lock, and nobody makes one longer than the window and five days', async () => {
  const [Key = '', until = 0] = [...(await locks())][0] ?? [];
  const retention = (at: number) =>
    admin.send(
      new PutObjectRetentionCommand({
        Bucket: names.dataBucket,
        Key,
        Retention: { Mode: 'COMPLIANCE', RetainUntilDate: new Date(at) },
      }),
    );
  await expect(retention(until - DAY_MS)).rejects.toMatchObject({ name: 'AccessDenied' });
  await expect(retention(Date.now() + 20 * DAY_MS)).rejects.toMatchObject({ name: 'AccessDenied' });
  const scope = { tenant, sessionId: 'keep-far' };
  const far = fixture.access.locks(scope).extendLock(Key, Date.now() + 20 * DAY_MS);
  await expect(far).rejects.toMatchObject({ code: 'store.denied' });
});

test('the collector deletes nothing that is locked, and all of it when the locks have run out', async () => {
  const second = await backup('job-2', 2);
  const third = await backup('job-3', 3);
  clockTo(Date.now());
  const settings = { ...collectorDefaults, youngMs: -1e12, undoMs: 0, shareMax: 1 };
  const repository = await bench.repository(
    fixture.access.open({ role: 'collector', tenant, sessionId: 'collector-1' }),
  );
  await expirePoint(repository, second.id, { by: 'test', reason: 'over' });
  clockTo(Date.now() + 1000);
  const before = [...(await locks()).keys()];
  const waiting = await runCycle({ repository, versions: versionsOf(), settings });
  expect(waiting.condemn?.locked.units).toBeGreaterThan(0);
  expect(waiting.condemn?.condemned.units).toBe(0);
  expect([...(await locks()).keys()]).toEqual(before);

  // Had it tried: S3 refuses the collector's own credential.
  const versions = versionsOf();
  for await (const { key, versionId } of versions.listVersions(`t/${tenant}/u/`)) {
    expect(await versions.deleteVersion(key, versionId)).toBe('locked');
  }

  // The keeper goes on for the living; then the window passes for the expired point.
  clockTo(Date.now() + 4 * DAY_MS);
  await keep();
  const late = Date.now() + (LOCK_DAYS + 1) * DAY_MS;
  await fixture.cloud.control('POST', '/clock', { shiftMs: (LOCK_DAYS + 1) * DAY_MS });
  clockTo(late);
  const fresh = fixture.open();
  const scope = { tenant, sessionId: 'collector-2' };
  const later = await runCycle({
    repository: await bench.repository(fresh.open({ ...scope, role: 'collector' })),
    versions: fresh.versions(scope),
    settings,
  });
  expect(later.outcome).toBe('closed');
  expect(later.delete?.deleted.units).toBeGreaterThan(0);
  const left = fresh.open({ role: 'reader', tenant, sessionId: 'ver-1' });
  const request = { vmKey, pointId: third.id, sampleBlocks: 60, seed: 's' };
  expect((await verifyRestorePoint(await bench.repository(left), request, signal)).sampledBlocks).toBeGreaterThan(0);
});
