/**
 * Turns the file system inside an image from one tree into another, in place, with debugfs: unchanged files keep their blocks
 * and deleted ones leave their bytes behind, as on the disk of a machine at work. No mount, no loop device.
 */
import {
  closeSync,
  constants,
  lstatSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  readSync,
  type Stats,
  writeSync,
} from 'node:fs';
import path from 'node:path';
import { seededBytes, seededNumbers } from '../kit/random';
import { BenchError, run } from '../kit/shell';

const FS_BLOCK = 4096;

/** Only names that debugfs can take in quotes. Paths that `skip` matches stay as they are. */
export function applyTree(image: string, before: string, after: string, skip = /^$/): void {
  const old = walk(before, skip);
  const next = walk(after, skip);
  const commands: string[] = [];
  for (const [name, stat] of [...old].reverse()) {
    const now = next.get(name);
    if (now && kindOf(now) === kindOf(stat)) continue;
    commands.push(`${stat.isDirectory() ? 'rmdir' : 'rm'} "/${name}"`);
  }
  for (const [name, stat] of next) {
    const was = old.get(name);
    const there = was && kindOf(was) === kindOf(stat) ? was : undefined;
    const [from, to] = [path.join(before, name), path.join(after, name)];
    if (stat.isDirectory() && !there) commands.push(`mkdir "/${name}"`);
    if (stat.isFile()) {
      if (there?.size === stat.size && readFileSync(from).equals(readFileSync(to))) continue;
      if (there) commands.push(`rm "/${name}"`);
      commands.push(`write "${to}" "/${name}"`);
    }
    if (stat.isSymbolicLink()) {
      if (there && readlinkSync(from) === readlinkSync(to)) continue;
      if (there) commands.push(`rm "/${name}"`);
      commands.push(`symlink "/${name}" "${readlinkSync(to)}"`);
    }
  }
  run('debugfs', ['-w', '-f', '-', image], { input: `${commands.join('\n')}\n` });
}

/** Overwrites some of a file's pages where they lie: a database at work. Most hits cluster around a few hot places. */
export function dirtyPages(image: string, file: string, percent: number, seed: string): void {
  const blocks = run('debugfs', ['-R', `blocks ${file}`, image])
    .trim()
    .split(/\s+/)
    .map(Number);
  const pages = Math.floor(blocks.length / 2);
  if (pages < 100)
    throw new BenchError(`${file} is not in ${image} as expected: the image was not made as it should be`);
  const below = seededNumbers(`dirty ${seed}`);
  const bytes = seededBytes(`dirty ${seed}`);
  const hot = Array.from({ length: 8 }, () => below(pages));
  const handle = openSync(image, constants.O_RDWR);
  for (let count = (pages * percent) / 100; count > 0; count--) {
    const near = (hot[below(8)] ?? 0) + below(Math.ceil(pages / 50)) - Math.floor(pages / 100);
    const page = below(10) < 3 ? below(pages) : Math.min(pages - 1, Math.max(0, near));
    writeSync(handle, bytes(900), 0, 900, (blocks[2 * page] ?? 0) * FS_BLOCK + 24);
  }
  closeSync(handle);
}

/** Rewrites `percent` of the data in runs of 64 KiB to 1 MiB: what a short interval changes on a disk. */
export function dirtyRuns(
  image: string,
  ranges: readonly { readonly start: number; readonly end: number }[],
  percent: number,
  seed: string,
): void {
  const below = seededNumbers(`runs ${seed}`);
  const total = ranges.reduce((sum, { start, end }) => sum + end - start, 0);
  const handle = openSync(image, constants.O_RDWR);
  let left = (total * percent) / 100;
  const touched = new Set<number>();
  while (left > 0) {
    const range = ranges[below(ranges.length)];
    if (!range) break;
    const start = range.start + below(Math.floor((range.end - range.start) / FS_BLOCK)) * FS_BLOCK;
    const end = Math.min(range.end, start + 65_536 * (1 + below(16)), start + Math.ceil(left / FS_BLOCK) * FS_BLOCK);
    for (let at = start; at < end; at += FS_BLOCK) {
      if (touched.has(at)) continue;
      touched.add(at);
      // Half of it changes: rows move, a page stays a page.
      const page = Buffer.alloc(FS_BLOCK);
      readSync(handle, page, 0, FS_BLOCK, at);
      seededBytes(`${seed} ${at}`)(FS_BLOCK / 2).copy(page);
      writeSync(handle, page, 0, Math.min(FS_BLOCK, range.end - at), at);
      left -= FS_BLOCK;
    }
  }
  closeSync(handle);
}

/** Everything below the root, parents before children, links not followed. Devices and the like are no content. */
function walk(root: string, skip: RegExp): Map<string, Stats> {
  const found = new Map<string, Stats>();
  const enter = (folder: string): void => {
    for (const entry of readdirSync(path.join(root, folder), { withFileTypes: true })) {
      const name = path.join(folder, entry.name);
      if (/^(dev|proc|sys)\//.test(name) || skip.test(name) || name.includes('"')) continue;
      found.set(name, lstatSync(path.join(root, name)));
      if (entry.isDirectory()) enter(name);
    }
  };
  enter('');
  return found;
}

const kindOf = (stat: Stats): number => stat.mode & constants.S_IFMT;
