/** The reader restores what the product wrote, from folders and from S3, and says what it cannot do. */
import { createHash, createPublicKey } from 'node:crypto';
import { createReadStream, existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { pipeline } from 'node:stream/promises';
import { encodeEnvelope, rootKeyCheck } from '../../shared/format/key-envelope';
import { rsaKeyId, rsaWrap } from '../../shared/format/key-envelope-wrap';
import { largestPack, webKey } from '../golden/damages';
import { digestOfDisk } from '../golden/expectation';
import { dumpStores, goldenExpectation, goldenFolder, goldenKey, goldenRootKeyFile, loadGolden } from '../golden/load';
import { backupBench, vmKey } from '../helpers/backup-bench';
import { FakeDisk, noise } from '../helpers/fake-disk';
import { inFolder, readerFile, runReader } from './run-reader';

jest.setTimeout(120_000);

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

const latest = ['--tenant', 'acme', '--vm', 'web', '--point', 'latest'];
const data = golden.slice(0, 2);

test.each([
  ['no command', 2, []],
  ['an unknown command', 2, ['mend', ...golden]],
  ['an unknown option', 2, ['list', ...golden, '--frobnicate']],
  ['no store', 2, ['list', '--root-key-file', goldenRootKeyFile]],
  ['no key', 2, ['list', ...data]],
  ['two keys', 2, ['list', ...golden, '--root-key', '00'.repeat(32)]],
  ['half a key', 2, ['list', ...data, '--root-key', 'abc']],
  ['an escrow key that is none', 2, ['list', ...data, '--escrow-key', goldenRootKeyFile]],
  ['a key file that is not there', 2, ['list', ...data, '--root-key-file', '/nowhere/key']],
  ['several tenants and no choice', 2, ['verify', ...golden, '--vm', 'web', '--point', 'latest']],
  ['no disk', 2, ['restore', ...golden, ...latest]],
  ['a bucket without credentials', 2, ['list', '--bucket', 'b', '--region', 'r', '--root-key-file', goldenRootKeyFile]],
  ['a place that cannot be written', 1, ['restore', ...golden, ...latest, '--disk', 'os', '--out', '/nowhere/x']],
  ['a folder that is not there', 5, ['list', '--data', '/nowhere', '--root-key-file', goldenRootKeyFile]],
  ['an unknown VM', 5, ['verify', ...golden, '--tenant', 'acme', '--vm', 'mail', '--point', 'latest']],
  ['an unknown disk', 5, ['verify', ...golden, ...latest, '--disk', '9']],
  ['another root key', 4, ['list', ...data, '--root-key', '00'.repeat(32)]],
  ['another key file', 4, ['list', ...data, '--key-file', goldenRootKeyFile]],
])('%s ends with %d', async (_what, code, args) => {
  const run = await runReader(args);
  expect(run.code).toBe(code);
  expect(run.stdout + run.stderr).not.toMatch(/ {4}at /);
  expect(run.stdout + run.stderr).not.toContain(goldenKey().toString('hex'));
});

test.each([
  ['the key file', ['--key-file', path.join(goldenFolder, 'key-file.hex')]],
  ['the escrow key', ['--escrow-key', path.join(goldenFolder, 'escrow-private.pem')]],
])('the root key comes out of its envelopes with %s', async (_way, key) => {
  const run = await runReader(['verify', ...data, ...key, ...latest]);
  expect(run).toMatchObject({ code: 0, stderr: '' });
  const listed = await runReader(['list', ...data, ...control, ...key, '--json']);
  expect(listed).toMatchObject({ code: 0, stdout: expect.stringContaining('"fabrikam"') });
});

test('an envelope from a stranger, or changed, is not believed; the other copy serves', async () => {
  await inFolder(async (folder) => {
    const stores = loadGolden();
    const pem = readFileSync(path.join(goldenFolder, 'escrow-private.pem'), 'utf8');
    const stranger = Buffer.alloc(32, 66);
    const escrow = createPublicKey(pem);
    const wrapped = rsaWrap(escrow, stranger).toString('base64');
    const wraps = [{ kind: 'escrow', keyId: rsaKeyId(escrow), algorithm: 'RSA-OAEP-256', wrapped }] as const;
    const check = rootKeyCheck(stranger, 'acme');
    const forged = { tenant: 'acme', generation: 1, rewrap: 2, packGeneration: 1, check, wraps };
    stores.data.objects.set('t/acme/k/1/2', { body: encodeEnvelope(forged, stranger), etag: '' });
    const first = stores.data.objects.get('t/acme/k/1/1')?.body;
    if (first) first[40] = (first[40] ?? 0) ^ 1;
    const folders = dumpStores(stores, folder);
    const where = ['--data', folders.data, '--escrow-key', path.join(goldenFolder, 'escrow-private.pem'), ...latest];
    expect((await runReader(['verify', ...where])).code).not.toBe(0);
    expect(await runReader(['verify', ...where, '--control', folders.control])).toMatchObject({ code: 0, stderr: '' });
  });
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
