/** Images of file systems made by the tools of their own projects, and what was put on them. */
import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { findTool, runToolWell } from '../../local/images/tools';
import type { BlockSource } from '../../shared/device/block-source';
import { noise } from '../helpers/fake-disk';

export const sha = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex');
export const haveTools = (...names: readonly string[]): boolean => names.every((name) => findTool(name) !== undefined);
export const run = (name: string, ...args: readonly string[]): Promise<string> =>
  runToolWell(findTool(name) ?? name, args);

/** Relative paths and contents; the same for all file systems. */
export const contents: ReadonlyMap<string, Buffer> = new Map([
  ['hello.txt', Buffer.from('hello\n')],
  ['a/b/big.bin', noise(11, 1_300_000)],
  ['a/empty', Buffer.alloc(0)],
  ['ünïcödé näme with spaces.txt', Buffer.from('names\n')],
  ...Array.from({ length: 120 }, (_, index): [string, Buffer] => [
    `many/a file with a rather long name, number ${index}.txt`,
    Buffer.from(`${index}\n`),
  ]),
]);

export interface Workshop {
  readonly folder: string;
  readonly tree: string;
  file(name: string): string;
  remove(): void;
}

export function openWorkshop(): Workshop {
  const folder = mkdtempSync(path.join(tmpdir(), 'bf-files-'));
  const tree = path.join(folder, 'tree');
  for (const [name, bytes] of contents) {
    mkdirSync(path.dirname(path.join(tree, name)), { recursive: true });
    writeFileSync(path.join(tree, name), bytes);
  }
  return {
    folder,
    tree,
    file: (name) => path.join(folder, name),
    remove: () => rmSync(folder, { recursive: true, force: true }),
  };
}

/** Links and holes, where a file system has them. */
export function addPosixThings(tree: string): void {
  symlinkSync('../hello.txt', path.join(tree, 'a', 'link'));
  symlinkSync('/etc/passwd', path.join(tree, 'a', 'outside'));
  symlinkSync('loop2', path.join(tree, 'loop1'));
  symlinkSync('loop1', path.join(tree, 'loop2'));
  symlinkSync(`${'deep/'.repeat(20)}end`, path.join(tree, 'long-link'));
  writeFileSync(path.join(tree, 'holes'), '');
  truncateSync(path.join(tree, 'holes'), 3 * 1024 * 1024);
  writeFileSync(path.join(tree, 'holes'), 'tail', { flag: 'a' });
}

export async function makeExt(
  shop: Workshop,
  name: string,
  bytes: number,
  ...options: readonly string[]
): Promise<string> {
  const file = emptyFile(shop, name, bytes);
  await run('mke2fs', '-q', '-F', ...options, '-d', shop.tree, file);
  return file;
}

export async function makeFat(shop: Workshop, name: string, bits: 12 | 16 | 32, bytes: number): Promise<string> {
  const file = emptyFile(shop, name, bytes);
  await run('mkfs.vfat', '-F', String(bits), '-n', `LABEL${bits}`, file);
  const tops = [...new Set([...contents.keys()].map((key) => path.join(shop.tree, key.split('/')[0] ?? '')))];
  // In the C locale it would put question marks for letters.
  await run('env', 'LC_ALL=C.UTF-8', findTool('mcopy') ?? '', '-i', file, '-s', ...tops, '::');
  return file;
}

/** ntfscp makes no folders: everything lies in the root, folders of the names become part of them. */
export async function makeNtfs(shop: Workshop, name: string, bytes: number): Promise<string> {
  const file = emptyFile(shop, name, bytes);
  await run('mkfs.ntfs', '-F', '-Q', '-q', '-L', 'NTLABEL', file);
  for (const key of contents.keys()) {
    await run('ntfscp', '-f', '-q', file, path.join(shop.tree, key), key.replaceAll('/', '+'));
  }
  return file;
}

function emptyFile(shop: Workshop, name: string, bytes: number): string {
  const file = shop.file(name);
  writeFileSync(file, '');
  truncateSync(file, bytes);
  return file;
}

export interface CountedSource extends BlockSource {
  readBytes: number;
}

/** An image in memory, with a count of what is read of it. */
export function imageSource(image: Buffer): CountedSource {
  const source: CountedSource = {
    sizeBytes: image.length,
    readBytes: 0,
    read: async (offset, length) => {
      if (offset < 0 || offset + length > image.length) throw new Error(`a read of ${offset}+${length}`);
      source.readBytes += length;
      return Buffer.from(image.subarray(offset, offset + length));
    },
    extents: async (range) => [{ ...range, zero: false }],
  };
  return source;
}

export const fileSource = (file: string): CountedSource => imageSource(readFileSync(file));
