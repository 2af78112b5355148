/** The file system of sample disks where e2fsprogs is not installed: written and read by this folder alone. */
import { type FileHandle, open } from 'node:fs/promises';
import { readExt2File } from './ext2-reader';
import { Ext2Writer } from './ext2-writer';
import type { SampleFileSystem } from './file-system';
import { contentOf, sha256Of } from './sample-content';

/** Keeps the state of every image it made: change an image through the same object that made it. */
export function createExt2(): SampleFileSystem {
  const writers = new Map<string, Ext2Writer>();
  return {
    name: 'ext2',
    make: async (image, partition, files, seed) => {
      const writer = new Ext2Writer(partition, Buffer.from(sha256Of(Buffer.from(seed)), 'hex'));
      await withImage(image, 'r+', async (disk) => {
        for (const file of files) await writer.add(disk, file.path, contentOf(file));
        await writer.flush(disk);
      });
      writers.set(image, writer);
    },
    change: async (image, _partition, changes) => {
      const writer = writers.get(image);
      if (!writer) throw new Error(`${image} was not made here`);
      await withImage(image, 'r+', async (disk) => {
        for (const item of changes) {
          if (item.kind === 'remove') writer.remove(item.path);
          else if (item.kind === 'add') await writer.add(disk, item.path, item.content);
          else if (item.kind === 'replace') await writer.replace(disk, item.path, item.content);
          else await writer.overwrite(disk, item.path, item.offset, item.content);
        }
        await writer.flush(disk);
      });
    },
    hashOf: (image, partition, path) =>
      withImage(image, 'r', async (disk) => {
        const content = await readExt2File(disk, partition.start, path);
        return content && sha256Of(content);
      }),
  };
}

async function withImage<T>(image: string, flags: 'r' | 'r+', action: (disk: FileHandle) => Promise<T>): Promise<T> {
  const disk = await open(image, flags);
  try {
    return await action(disk);
  } finally {
    await disk.close();
  }
}
