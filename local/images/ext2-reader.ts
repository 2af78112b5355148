/**
 * Reads a file out of an ext2 image with nothing but the image: what the comparison after a restore relies on where no
 * debugfs is installed. Shares only numbers of the format with the writer.
 */
import type { FileHandle } from 'node:fs/promises';
import { MAGIC, ROOT_INODE } from './ext2-layout';

interface Volume {
  readonly disk: FileHandle;
  readonly start: number;
  readonly blockBytes: number;
  readonly inodesPerGroup: number;
  readonly inodeBytes: number;
}

interface InodeFacts {
  readonly directory: boolean;
  readonly bytes: number;
  readonly pointers: readonly number[];
}

/** The content of the file at `path` (absolute); undefined when there is none. Throws when the image holds no ext2. */
export async function readExt2File(disk: FileHandle, start: number, path: string): Promise<Buffer | undefined> {
  const volume = await openVolume(disk, start);
  let inode = await readInode(volume, ROOT_INODE);
  for (const name of path.split('/').filter((part) => part !== '')) {
    if (!inode.directory) return undefined;
    const child = findEntry(await readContent(volume, inode), name);
    if (child === undefined) return undefined;
    inode = await readInode(volume, child);
  }
  return inode.directory ? undefined : readContent(volume, inode);
}

async function openVolume(disk: FileHandle, start: number): Promise<Volume> {
  const bytes = await read(disk, start + 1024, 1024);
  if (bytes.readUInt16LE(56) !== MAGIC) throw new Error('no ext2 file system where one was');
  return {
    disk,
    start,
    blockBytes: 1024 << bytes.readUInt32LE(24),
    inodesPerGroup: bytes.readUInt32LE(40),
    inodeBytes: bytes.readUInt16LE(88),
  };
}

async function readInode(volume: Volume, number: number): Promise<InodeFacts> {
  const group = Math.floor((number - 1) / volume.inodesPerGroup);
  const descriptor = await read(volume.disk, volume.start + volume.blockBytes + group * 32, 32);
  const table = descriptor.readUInt32LE(8) * volume.blockBytes;
  const index = (number - 1) % volume.inodesPerGroup;
  const bytes = await read(volume.disk, volume.start + table + index * volume.inodeBytes, volume.inodeBytes);
  return {
    directory: (bytes.readUInt16LE(0) & 0o170000) === 0o040000,
    bytes: bytes.readUInt32LE(4),
    pointers: Array.from({ length: 15 }, (_none, slot) => bytes.readUInt32LE(40 + 4 * slot)),
  };
}

async function readContent(volume: Volume, inode: InodeFacts): Promise<Buffer> {
  const count = Math.ceil(inode.bytes / volume.blockBytes);
  const blocks = inode.pointers.slice(0, 12);
  if (count > 12) blocks.push(...(await readPointers(volume, inode.pointers[12] ?? 0)));
  if (count > blocks.length) {
    for (const leaf of await readPointers(volume, inode.pointers[13] ?? 0)) {
      if (leaf !== 0) blocks.push(...(await readPointers(volume, leaf)));
    }
  }
  const parts: Buffer[] = [];
  for (const block of blocks.slice(0, count)) parts.push(await readBlock(volume, block));
  return Buffer.concat(parts).subarray(0, inode.bytes);
}

async function readPointers(volume: Volume, block: number): Promise<number[]> {
  const bytes = await readBlock(volume, block);
  return Array.from({ length: volume.blockBytes / 4 }, (_none, index) => bytes.readUInt32LE(4 * index));
}

/** Block 0 stands for a hole. */
async function readBlock(volume: Volume, block: number): Promise<Buffer> {
  if (block === 0) return Buffer.alloc(volume.blockBytes);
  return read(volume.disk, volume.start + block * volume.blockBytes, volume.blockBytes);
}

function findEntry(directory: Buffer, name: string): number | undefined {
  for (let offset = 0; offset + 8 <= directory.length; ) {
    const inode = directory.readUInt32LE(offset);
    const length = directory.readUInt16LE(offset + 4);
    const own = directory.toString('latin1', offset + 8, offset + 8 + directory.readUInt8(offset + 6));
    if (inode !== 0 && own === name) return inode;
    if (length < 8) return undefined;
    offset += length;
  }
  return undefined;
}

async function read(disk: FileHandle, position: number, length: number): Promise<Buffer> {
  const bytes = Buffer.alloc(length);
  const { bytesRead } = await disk.read(bytes, 0, length, position);
  if (bytesRead !== length) throw new Error(`the image ends before ${position + length}`);
  return bytes;
}
