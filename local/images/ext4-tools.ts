/** ext4 by mke2fs and debugfs: real file systems made by the code that makes them everywhere, without mounting or root. */
import { mkdir, mkdtemp, open, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { FileChange, SampleFileSystem } from './file-system';
import type { Partition } from './partition-table';
import { contentOf, type SampleFile, sha256Of } from './sample-content';
import { findTool, runTool, runToolWell } from './tools';

const BLOCK_BYTES = 4096;

/** undefined where e2fsprogs is not installed. */
export function createExt4(): SampleFileSystem | undefined {
  const mkfs = findTool('mke2fs');
  const debugfs = findTool('debugfs');
  if (!mkfs || !debugfs) return undefined;
  return {
    name: 'ext4',
    make: (image, partition, files, seed) => make(mkfs, image, partition, files, seed),
    change: (image, partition, changes) => change(debugfs, image, partition, changes),
    hashOf: (image, partition, file) => hashOf(debugfs, image, partition, file),
  };
}

/** How the e2fsprogs name a file system inside an image. */
export const atOffset = (image: string, partition: Partition): string => `${image}?offset=${partition.start}`;

async function make(
  mkfs: string,
  image: string,
  partition: Partition,
  files: readonly SampleFile[],
  seed: string,
): Promise<void> {
  await inScratch(async (scratch) => {
    for (const file of files) {
      const target = path.join(scratch, file.path);
      await mkdir(path.dirname(target), { recursive: true });
      await writeFile(target, contentOf(file));
    }
    const uuid = uuidOf(seed);
    // Lazy tables stay holes in the image, as on a new disk; a small journal suits a small disk.
    const extended = `offset=${partition.start},lazy_itable_init=1,lazy_journal_init=1,nodiscard,hash_seed=${uuid}`;
    const sizeKib = `${(partition.end - partition.start) / 1024}k`;
    await runToolWell(mkfs, [
      ...['-q', '-F', '-t', 'ext4', '-b', String(BLOCK_BYTES), '-m', '1', '-J', 'size=4', '-U', uuid],
      ...['-E', extended, '-d', scratch, image, sizeKib],
    ]);
  });
}

async function change(
  debugfs: string,
  image: string,
  partition: Partition,
  changes: readonly FileChange[],
): Promise<void> {
  await inScratch(async (scratch) => {
    const commands: string[] = [];
    for (const [index, item] of changes.entries()) {
      if (item.kind === 'overwrite') continue;
      if (item.kind !== 'add') commands.push(`rm ${item.path}`);
      if (item.kind === 'remove') continue;
      const source = path.join(scratch, String(index));
      await writeFile(source, item.content);
      commands.push(`write ${source} ${item.path}`, `set_inode_field ${item.path} mode 0100644`);
    }
    if (commands.length > 0) {
      const script = path.join(scratch, 'commands');
      await writeFile(script, `${commands.join('\n')}\n`);
      const result = await runTool(debugfs, ['-w', '-f', script, atOffset(image, partition)]);
      // debugfs ends with 0 whatever happens inside; its complaints are the lines beyond its banner.
      const complaints = result.stderr.split('\n').filter((line) => line !== '' && !line.startsWith('debugfs '));
      if (result.code !== 0 || complaints.length > 0) throw new Error(`debugfs: ${complaints.slice(0, 3).join('; ')}`);
    }
  });
  for (const item of changes) {
    if (item.kind === 'overwrite') await overwrite(debugfs, image, partition, item);
  }
}

/** Data blocks carry no checksum in ext4, so they can be rewritten where they are. */
async function overwrite(
  debugfs: string,
  image: string,
  partition: Partition,
  item: FileChange & { kind: 'overwrite' },
): Promise<void> {
  const answer = await runToolWell(debugfs, ['-R', `blocks ${item.path}`, atOffset(image, partition)]);
  const blocks = answer.trim().split(/\s+/).map(Number);
  const disk = await open(image, 'r+');
  try {
    for (let done = 0; done < item.content.length; ) {
      const position = item.offset + done;
      const block = blocks[Math.floor(position / BLOCK_BYTES)];
      if (!block) throw new Error(`${item.path} has no block at ${position}`);
      const inBlock = position % BLOCK_BYTES;
      const length = Math.min(BLOCK_BYTES - inBlock, item.content.length - done);
      await disk.write(item.content, done, length, partition.start + block * BLOCK_BYTES + inBlock);
      done += length;
    }
  } finally {
    await disk.close();
  }
}

async function hashOf(debugfs: string, image: string, partition: Partition, file: string): Promise<string | undefined> {
  return inScratch(async (scratch) => {
    const target = path.join(scratch, 'content');
    await runToolWell(debugfs, ['-R', `dump ${file} ${target}`, atOffset(image, partition)]);
    const content = await readFile(target).catch(() => undefined);
    return content && sha256Of(content);
  });
}

async function inScratch<T>(action: (folder: string) => Promise<T>): Promise<T> {
  const folder = await mkdtemp(path.join(tmpdir(), 'blockferry-image-'));
  try {
    return await action(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

function uuidOf(seed: string): string {
  const hex = sha256Of(Buffer.from(seed));
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-4${hex.slice(13, 16)}-8${hex.slice(17, 20)}-${hex.slice(20, 32)}`;
}
