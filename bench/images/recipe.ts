/**
 * The images of the bench, made once and kept:
 *
 *   golden   one Debian image, as a marketplace would publish it
 *   vm1      golden, aged in place into a machine with a database, media and logs, and some written zeros
 *   vm1g2    vm1 a while later: packages upgraded, new logs and media, 3 % of the database pages rewritten, files deleted
 *   vm1p1    vm1 with 1 % of its data rewritten in runs: what a short interval leaves
 *   vm2      another machine from the same golden image, with other software and data
 */
import {
  closeSync,
  constants,
  existsSync,
  mkdirSync,
  openSync,
  readFileSync,
  rmSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import path from 'node:path';
import { run } from '../kit/shell';
import { type ContentSizes, writeContent } from './content';
import { applyTree, dirtyPages, dirtyRuns } from './in-place';
import { changedRanges, dataRanges, type Range } from './ranges';
import { makeTree, type Tree } from './trees';

/** Changes whenever the recipe does, so that older images are not taken for these. */
const RECIPE = 1;
const MIB = 1024 * 1024;

export interface Scale {
  readonly name: 'quick' | 'full';
  readonly imageMib: number;
  readonly vm1: ContentSizes;
  readonly vm2: ContentSizes;
  readonly writtenZerosMib: number;
}

export const scales: Readonly<Record<Scale['name'], Scale>> = {
  quick: {
    name: 'quick',
    imageMib: 1536,
    vm1: { mediaMib: 64, databaseMib: 96, logMib: 64 },
    vm2: { mediaMib: 32, databaseMib: 48, logMib: 32 },
    writtenZerosMib: 32,
  },
  full: {
    name: 'full',
    imageMib: 3072,
    vm1: { mediaMib: 192, databaseMib: 512, logMib: 256 },
    vm2: { mediaMib: 96, databaseMib: 192, logMib: 128 },
    writtenZerosMib: 64,
  },
};

export interface Image {
  readonly name: string;
  readonly file: string;
  readonly bytes: number;
  readonly data: readonly Range[];
  /** Against vm1; only of its later generations. */
  readonly changed: readonly Range[];
}

export interface Images {
  readonly vm1: Image;
  readonly vm1g2: Image;
  readonly vm1p1: Image;
  readonly vm2: Image;
}

/** Makes what is missing. `trees` holds the unpacked packages, which both scales share; `folder` gets the images. */
export async function makeImages(
  folder: string,
  trees: string,
  scale: Scale,
  say: (line: string) => void,
): Promise<Images> {
  const stamp = path.join(folder, `made-${RECIPE}.json`);
  if (!existsSync(stamp)) {
    rmSync(folder, { recursive: true, force: true });
    mkdirSync(folder, { recursive: true });
    const startedAt = performance.now();
    await build(folder, trees, scale, say);
    writeFileSync(stamp, JSON.stringify(describe(folder)));
    say(`images made in ${Math.round((performance.now() - startedAt) / 1000)} s`);
  }
  return JSON.parse(readFileSync(stamp, 'utf8')) as Images;
}

async function build(folder: string, trees: string, scale: Scale, say: (line: string) => void): Promise<void> {
  const names: readonly Tree[] = ['golden', 'builder', 'server', 'upgraded'];
  const tree = (name: Tree): string => path.join(trees, name);
  const image = (name: string): string => path.join(folder, `${name}.img`);
  mkdirSync(trees, { recursive: true });
  if (names.some((name) => !existsSync(tree(name)))) say('unpacking Debian packages');
  await Promise.all(names.map((name) => makeTree(tree(name), name)));
  say('writing what users write');
  const golden = tree('golden');
  const builder = withContent(folder, tree('builder'), '1', scale.vm1);
  const server = withContent(folder, tree('server'), '2', scale.vm2);
  const upgraded = withContent(folder, tree('upgraded'), '1', scale.vm1);
  rmSync(path.join(upgraded, 'srv/media/1-0.bin'));
  writeContent(upgraded, 'later', { mediaMib: 8, databaseMib: 0, logMib: 16 });

  say('writing file systems');
  makeFileSystem(image('golden'), golden, scale.imageMib);
  copySparse(image('golden'), image('vm1'));
  applyTree(image('vm1'), golden, builder);
  writeZeros(image('vm1'), scale.writtenZerosMib);
  copySparse(image('vm1'), image('vm1g2'));
  // The kernel stays: a machine that has not been restarted.
  applyTree(image('vm1g2'), builder, upgraded, /^(boot|usr\/lib\/modules|lib\/modules)(\/|$)/);
  dirtyPages(image('vm1g2'), '/srv/db/table.dat', 3, 'g2');
  copySparse(image('vm1'), image('vm1p1'));
  dirtyRuns(image('vm1p1'), dataRanges(image('vm1')), 1, 'p1');
  copySparse(image('golden'), image('vm2'));
  applyTree(image('vm2'), golden, server);
  rmSync(image('golden'));
  for (const used of [builder, server, upgraded]) rmSync(used, { recursive: true });
}

function describe(folder: string): Images {
  const one = (name: string, before?: string): Image => {
    const file = path.join(folder, `${name}.img`);
    const changed = before === undefined ? [] : changedRanges(path.join(folder, `${before}.img`), file);
    return { name, file, bytes: Number(run('stat', ['-c', '%s', file])), data: dataRanges(file), changed };
  };
  return { vm1: one('vm1'), vm1g2: one('vm1g2', 'vm1'), vm1p1: one('vm1p1', 'vm1'), vm2: one('vm2') };
}

/** The tree with what its users wrote; the packages' files are links to those of the tree, and nobody changes them. */
function withContent(folder: string, tree: string, seed: string, sizes: ContentSizes): string {
  const copy = path.join(folder, path.basename(tree));
  rmSync(copy, { recursive: true, force: true });
  run('cp', ['-al', tree, copy]);
  writeContent(copy, seed, sizes);
  return copy;
}

function makeFileSystem(image: string, tree: string, mib: number): void {
  const id = '6f2f4c0e-0000-4000-8000-000000000001';
  const options = ['-q', '-t', 'ext4', '-b', '4096', '-m', '1', '-O', '^metadata_csum_seed', '-U', id];
  run('mke2fs', [...options, '-E', `hash_seed=${id},lazy_itable_init=1`, '-d', tree, image, `${mib}M`]);
}

const copySparse = (from: string, to: string): void => {
  run('cp', ['--sparse=always', from, to]);
};

/** Zeros that a guest wrote: data to the cloud, nothing to us. They go into the last holes of the image. */
function writeZeros(image: string, mib: number): void {
  const data = dataRanges(image);
  const handle = openSync(image, constants.O_RDWR);
  let left = mib;
  for (let at = data.length - 1; at > 0 && left > 0; at--) {
    const end = data[at]?.start ?? 0;
    for (let start = end - MIB; start >= (data[at - 1]?.end ?? 0) && left > 0; start -= MIB, left--) {
      writeSync(handle, Buffer.alloc(MIB), 0, MIB, start);
    }
  }
  closeSync(handle);
}
