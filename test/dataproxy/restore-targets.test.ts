/** Restores to image files and disks: sparse, resumable, and never to a place where they do not belong. */
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openSession } from '../../shared/blockstore/session';
import { MIB } from '../../shared/model/limits';
import { backupBench, signal, vmKey } from '../helpers/backup-bench';
import { FakeDisk, noise } from '../helpers/fake-disk';

const target = { kind: 'image', name: 'res-1-os.img.partial' } as const;
const disk = new FakeDisk(65 * MIB + 512)
  .write(MIB, noise(1, 200_000))
  .write(64 * MIB, noise(2, 90_000))
  .write(65 * MIB, noise(3, 512));

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'blockferry-restore-'));
});
afterEach(() => rm(directory, { recursive: true, force: true }));

async function published() {
  const bench = backupBench();
  const { point } = await bench.backup('job-1', [{ lun: 'os', snapshotId: bench.access.snapshot('s1', disk) }]);
  await openSession(await bench.repository(), { sessionId: 'res-1', vmKey, kind: 'RESTORE' }, signal);
  return { bench, point, transfers: bench.restoreTransfers('res-1', point, 'os', target) };
}

test('an image file is the disk, byte for byte, and stays sparse', async () => {
  const { bench, transfers } = await published();
  const handler = bench.handler(bench.stores, { imageDirectory: directory });
  const stats = await Promise.all(transfers.map((transfer) => handler(transfer, signal)));
  const path = join(directory, target.name);
  const expected = disk.bytes.read(0, disk.bytes.length);
  expect((await readFile(path)).equals(expected)).toBe(true);
  expect((await stat(path)).blocks * 512).toBeLessThan(2 * MIB);
  expect(stats.reduce((sum, { readBytes, zeroBytes }) => sum + readBytes + zeroBytes, 0)).toBe(disk.bytes.length);
});

test('a resumed window does not trust what it finds: zeros are made zeros', async () => {
  const { bench, transfers } = await published();
  const handler = bench.handler(bench.stores, { imageDirectory: directory });
  const stop = new AbortController();
  const [first] = transfers;
  if (!first) throw new Error('a window');
  await expect(handler(first, stop.signal, () => stop.abort(new Error('crash')))).rejects.toThrow('crash');
  await writeFile(join(directory, target.name), Buffer.alloc(5 * MIB, 1));
  for (const transfer of transfers) await handler(transfer, signal);
  const restored = await readFile(join(directory, target.name));
  expect(restored.equals(disk.bytes.read(0, disk.bytes.length))).toBe(true);
});

test('a fresh disk is not zeroed, a resumed one is', async () => {
  const { bench, point } = await published();
  await bench.restore('res-2', point, 'os');
  expect(bench.access.zeroed).toBe(0);
  await openSession(await bench.repository(), { sessionId: 'res-3', vmKey, kind: 'RESTORE' }, signal);
  const stop = new AbortController();
  const handler = bench.handler();
  const [first] = bench.restoreTransfers('res-3', point, 'os');
  if (!first) throw new Error('a window');
  await expect(handler(first, stop.signal, () => stop.abort(new Error('crash')))).rejects.toThrow('crash');
  const restored = await bench.restore('res-3', point, 'os');
  expect(bench.access.zeroed).toBeGreaterThan(0);
  expect(restored.equals(disk.bytes)).toBe(true);
});

test('wrong targets are refused', async () => {
  const { bench, transfers } = await published();
  const [first] = transfers;
  if (!first) throw new Error('a window');
  await expect(bench.handler()(first, signal)).rejects.toMatchObject({ code: 'restore.target-invalid' });
  const handler = bench.handler(bench.stores, { imageDirectory: directory });
  await expect(handler({ ...first, diskBytes: 512 }, signal)).rejects.toMatchObject({ code: 'restore.target-invalid' });
  await expect(handler({ ...first, pointId: 'p-none' } as typeof first, signal)).rejects.toMatchObject({
    code: 'store.not-found',
  });
  await writeFile(join(directory, target.name), Buffer.alloc(disk.bytes.length + 512));
  await expect(handler(first, signal)).rejects.toMatchObject({ code: 'restore.target-invalid' });
});

test('a place that takes no image says what it needs', async () => {
  const { bench, transfers } = await published();
  const [first] = transfers;
  if (!first) throw new Error('a window');
  await writeFile(join(directory, 'file'), 'in the way');
  const handler = bench.handler(bench.stores, { imageDirectory: join(directory, 'file', 'images') });
  await expect(handler(first, signal)).rejects.toMatchObject({
    code: 'restore.target-invalid',
    retryable: false,
    context: { errno: 'ENOTDIR', bytes: disk.bytes.length },
  });
});
