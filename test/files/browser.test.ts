/** Files out of restore points: from the store, over HTTP, as archives that other programs unpack. */
import { execFile } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { promisify } from 'node:util';
import { findTool } from '../../local/images/tools';
import { type Serving, startServe } from '../../shared/app/serve/serve';
import { silentLogger } from '../../shared/base/logger';
import { safeName } from '../../shared/files/archive';
import { findPath } from '../../shared/files/paths';
import { extentsOf, readFile } from '../../shared/files/read-file';
import { tarHeader } from '../../shared/files/tar';
import { readDisk, volumeOf } from '../../shared/files/volumes';
import { diskOfImage, type StoredDisk, storeDisk } from '../device/stored-disk';
import { backupBench } from '../helpers/backup-bench';
import { addPosixThings, contents, haveTools, makeExt, openWorkshop, run, sha, type Workshop } from './make-images';

jest.setTimeout(180_000);

const MIB = 1024 * 1024;
const possible = haveTools('mke2fs', 'debugfs', 'tar');
const when = possible ? test : test.skip;
let shop: Workshop;
let first: StoredDisk;
let second: StoredDisk;
let serving: Serving;

beforeAll(async () => {
  shop = openWorkshop();
  if (!possible) return;
  addPosixThings(shop.tree);
  // A stranger's folder may hold any bytes as names: these become what no name may be.
  mkdirSync(path.join(shop.tree, 'hostile'));
  for (const name of ['XX', 'YYevil', 'C:evil', 'tab\there'])
    writeFileSync(path.join(shop.tree, 'hostile', name), name);
  const image = await makeExt(shop, 'one', 16 * MIB, '-t', 'ext4', '-O', '^metadata_csum,^dir_index');
  const bytes = readFileSync(image);
  replaceName(bytes, 'XX', '..');
  replaceName(bytes, 'YYevil', '../evi');
  const bench = backupBench();
  first = await storeDisk(diskOfImage(bytes), bench, 'job-1');
  writeFileSync(image, bytes);
  writeFileSync(shop.file('new'), 'hello again\n');
  for (const command of ['rm /hello.txt', `write ${shop.file('new')} /hello.txt`, 'rm /a/empty', 'mkdir /fresh']) {
    await run('debugfs', '-w', '-R', command, image);
  }
  second = await storeDisk(diskOfImage(readFileSync(image)), bench, 'job-2');
  const repository = await bench.repository();
  serving = await startServe({ repository, logger: silentLogger, http: { host: '127.0.0.1', port: 0 } });
});

afterAll(async () => {
  await serving?.close();
  shop.remove();
});

function replaceName(image: Buffer, from: string, to: string): void {
  const entry = Buffer.concat([Buffer.from([from.length, 1]), Buffer.from(from)]);
  const at = image.indexOf(entry);
  expect(at).toBeGreaterThan(0);
  image.write(to, at + 2);
}

const at = (pointId: string, rest: string, query: Record<string, string> = {}): string =>
  `${serving.httpUrl}/api/restore-points/${pointId}/disks/os/${rest}?${new URLSearchParams(query)}`;
const getJson = async (
  url: string,
): Promise<{ status: number; body: Record<string, never[]> & Record<string, unknown> }> => {
  const response = await fetch(url);
  return { status: response.status, body: (await response.json()) as never };
};

when('volumes, folders in pages, and files with ranges', async () => {
  const { body: disk } = await getJson(at(first.pointId, 'volumes'));
  expect(disk).toMatchObject({ scheme: 'none', volumes: [{ id: 'disk', fileSystem: { kind: 'ext4' } }] });
  const names: string[] = [];
  for (let after: string | undefined = ''; after !== undefined; ) {
    const { body } = await getJson(at(first.pointId, 'files', { path: '/many', limit: '100', after }));
    names.push(...(body['entries'] as unknown as { name: string }[]).map(({ name }) => name));
    after = body['next'] as string | undefined;
  }
  expect(names).toEqual(readdirSync(path.join(shop.tree, 'many')).sort());
  const file = at(first.pointId, 'files/content', { path: '/a/b/big.bin' });
  const whole = await fetch(file);
  expect(sha(Buffer.from(await whole.arrayBuffer()))).toBe(sha(contents.get('a/b/big.bin') ?? Buffer.alloc(0)));
  expect(whole.headers.get('content-disposition')).toBe(`attachment; filename="big.bin"; filename*=UTF-8''big.bin`);
  const part = await fetch(file, {
    headers: { range: 'bytes=1000-1999', 'if-range': whole.headers.get('etag') ?? '' },
  });
  expect(part.status).toBe(206);
  expect(
    Buffer.from(await part.arrayBuffer()).equals(contents.get('a/b/big.bin')?.subarray(1000, 2000) ?? Buffer.alloc(0)),
  ).toBe(true);
});

when('one file costs about its size: frames around it, and what leads to it', async () => {
  const { disk } = await first.open();
  const { open, source } = volumeOf(await readDisk(disk), 'disk');
  const { node } = await findPath(open, '/a/b/big.bin');
  for await (const _ of readFile(source, node, await extentsOf(open, node)));
  const { calls, objects } = first.bench.stores.data;
  const packs = new Set(calls.filter((call) => call.includes('/u/')));
  expect(packs.size).toBeLessThanOrEqual(2);
  expect([...objects.keys()].length).toBeGreaterThan(2);
  expect(calls.length).toBeLessThan(30);
});

when('a file over time, and what changed between two points: by files and by blocks', async () => {
  const { body: versions } = await getJson(at(second.pointId, 'files/versions', { path: '/hello.txt' }));
  expect(versions['items']).toMatchObject([
    { pointId: 'p-job-2', file: { sizeBytes: 12 }, isUnchanged: false },
    { pointId: 'p-job-1', file: { sizeBytes: 6 }, isUnchanged: false },
  ]);
  const { body: kept } = await getJson(at(second.pointId, 'files/versions', { path: '/a/b/big.bin' }));
  expect(kept['items']).toMatchObject([{ isUnchanged: true }, { isUnchanged: false }]);
  const { body: gone } = await getJson(at(second.pointId, 'files/versions', { path: '/a/empty' }));
  expect(gone['items']?.map((item: object) => 'file' in item)).toEqual([false, true]);
  const { body: files } = await getJson(at(second.pointId, 'changes', { since: first.pointId }));
  expect(
    (files['items'] as unknown as { path: string; change: string }[]).map(
      ({ path: where, change }) => `${change} ${where}`,
    ),
  ).toEqual(['removed /a/empty', 'added /fresh', 'changed /hello.txt']);
  const { body: blocks } = await getJson(at(second.pointId, 'changes', { since: first.pointId, kind: 'blocks' }));
  const ranges = blocks['items'] as unknown as { start: number; end: number }[];
  const [one, two] = [first.content.bytes, second.content.bytes].map((bytes) => bytes.read(0, bytes.length));
  const differs = (block: number): boolean =>
    !one
      ?.subarray(block * 65_536, (block + 1) * 65_536)
      .equals(two?.subarray(block * 65_536, (block + 1) * 65_536) ?? Buffer.alloc(0));
  const expected = [...Array(256).keys()].filter(differs);
  expect(
    ranges.flatMap(({ start, end }) => [...Array((end - start) / 65_536).keys()].map((step) => start / 65_536 + step)),
  ).toEqual(expected);
});

when('a folder as tar and zip unpacks to what was backed up, and nothing in it leads out of it', async () => {
  const { body: hostile } = await getJson(at(first.pointId, 'files', { path: '/hostile' }));
  expect((hostile['entries'] as unknown as { name: string }[]).map(({ name }) => name)).toEqual([
    'C:evil',
    'tab\there',
  ]);
  for (const format of ['tar', 'zip']) {
    const out = shop.file(`out.${format}`);
    const response = await fetch(at(first.pointId, 'files/content', { path: '/', format }));
    writeFileSync(out, Buffer.from(await response.arrayBuffer()));
    const target = shop.file(`unpacked-${format}`);
    mkdirSync(target);
    if (format === 'tar') await run('tar', '-xf', out, '-C', target);
    else if (findTool('7zz')) await run('7zz', 'x', '-x!*/loop*', '-x!*/a/link', `-o${target}`, out);
    else continue;
    const top = path.join(target, 'p-job-1-os');
    for (const [name, bytes] of contents)
      expect([name, sha(readFileSync(path.join(top, name)))]).toEqual([name, sha(bytes)]);
    expect(readdirSync(path.join(top, 'hostile')).sort()).toEqual(['C_evil', 'tab_here']);
    const left = readFileSync(path.join(top, 'NOT-IN-THIS-ARCHIVE.txt'), 'utf8');
    expect(left).toContain('"a/outside": a link to "/etc/passwd", which is outside');
    expect(readdirSync(path.dirname(target)).filter((name) => name.startsWith('evil'))).toEqual([]);
  }
  const { stdout } = await promisify(execFile)('tar', ['-tf', shop.file('out.tar')]);
  expect(stdout.split('\n').filter((name) => name.startsWith('/') || name.split('/').includes('..'))).toEqual([]);
});

when('what is not there or makes no sense is refused', async () => {
  const { pointId } = first;
  for (const [rest, query, status] of [
    ['files', { path: '/none' }, 404],
    ['files', { path: '/hello.txt' }, 400],
    ['files', { path: '/', limit: '0' }, 400],
    ['files', { path: '/', volume: '9' }, 404],
    ['files/content', { path: '/a' }, 400],
    ['files/content', { path: '/loop1' }, 400],
    ['files/content', { path: '/a', format: 'rar' }, 400],
    ['files/content', { path: '/../../../../etc/passwd' }, 404],
    ['changes', {}, 400],
    ['changes', { since: 'p-none' }, 404],
    ['changes', { since: pointId, kind: 'x' }, 400],
  ] as const) {
    const { status: found } = await getJson(at(pointId, rest, { ...query }));
    expect([rest, query, found]).toEqual([rest, query, status]);
  }
});

test('names of members: no separators, no dots that lead up, no drives, no control characters', () => {
  expect(['..', '.', 'a/b', 'a\\b', 'C:x', 'a\nb', 'fine.txt', 'dev:b'].map(safeName)).toEqual([
    '__',
    '_',
    'a_b',
    'a_b',
    'C_x',
    'a_b',
    'fine.txt',
    'dev:b',
  ]);
  const long = tarHeader({ path: `${'x'.repeat(300)}/ü`, node: { id: '1', kind: 'file', sizeBytes: 2 ** 35 } });
  expect(long.length % 512).toBe(0);
  expect(long.toString('utf8')).toContain(`path=${'x'.repeat(300)}/ü\n`);
  expect(long.toString('utf8')).toContain(`size=${2 ** 35}\n`);
});
