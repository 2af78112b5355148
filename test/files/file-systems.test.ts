/** File systems made by their own tools are read as they are, with few bytes; damaged ones end in an error that says so. */
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { gunzipSync } from 'node:zlib';
import type { BlockSource } from '../../shared/device/block-source';
import type { FileSystem } from '../../shared/files/file-system';
import { findPath } from '../../shared/files/paths';
import { extentsOf, readFile } from '../../shared/files/read-file';
import { type OpenVolume, readDisk, volumeOf } from '../../shared/files/volumes';
import { walk } from '../../shared/files/walk';
import { AppError } from '../../shared/model/errors';
import {
  addPosixThings,
  contents,
  fileSource,
  haveTools,
  imageSource,
  makeExt,
  makeFat,
  makeNtfs,
  openWorkshop,
  run,
  sha,
  type Workshop,
} from './make-images';

jest.setTimeout(180_000);

const MIB = 1024 * 1024;
let plain: Workshop;
let posix: Workshop;

beforeAll(() => {
  plain = openWorkshop();
  posix = openWorkshop();
  addPosixThings(posix.tree);
});

afterAll(() => {
  plain.remove();
  posix.remove();
});

const makers: readonly (readonly [string, readonly string[], () => Promise<string>])[] = [
  ['ext2', ['mke2fs'], () => makeExt(posix, 'ext2', 16 * MIB, '-t', 'ext2', '-b', '1024')],
  ['ext3', ['mke2fs'], () => makeExt(posix, 'ext3', 24 * MIB, '-t', 'ext3')],
  ['ext4', ['mke2fs'], () => makeExt(posix, 'ext4', 16 * MIB, '-t', 'ext4')],
  ['ext4 inline', ['mke2fs'], () => makeExt(posix, 'ext4i', 16 * MIB, '-t', 'ext4', '-I', '512', '-O', 'inline_data')],
  [
    'ext4 meta_bg',
    ['mke2fs'],
    () => makeExt(posix, 'ext4m', 48 * MIB, '-t', 'ext4', '-b', '1024', '-O', 'meta_bg,^resize_inode'),
  ],
  ['fat12', ['mkfs.vfat', 'mcopy'], () => makeFat(plain, 'fat12', 12, 7 * MIB)],
  ['fat16', ['mkfs.vfat', 'mcopy'], () => makeFat(plain, 'fat16', 16, 20 * MIB)],
  ['fat32', ['mkfs.vfat', 'mcopy'], () => makeFat(plain, 'fat32', 32, 64 * MIB)],
  ['ntfs', ['mkfs.ntfs', 'ntfscp'], () => makeNtfs(plain, 'ntfs', 12 * MIB)],
];

async function bytesOf(source: BlockSource, system: FileSystem, file: string): Promise<Buffer> {
  const { node } = await findPath(system, file);
  const extents = await extentsOf(system, node);
  const parts: Buffer[] = [];
  for await (const part of readFile(source, node, extents)) parts.push(part);
  return Buffer.concat(parts);
}

const opened = async (file: string): Promise<ReturnType<typeof volumeOf>> =>
  volumeOf(await readDisk(fileSource(file)), 'disk');

for (const [name, tools, make] of makers) {
  (haveTools(...tools) ? test : test.skip)(`${name}: every file is found and has its bytes`, async () => {
    const image = await make();
    const { open, source, fileSystem } = await opened(image);
    expect(fileSystem?.kind).toBe(name.split(' ')[0]);
    const isFlat = name === 'ntfs';
    for (const [key, bytes] of contents) {
      const found = await bytesOf(source, open, `/${isFlat ? key.replaceAll('/', '+') : key}`);
      expect([key, sha(found)]).toEqual([key, sha(bytes)]);
    }
    const counted = fileSource(image);
    const { open: again } = volumeOf(await readDisk(counted), 'disk');
    counted.readBytes = 0;
    await bytesOf(counted, again, isFlat ? '/a+b+big.bin' : '/a/b/big.bin');
    expect(counted.readBytes).toBeLessThan(1_300_000 + 700_000);
    await expect(findPath(open, '/nothing/here')).rejects.toMatchObject({ code: 'request.not-found' });
    expect((await findPath(open, '/../../hello.txt')).path).toBe('/hello.txt');
  });
}

(haveTools('mke2fs', 'debugfs') ? test : test.skip)(
  'ext4: links, holes, rights and times are those that debugfs shows',
  async () => {
    const image = await makeExt(posix, 'links', 16 * MIB, '-t', 'ext4');
    const { open, source } = await opened(image);
    expect((await findPath(open, '/a/link', { follow: true })).path).toBe('/hello.txt');
    expect(await open.readLink((await findPath(open, '/long-link')).node)).toBe(`${'deep/'.repeat(20)}end`);
    await expect(findPath(open, '/loop1', { follow: true })).rejects.toThrow('circle');
    await expect(findPath(open, '/a/outside', { follow: true })).rejects.toMatchObject({ code: 'request.not-found' });
    expect(sha(await bytesOf(source, open, '/holes'))).toBe(sha(readFileSync(path.join(posix.tree, 'holes'))));
    const { node } = await findPath(open, '/hello.txt');
    const shown = await run('debugfs', '-R', 'stat /hello.txt', image);
    expect(shown).toContain(`Inode: ${node.id} `);
    expect(shown).toContain(`Mode:  0${(node.mode ?? 0).toString(8)} `);
    expect(shown).toContain(`Size: ${node.sizeBytes}`);
    // No file system of this kind is cut, so every block that is there was reached.
    const count = { file: 0, folder: 0, link: 0, other: 0 };
    for await (const { node: each } of walk(open, open.root, { nodesMax: 1e6 })) count[each.kind]++;
    expect(count).toEqual({ file: contents.size + 1, folder: 4, link: 5, other: 0 });
  },
);

const partitioning = haveTools('sgdisk', 'sfdisk', 'mke2fs', 'mkfs.vfat', 'mcopy');
(partitioning ? test : test.skip)(
  'partitions: GPT with its copy, and logical ones of an MBR, as sgdisk and sfdisk made them',
  async () => {
    const ext = readFileSync(await makeExt(posix, 'part-ext', 16 * MIB, '-t', 'ext4'));
    const fat = readFileSync(await makeFat(plain, 'part-fat', 16, 20 * MIB));
    const disk = plain.file('disk.img');
    writeFileSync(disk, Buffer.alloc(64 * MIB));
    await run(
      'sgdisk',
      '-n',
      '1:2048:+20M',
      '-t',
      '1:0700',
      '-c',
      '1:first',
      '-n',
      '5:65536:+16M',
      '-c',
      '5:näme',
      disk,
    );
    const image = readFileSync(disk);
    fat.copy(image, 2048 * 512);
    ext.copy(image, 65_536 * 512);
    const check = async (source: BlockSource, warnings: number): Promise<void> => {
      const found = await readDisk(source);
      expect([found.scheme, found.warnings.length]).toEqual(['gpt', warnings]);
      expect(found.volumes.map(({ id, name, fileSystem }: OpenVolume) => [id, name, fileSystem?.kind])).toEqual([
        ['1', 'first', 'fat16'],
        ['5', 'näme', 'ext4'],
      ]);
    };
    await check(imageSource(image), 0);
    image.fill(0, 512, 1024);
    await check(imageSource(image), 1);

    const mbr = plain.file('mbr.img');
    writeFileSync(mbr, Buffer.alloc(80 * MIB));
    const script = plain.file('script');
    writeFileSync(
      script,
      'label: dos\nstart=2048,size=40960,type=6\nstart=45056,type=5\nstart=47104,size=32768,type=83\nstart=83968,size=32768,type=83\n',
    );
    await run('sh', '-c', `sfdisk -q ${mbr} < ${script}`);
    const logical = readFileSync(mbr);
    fat.copy(logical, 2048 * 512);
    ext.copy(logical, 47_104 * 512);
    const found = await readDisk(imageSource(logical));
    expect(found.scheme).toBe('mbr');
    expect(found.volumes.map(({ id, fileSystem }) => [id, fileSystem?.kind])).toEqual([
      ['1', 'fat16'],
      ['5', 'ext4'],
      ['6', undefined],
    ]);
    // The last link of the chain points back to the first.
    logical.writeUInt8(5, 81_920 * 512 + 446 + 16 + 4);
    logical.writeUInt32LE(0, 81_920 * 512 + 446 + 16 + 8);
    logical.writeUInt32LE(100, 81_920 * 512 + 446 + 16 + 12);
    expect((await readDisk(imageSource(logical))).warnings.join()).toContain('circle');
  },
);

(haveTools('mke2fs') ? test : test.skip)(
  'LVM: a linear volume in two segments, as lvm2 2.03 described it, and text that is none',
  async () => {
    const head = gunzipSync(readFileSync(path.join(__dirname, 'lvm-head.gz')));
    const image = Buffer.alloc(100 * MIB);
    head.copy(image);
    const ext = readFileSync(await makeExt(posix, 'lv', 40 * MIB, '-t', 'ext4'));
    // pvs --segments said: 5 extents of 4 MiB from 1 MiB on, and 5 from 33 MiB on.
    ext.copy(image, MIB, 0, 20 * MIB);
    ext.copy(image, 33 * MIB, 20 * MIB);
    const found = await readDisk(imageSource(image));
    expect(found.volumes.map(({ id, sizeBytes, fileSystem }) => [id, sizeBytes / MIB, fileSystem?.kind])).toEqual([
      ['disk', 100, undefined],
      ['vg0/one', 40, 'ext4'],
      ['vg0/two', 12, undefined],
    ]);
    const { open, source } = volumeOf(found, 'vg0/one');
    expect(sha(await bytesOf(source, open, '/a/b/big.bin'))).toBe(sha(contents.get('a/b/big.bin') ?? Buffer.alloc(0)));
    const start = image.indexOf('segment_count');
    for (const [at, text] of [
      [start, '{{{{{{{{'],
      [image.indexOf('linear') > 0 ? image.indexOf('"striped"') : start, '"mirror"'],
      [image.indexOf('extent_size = '), 'extent_size = -'],
      [start, '}'],
    ] as const) {
      const broken = Buffer.from(image.subarray(0, 2 * MIB));
      for (let place = at; place >= 0 && place < broken.length; place = broken.indexOf('segment_count', place + 1))
        broken.write(text, place);
      const { volumes } = await readDisk(imageSource(broken));
      expect(volumes.filter(({ open: system }) => system)).toEqual([]);
      expect(volumes.every(({ problem }) => problem !== undefined)).toBe(true);
    }
  },
);

/** Flips bits where structures are, and reads everything: an answer or a clear error, always soon. */
async function fuzz(image: Buffer, structureBytes: number, rounds: number): Promise<Map<string, number>> {
  const outcomes = new Map<string, number>();
  // mulberry32: the low bits of a simple generator would hit the same bytes again and again.
  let state = 12_345;
  const random = (below: number): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
  };
  const used = [...Array(Math.ceil(image.length / 1024)).keys()].filter((block) =>
    image.subarray(block * 1024, (block + 1) * 1024).some((byte) => byte !== 0),
  );
  const structures = used.slice(0, Math.ceil(structureBytes / 1024));
  for (let round = 0; round < rounds; round++) {
    const changed: [number, number][] = [];
    for (let flips = 1 + random(6); flips > 0; flips--) {
      const at = (structures[random(structures.length)] ?? 0) * 1024 + random(1024);
      if (at >= image.length) continue;
      changed.push([at, image[at] ?? 0]);
      image[at] = random(3) === 0 ? 0xff : (image[at] ?? 0) ^ (1 << random(8));
    }
    const outcome = await readEverything(image);
    outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
    for (const [at, byte] of changed.reverse()) image[at] = byte;
  }
  return outcomes;
}

async function readEverything(image: Buffer): Promise<string> {
  const source = imageSource(image);
  let problems = 0;
  const note = (error: unknown): void => {
    if (!(error instanceof AppError) || !error.code.startsWith('disk.')) throw error;
    problems++;
  };
  for (const { open, source: volume } of (await readDisk(source)).volumes) {
    if (!open || !volume) return 'no file system';
    for await (const { node } of walk(open, open.root, { nodesMax: 3000, onUnreadable: (_, error) => note(error) })) {
      if (node.kind === 'link') await open.readLink(node).catch(note);
      if (node.kind !== 'file' || node.sizeBytes > 8 * MIB) continue;
      await extentsOf(open, node)
        .then(async (extents) => {
          for await (const _ of readFile(volume, node, extents));
        })
        .catch(note);
    }
  }
  return problems > 0 ? 'problems' : 'read';
}

const fuzzed: readonly (readonly [string, readonly string[], () => Promise<string>, number])[] = [
  ['ext2', ['mke2fs'], () => makeExt(posix, 'fz2', 4 * MIB, '-t', 'ext2', '-b', '1024', '-N', '300'), 200 * 1024],
  [
    'ext4',
    ['mke2fs'],
    () =>
      makeExt(
        posix,
        'fz4',
        4 * MIB,
        '-t',
        'ext4',
        '-b',
        '1024',
        '-O',
        'inline_data,^has_journal',
        '-I',
        '256',
        '-N',
        '300',
      ),
    200 * 1024,
  ],
  ['fat16', ['mkfs.vfat', 'mcopy'], () => makeFat(plain, 'fzf', 16, 10 * MIB), 80 * 1024],
  ['ntfs', ['mkfs.ntfs', 'ntfscp'], () => makeNtfs(plain, 'fzn', 8 * MIB), 500 * 1024],
];

for (const [name, tools, make, structureBytes] of fuzzed) {
  (haveTools(...tools) ? test : test.skip)(
    `${name} with flipped bits: read, or an error that says what is wrong`,
    async () => {
      const outcomes = await fuzz(
        readFileSync(await make()),
        structureBytes,
        Number(process.env['BLOCKFERRY_FUZZ'] ?? 1) * 60,
      );
      expect([...outcomes.values()].reduce((sum, count) => sum + count, 0)).toBeGreaterThanOrEqual(60);
      expect(outcomes.get('problems') ?? 0).toBeGreaterThan(0);
    },
  );
}
