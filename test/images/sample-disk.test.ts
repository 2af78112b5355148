/** The sample disks are real: the tools of the trade find nothing to complain about, before and after changes. */
import { mkdtempSync, rmSync } from 'node:fs';
import { open, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createExt2 } from '../../local/images/ext2';
import { createExt4 } from '../../local/images/ext4-tools';
import type { SampleFileSystem } from '../../local/images/file-system';
import { copySparse, firstDifference } from '../../local/images/image-files';
import { ageSampleDisk, checkSampleDisk, makeSampleDisk, type SampleDiskSpec } from '../../local/images/sample-disk';
import { sampleMachines } from '../../local/images/sample-machines';
import { findTool, runTool, runToolWell } from '../../local/images/tools';

const MIB = 1024 * 1024;
let folder: string;
beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'blockferry-images-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const installed = createExt4();
const fileSystems: readonly SampleFileSystem[] = installed ? [createExt2(), installed] : [createExt2()];

/** Large enough for two block groups and for a file with double indirect blocks. */
const spec: SampleDiskSpec = {
  diskBytes: 160 * MIB,
  table: 'gpt',
  seed: 'disk',
  files: [
    { path: '/usr/bin/tool.bin', kind: 'program', seed: 'tool', bytes: 300_001 },
    { path: '/srv/clip.bin', kind: 'program', seed: 'clip', bytes: 5 * MIB },
    { path: '/srv/table.bin', kind: 'database', seed: 'table', bytes: 512 * 1024 },
    { path: '/var/log/app.log', kind: 'log', seed: 'log', bytes: 50_000 },
    { path: '/tiny.txt', kind: 'text', seed: 'tiny', bytes: 1 },
    { path: '/readme.txt', kind: 'text', seed: 'readme', bytes: 90_000 },
  ],
};

describe.each(fileSystems.map((fileSystem) => [fileSystem.name, fileSystem] as const))('%s', (_name, fileSystem) => {
  test('a new disk is sound and holds its files', async () => {
    const disk = await makeSampleDisk(fileSystem, path.join(folder, 'a.img'), spec);
    expect((await checkSampleDisk(fileSystem, disk.image, disk)).problems).toEqual([]);
  });

  test('three rounds of changes keep it sound, and every file is as expected', async () => {
    let disk = await makeSampleDisk(fileSystem, path.join(folder, 'a.img'), spec);
    for (const round of ['1', '2', '3']) disk = await ageSampleDisk(fileSystem, disk, round);
    const check = await checkSampleDisk(fileSystem, disk.image, disk);
    expect(check.problems).toEqual([]);
    expect(check.filesCompared).toBe(spec.files.length + 3 - 3);
  });

  test('the check finds a wrong byte in a file, and a lost file', async () => {
    const disk = await makeSampleDisk(fileSystem, path.join(folder, 'a.img'), spec);
    await fileSystem.change(disk.image, disk.partition, [
      { kind: 'overwrite', path: '/srv/clip.bin', offset: 4.5 * MIB, content: Buffer.from([1, 2, 3]) },
      { kind: 'remove', path: '/tiny.txt' },
    ]);
    expect((await checkSampleDisk(fileSystem, disk.image, disk)).problems).toEqual([
      '/srv/clip.bin has other content',
      '/tiny.txt is missing',
    ]);
  });

  test('a changed database page stays in its block: few bytes of the image differ', async () => {
    const disk = await makeSampleDisk(fileSystem, path.join(folder, 'a.img'), spec);
    await copySparse(disk.image, path.join(folder, 'before.img'), spec.diskBytes);
    await fileSystem.change(disk.image, disk.partition, [
      { kind: 'overwrite', path: '/srv/table.bin', offset: 12_345, content: Buffer.from('changed in place') },
    ]);
    const at = await firstDifference(path.join(folder, 'before.img'), disk.image, spec.diskBytes);
    expect(((at ?? 0) - disk.partition.start) % 4096).toBe(12_345 % 4096);
  });
});

test('two disks of one seed are alike where their files are: VMs from one image', async () => {
  const fileSystem = createExt2();
  const one = await makeSampleDisk(fileSystem, path.join(folder, 'a.img'), spec);
  await makeSampleDisk(fileSystem, path.join(folder, 'b.img'), spec);
  expect(await firstDifference(one.image, path.join(folder, 'b.img'), spec.diskBytes)).toBeUndefined();
});

test('sample disks are sparse and between 96 and 512 MiB; three VMs, two regions, two from one base', async () => {
  const machines = sampleMachines();
  expect(machines).toHaveLength(3);
  expect(new Set(machines.map((machine) => machine.region)).size).toBe(2);
  expect(new Set(machines.map((machine) => machine.osDisk.seed)).size).toBe(2);
  for (const disk of machines.flatMap((machine) => [machine.osDisk, ...machine.dataDisks])) {
    expect(disk.diskBytes % MIB).toBe(0);
    expect(disk.diskBytes).toBeGreaterThanOrEqual(96 * MIB);
    expect(disk.diskBytes).toBeLessThanOrEqual(512 * MIB);
  }
  const disk = await makeSampleDisk(createExt2(), path.join(folder, 'a.img'), spec);
  expect((await stat(disk.image)).blocks * 512).toBeLessThan(20 * MIB);
});

test.each(['gpt', 'mbr'] as const)('the %s partition table is what sfdisk, where installed, reads', async (table) => {
  const image = path.join(folder, 'a.img');
  const disk = await makeSampleDisk(createExt2(), image, { ...spec, table });
  const sfdisk = findTool('sfdisk');
  if (sfdisk) {
    const answer = JSON.parse(await runToolWell(sfdisk, ['--json', image])) as {
      partitiontable: { label: string; partitions: { start: number; size: number }[] };
    };
    expect(answer.partitiontable.label).toBe(table === 'gpt' ? 'gpt' : 'dos');
    expect(answer.partitiontable.partitions[0]?.start).toBe(disk.partition.start / 512);
    expect(answer.partitiontable.partitions[0]?.size).toBe((disk.partition.end - disk.partition.start) / 512);
    expect((await runTool(sfdisk, ['--verify', image])).code).toBe(0);
  }
  const handle = await open(image, 'r');
  const sector = Buffer.alloc(1024);
  await handle.read(sector, 0, 1024, 0);
  await handle.close();
  expect(sector.readUInt16LE(510)).toBe(0xaa55);
  expect(sector.toString('latin1', 512, 520) === 'EFI PART').toBe(table === 'gpt');
});
