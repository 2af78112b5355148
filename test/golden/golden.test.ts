/** The repository of version 1 as it lies here restores byte for byte, and can be gone on with. */
import { randomBytes } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createEscrowWrapper } from '../../shared/app/key-escrow';
import { createKeyFileWrapper } from '../../shared/app/key-file';
import { silentLogger } from '../../shared/base/logger';
import { inlinePool } from '../../shared/blockstore/compute-pool';
import { listRestorePoints, loadRestorePoint } from '../../shared/blockstore/points';
import { publishRestorePoint } from '../../shared/blockstore/publish';
import { openSession } from '../../shared/blockstore/session';
import { openRootKey } from '../../shared/blockstore/tenant-keys';
import { verifyRestorePoint } from '../../shared/blockstore/verify';
import { createTransferHandler, type TransferHandler } from '../../shared/dataproxy/transfer-handler';
import { limits } from '../../shared/model/limits';
import { planWindows } from '../../shared/model/transfer';
import { FakeAccess, FakeDisk, noise } from '../helpers/fake-disk';
import type { MemoryStores } from '../helpers/memory-object-store';
import { digestOfDisk, type ExpectedDisk } from './expectation';
import { makeGoldenWorld } from './golden-world';
import { filesBelow, goldenExpectation, goldenFolder, goldenKey, loadGolden, openGolden } from './load';
import { stillClock } from './still-clock';

jest.setTimeout(120_000);

const expected = goldenExpectation();
const signal = new AbortController().signal;
const folder = mkdtempSync(path.join(tmpdir(), 'blockferry-golden-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const handlerOn = (stores: MemoryStores, tenant: string, access: FakeAccess): TransferHandler =>
  createTransferHandler({
    access,
    openRepository: () => openGolden(stores, tenant),
    events: { report: async () => undefined },
    clock: stillClock('2026-11-23T00:00:00.000Z'),
    logger: silentLogger,
    imageDirectory: undefined,
    concurrency: 2,
    pool: inlinePool,
  });

/** The wrapper refuses a file that others may read; what git checks out is one. */
function keyFileCopy(): string {
  const file = path.join(folder, 'key');
  writeFileSync(file, readFileSync(path.join(goldenFolder, 'key-file.hex')), { mode: 0o600 });
  return file;
}

async function restored(stores: MemoryStores, disk: ExpectedDisk): Promise<string> {
  const access = new FakeAccess();
  const { tenant, vmKey, pointId, lun, sizeBytes: diskBytes } = disk;
  const jobId = `restore-${pointId}-${lun}`;
  await openSession(await openGolden(stores, tenant), { sessionId: jobId, vmKey, kind: 'RESTORE' });
  const handle = handlerOn(stores, tenant, access);
  const target = { kind: 'disk', diskId: 'target' } as const;
  for (const window of planWindows(diskBytes, limits.leafBytes)) {
    const job = { tenant, jobId, vmKey, lun, window, diskBytes, pointId, target };
    await handle({ kind: 'restore', version: 1, region: 'westeurope', ...job }, signal);
  }
  const image = access.uploads.get('target');
  if (!image) throw new Error('nothing was restored');
  return digestOfDisk(image);
}

test('there is enough in it, and not too much', () => {
  expect(expected.disks.length).toBeGreaterThanOrEqual(9);
  const bytes = filesBelow(goldenFolder).reduce((sum, [, content]) => sum + content.length, 0);
  expect(bytes).toBeLessThan(2 * 2 ** 20);
});

test('no object lies under the name of a folder of others', () => {
  for (const { objects } of Object.values(loadGolden())) {
    const keys = [...objects.keys()];
    expect(keys.filter((key) => keys.some((other) => other.startsWith(`${key}/`)))).toEqual([]);
  }
});

test.each(expected.disks.map((disk) => [disk.tenant, disk.vm, disk.pointId, disk.lun, disk] as const))(
  'the product restores %s %s %s disk %s byte for byte',
  async (_tenant, _vm, _point, _lun, disk) => {
    expect(await restored(loadGolden(), disk)).toBe(disk.sha256);
  },
);

test.each([
  ['the key file', () => createKeyFileWrapper({ path: keyFileCopy(), randomBytes })],
  [
    'the escrow key',
    () => createEscrowWrapper({ path: path.join(goldenFolder, 'escrow-private.pem'), half: 'private' }),
  ],
])('the product finds the root key with %s', async (_way, wrapper) => {
  for (const tenant of ['acme', 'fabrikam']) {
    const wrappers = [wrapper()];
    const options = { stores: loadGolden(), tenant, logger: silentLogger, wrappers, randomBytes };
    const { rootKey, envelope } = await openRootKey(options, false);
    expect(rootKey.equals(goldenKey())).toBe(true);
    expect(envelope.packGeneration).toBe(2);
  }
});

test('every point verifies with every one of its blocks', async () => {
  const stores = loadGolden();
  for (const tenant of ['acme', 'fabrikam']) {
    const repository = await openGolden(stores, tenant);
    for (const { vmKey, id: pointId } of await listRestorePoints(repository)) {
      const verified = await verifyRestorePoint(repository, { vmKey, pointId, sampleBlocks: 100_000, seed: 'all' });
      expect(verified.sampledBlocks).toBeGreaterThan(0);
    }
  }
});

test('an incremental on top of it shares its leaves and blocks, and both restore', async () => {
  const stores = loadGolden();
  const last = expected.disks.find(({ pointId, lun }) => pointId === 'p-web-4' && lun === 0);
  if (!last) throw new Error('the last point');
  const { tenant, vmKey, sizeBytes: diskBytes } = last;
  const base = new FakeDisk(diskBytes).write(128 * 1024, noise(1, 300_000)).write(2 ** 20, noise(5, 512));
  expect(digestOfDisk(base.bytes)).toBe(last.sha256);
  const access = new FakeAccess();
  access.snapshot('web-4-0', base);
  access.snapshot('web-5-0', base.write(512 * 1024, noise(42, 1_000)));
  const repository = await openGolden(stores, tenant);
  await openSession(repository, { sessionId: 'web-5', vmKey, kind: 'BACKUP' });
  const [window] = planWindows(diskBytes, limits.leafBytes);
  if (!window) throw new Error('one window');
  const job = { tenant, jobId: 'web-5', vmKey, lun: 0, window, diskBytes, snapshotId: 'web-5-0' };
  const parent = { base: { snapshotId: 'web-4-0', pointId: 'p-web-4' } };
  const stats = await handlerOn(
    stores,
    tenant,
    access,
  )({ kind: 'backup', version: 1, region: 'westeurope', ...job, ...parent }, signal);
  expect(stats.newBytes).toBe(limits.blockBytes);
  const { id: _id, jobId: _job, ...record } = await loadRestorePoint(repository, vmKey, 'p-web-4');
  const disks = [
    { lun: 0, sizeBytes: diskBytes, mode: 'incremental', basePointId: 'p-web-4', windows: [window] },
  ] as const;
  const snapshotTakenAt = '2026-11-22T09:00:00.000Z';
  const draft = { ...record, id: 'p-web-5', jobId: 'web-5', createdAt: '2026-11-22T10:00:00.000Z' };
  const point = await publishRestorePoint(repository, {
    ...draft,
    disks: disks.map((disk) => ({ ...disk, snapshotTakenAt })),
  });
  expect(point.previousDigest).toBeDefined();
  expect(await restored(stores, { ...last, pointId: 'p-web-5' })).toBe(digestOfDisk(base.bytes));
  expect(await restored(stores, last)).toBe(last.sha256);
});

test('what the product writes today for the same story restores to the same bytes, and twice to the same objects', async () => {
  const [world, again] = [await makeGoldenWorld(), await makeGoldenWorld()];
  expect(world.disks.map(({ content }) => digestOfDisk(content))).toEqual(expected.disks.map(({ sha256 }) => sha256));
  for (const bucket of ['data', 'control'] as const) {
    const bodies = (stores: MemoryStores) =>
      [...stores[bucket].objects].map(([key, { body }]) => [key, body.toString('base64')]);
    expect(bodies(world.stores)).toEqual(bodies(again.stores));
  }
  for (const disk of expected.disks) expect(await restored(world.stores, disk)).toBe(disk.sha256);
});
