/** The reader restores what the product wrote, from folders and from S3, and says what it cannot do. */
import { createHash } from 'node:crypto';
import { createReadStream, existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { pipeline } from 'node:stream/promises';
import { largestPack, webKey } from '../golden/damages';
import { digestOfDisk } from '../golden/expectation';
import { dumpStores, goldenExpectation, goldenFolder, goldenKey, goldenRootKeyFile, loadGolden } from '../golden/load';
import { backupBench, vmKey } from '../helpers/backup-bench';
import { FakeDisk, noise } from '../helpers/fake-disk';
import { inFolder, readerFile, runReader } from './run-reader';

const expected = goldenExpectation();
const golden = ['--data', path.join(goldenFolder, 'data'), '--root-key-file', goldenRootKeyFile];
const control = ['--control', path.join(goldenFolder, 'control')];

async function sha256Of(file: string): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(file), hash);
  return hash.digest('hex');
}

test('it is one file that needs nothing but Node', () => {
  const text = readFileSync(readerFile, 'utf8');
  const imported = [...text.matchAll(/(?:from |import\()'([^']+)'/g)].map(([, name]) => name);
  expect(imported.length).toBeGreaterThan(5);
  expect(imported.filter((name) => !name?.startsWith('node:'))).toEqual([]);
});

test.each(expected.disks.map((disk) => [disk.tenant, disk.vm, disk.pointId, disk.lun, disk] as const))(
  'restores %s %s %s disk %s byte for byte, sparse',
  async (tenant, _vm, pointId, lun, disk) => {
    await inFolder(async (folder) => {
      const out = path.join(folder, 'disk.img');
      const what = ['--tenant', tenant, '--vm', disk.vmKey, '--point', pointId, '--disk', String(lun), '--out', out];
      const run = await runReader(['restore', ...golden, ...what]);
      expect(run).toMatchObject({ code: 0, stderr: '' });
      expect(statSync(out).size).toBe(disk.sizeBytes);
      expect(statSync(out).blocks * 512).toBeLessThan(8 * 2 ** 20);
      expect(await sha256Of(out)).toBe(disk.sha256);
    });
  },
);

test('lists tenants, VMs and points', async () => {
  const run = await runReader(['list', ...golden, ...control, '--json']);
  expect(run.code).toBe(0);
  const { tenants } = JSON.parse(run.stdout) as {
    tenants: { tenant: string; points: { point: string }[]; damaged: [] }[];
  };
  expect(tenants.map(({ tenant, points }) => [tenant, points.map(({ point }) => point)])).toEqual([
    ['acme', ['p-web-1', 'p-web-2', 'p-web-4', 'p-database-1']],
    ['fabrikam', ['p-web-1']],
  ]);
  expect((await runReader(['list', ...golden, '--tenant', 'acme'])).stdout).toMatch(
    /web {2}p-web-4 {2}disks os:136314880/,
  );
});

test('takes a point whose record is missing from its register, and says when a predecessor is missing', async () => {
  await inFolder(async (folder) => {
    const stores = loadGolden();
    stores.data.objects.delete(`t/acme/p/${webKey}/p-web-2`);
    const folders = dumpStores(stores, folder);
    const where = ['--data', folders.data, '--root-key-file', goldenRootKeyFile, '--tenant', 'acme'];
    expect((await runReader(['list', ...where])).stdout).toMatch(/p-web-4 .*\(the point before it is not here\)/);
    const both = await runReader(['list', ...where, '--control', folders.control]);
    expect(both.stdout).toMatch(/p-web-2 .*\(record missing, taken from its register\)/);
    expect(both.stdout).not.toMatch(/not here/);
    const verified = await runReader([
      'verify',
      ...where,
      '--control',
      folders.control,
      '--vm',
      'web',
      '--point',
      'p-web-2',
    ]);
    expect(verified).toMatchObject({ code: 0, stdout: expect.stringContaining('all right') });
  });
});

test('--skip-damaged saves the rest and names what is lost', async () => {
  await inFolder(async (folder) => {
    const stores = loadGolden();
    const body = stores.data.objects.get(largestPack(stores))?.body;
    if (body) body[1_000] = (body[1_000] ?? 0) ^ 1;
    const { data } = dumpStores(stores, folder);
    const out = path.join(folder, 'disk.img');
    const args = [
      '--data',
      data,
      '--root-key-file',
      goldenRootKeyFile,
      '--tenant',
      'acme',
      '--vm',
      'web',
      '--point',
      'p-web-4',
      '--disk',
      'os',
      '--out',
      out,
    ];
    const strict = await runReader(['restore', ...args]);
    expect(strict).toMatchObject({ code: 3, stderr: expect.stringContaining('disk os, bytes 0-') });
    const again = await runReader(['restore', ...args.with(-1, `${out}.2`), '--skip-damaged', '--json']);
    expect(again.code).toBe(3);
    const { damaged } = JSON.parse(again.stdout) as { damaged: { start: number; end: number }[] };
    const disk = expected.disks.find(({ pointId, lun }) => pointId === 'p-web-4' && lun === 'os');
    const lost = damaged.reduce((sum, { start, end }) => sum + end - start, 0);
    // The frame's sixteen blocks, one of them overwritten since, four of them in a second place too.
    expect(lost).toBe((16 - 1 + 4) * 65_536);
    expect(statSync(`${out}.2`).size).toBe(disk?.sizeBytes);
  });
});

test('restores what the product of today has written', async () => {
  const disk = new FakeDisk(65 * 2 ** 20 + 512)
    .write(0, noise(1, 500_000))
    .write(64 * 2 ** 20, noise(2, 900_000, true));
  const bench = backupBench();
  await bench.backup('job-1', [{ lun: 3, snapshotId: bench.access.snapshot('s1', disk) }]);
  disk.write(65 * 2 ** 20, noise(3, 512));
  const base = { snapshotId: 's1', pointId: 'p-job-1' };
  await bench.backup('job-2', [{ lun: 3, snapshotId: bench.access.snapshot('s2', disk), base }]);
  await inFolder(async (folder) => {
    const { data } = dumpStores(bench.stores, folder);
    const out = path.join(folder, 'disk.img');
    const key = Buffer.alloc(32, 7).toString('hex');
    const what = ['--vm', vmKey, '--point', 'latest', '--disk', '3', '--out', out];
    expect(await runReader(['restore', '--data', data, '--root-key', key, ...what])).toMatchObject({
      code: 0,
      stderr: '',
    });
    expect(await sha256Of(out)).toBe(digestOfDisk(disk.bytes));
  });
});

test.each([
  [2, []],
  [2, ['mend', ...golden]],
  [2, ['list', ...golden, '--frobnicate']],
  [2, ['list', '--root-key-file', goldenRootKeyFile]],
  [2, ['list', ...golden.slice(0, 2), '--root-key', 'abc']],
  [2, ['list', ...golden.slice(0, 2), '--root-key-file', '/nowhere/key']],
  [2, ['restore', ...golden, '--vm', 'web', '--point', 'latest', '--disk', 'os', '--out', '/nowhere/x']],
  [2, ['restore', ...golden, '--tenant', 'acme', '--vm', 'web', '--point', 'latest']],
  [
    1,
    [
      'restore',
      ...golden,
      '--tenant',
      'acme',
      '--vm',
      'web',
      '--point',
      'latest',
      '--disk',
      'os',
      '--out',
      '/nowhere/x',
    ],
  ],
  [5, ['list', '--data', '/nowhere', '--root-key-file', goldenRootKeyFile]],
  [5, ['verify', ...golden, '--tenant', 'acme', '--vm', 'mail', '--point', 'latest']],
  [5, ['verify', ...golden, '--tenant', 'acme', '--vm', 'web', '--point', 'latest', '--disk', '9']],
  [4, ['list', ...golden.slice(0, 2), '--root-key', '00'.repeat(32)]],
])('ends with %d for %j', async (code, args) => {
  const run = await runReader(args);
  expect(run.code).toBe(code);
  expect(run.stdout + run.stderr).not.toMatch(/ {4}at /);
  expect(run.stdout + run.stderr).not.toContain(goldenKey().toString('hex'));
});

test('never overwrites a file', async () => {
  await inFolder(async (folder) => {
    const out = path.join(folder, 'precious');
    writeFileSync(out, 'precious');
    const what = ['--tenant', 'acme', '--vm', 'web', '--point', 'latest', '--disk', '0', '--out', out];
    expect(await runReader(['restore', ...golden, ...what])).toMatchObject({ code: 1 });
    expect(statSync(out).size).toBe(8);
    expect(existsSync(`${out}.img`)).toBe(false);
  });
});

test('--help tells the commands', async () => {
  expect(await runReader(['--help'])).toMatchObject({
    code: 0,
    stdout: expect.stringMatching(/list.*restore.*verify/s),
  });
});
