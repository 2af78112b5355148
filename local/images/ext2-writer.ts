/**
 * Writes an ext2 file system into a partition and changes it in place. All of the state is kept here while the sample disk
 * is in use; `flush` writes the tables anew. For sample disks only: one block a directory, no links, no times.
 */
import type { FileHandle } from 'node:fs/promises';
import * as layout from './ext2-layout';
import { BLOCK_BYTES, BLOCKS_PER_GROUP, INODES_PER_GROUP, type Inode, ROOT_INODE } from './ext2-layout';

export class Ext2Writer {
  private readonly sizes: readonly number[];
  private readonly usedBlocks: Uint8Array;
  private readonly inodes = new Map<number, Inode>();
  /** By absolute path; the root is ''. */
  private readonly paths = new Map<string, Inode>();
  private nextInode = layout.FIRST_FREE_INODE;

  constructor(
    private readonly partition: { readonly start: number; readonly end: number },
    private readonly uuid: Buffer,
  ) {
    this.sizes = layout.groupSizes(Math.floor((partition.end - partition.start) / BLOCK_BYTES));
    this.usedBlocks = new Uint8Array(this.totalBlocks());
    this.sizes.forEach((_size, group) => {
      const first = group * BLOCKS_PER_GROUP;
      this.usedBlocks.fill(1, first, first + layout.GROUP_OVERHEAD_BLOCKS);
    });
    this.addInode('', ROOT_INODE, true);
    this.addInode('/lost+found', this.nextInode++, true);
  }

  async add(disk: FileHandle, path: string, content: Buffer): Promise<void> {
    if (this.paths.has(path)) throw new Error(`${path} exists`);
    this.needDirectory(path.slice(0, path.lastIndexOf('/')));
    const inode = this.addInode(path, this.nextInode++, false);
    await this.setContent(disk, inode, content);
  }

  remove(path: string): void {
    const inode = this.file(path);
    for (const block of [...inode.blocks, ...inode.pointerBlocks]) this.usedBlocks[block] = 0;
    this.inodes.delete(inode.number);
    this.paths.delete(path);
  }

  /** Keeps the blocks that the file has, and takes more where it grew. */
  async replace(disk: FileHandle, path: string, content: Buffer): Promise<void> {
    await this.setContent(disk, this.file(path), content);
  }

  async overwrite(disk: FileHandle, path: string, offset: number, content: Buffer): Promise<void> {
    const inode = this.file(path);
    if (offset + content.length > inode.bytes) throw new Error(`${path} ends at ${inode.bytes}`);
    for (let done = 0; done < content.length; ) {
      const position = offset + done;
      const inBlock = position % BLOCK_BYTES;
      const length = Math.min(BLOCK_BYTES - inBlock, content.length - done);
      const block = inode.blocks[Math.floor(position / BLOCK_BYTES)] ?? 0;
      await this.write(disk, block, content.subarray(done, done + length), inBlock);
      done += length;
    }
  }

  /** Writes directories, inodes, bitmaps, group table and superblocks. The file system is whole only after this. */
  async flush(disk: FileHandle): Promise<void> {
    for (const [path, inode] of this.paths) if (inode.directory) await this.writeDirectory(disk, path, inode);
    const counts = this.sizes.map((size, group) => this.countsOf(group, size));
    const table = layout.encodeGroupTable(this.sizes, counts);
    for (const group of this.sizes.keys()) {
      const first = group * BLOCKS_PER_GROUP;
      const superblock = layout.encodeSuperblock({ sizes: this.sizes, counts, uuid: this.uuid }, group);
      // The first one leaves 1024 bytes for a boot loader; copies begin with their block.
      await this.write(disk, first, superblock, group === 0 ? 1024 : 0);
      await this.write(disk, first + 1, table);
      await this.write(disk, first + 2, this.blockBitmap(group));
      await this.write(disk, first + 3, this.inodeBitmap(group));
      await this.write(disk, first + 4, this.inodeTable(group));
    }
  }

  private totalBlocks(): number {
    return this.sizes.reduce((sum, size) => sum + size, 0);
  }

  private file(path: string): Inode {
    const inode = this.paths.get(path);
    if (!inode || inode.directory) throw new Error(`${path} is not a file of this sample disk`);
    return inode;
  }

  private addInode(path: string, number: number, directory: boolean): Inode {
    const inode: Inode = { number, directory, links: 1, bytes: 0, blocks: [], pointerBlocks: [] };
    if (directory) {
      inode.blocks.push(this.takeBlock());
      inode.bytes = BLOCK_BYTES;
    }
    this.inodes.set(number, inode);
    this.paths.set(path, inode);
    return inode;
  }

  private needDirectory(path: string): void {
    if (this.paths.has(path)) return;
    this.needDirectory(path.slice(0, path.lastIndexOf('/')));
    this.addInode(path, this.nextInode++, true);
  }

  /** First fit: what is removed is filled again, as file systems do. */
  private takeBlock(): number {
    const block = this.usedBlocks.indexOf(0);
    if (block < 0) throw new Error('the sample disk is full');
    this.usedBlocks[block] = 1;
    return block;
  }

  private async setContent(disk: FileHandle, inode: Inode, content: Buffer): Promise<void> {
    const needed = Math.ceil(content.length / BLOCK_BYTES);
    while (inode.blocks.length < needed) inode.blocks.push(this.takeBlock());
    while (inode.pointerBlocks.length < layout.pointerBlockCount(needed)) inode.pointerBlocks.push(this.takeBlock());
    inode.bytes = content.length;
    const whole = Buffer.alloc(needed * BLOCK_BYTES);
    content.copy(whole);
    for (let index = 0; index < needed; ) {
      // Neighbouring blocks go in one write.
      let end = index + 1;
      while (end < needed && inode.blocks[end] === (inode.blocks[end - 1] ?? 0) + 1) end++;
      await this.write(disk, inode.blocks[index] ?? 0, whole.subarray(index * BLOCK_BYTES, end * BLOCK_BYTES));
      index = end;
    }
    for (const [index, block] of layout.encodePointerBlocks(inode).entries()) {
      await this.write(disk, inode.pointerBlocks[index] ?? 0, block);
    }
  }

  private async writeDirectory(disk: FileHandle, path: string, inode: Inode): Promise<void> {
    const parent = path === '' ? inode : (this.paths.get(path.slice(0, path.lastIndexOf('/'))) ?? inode);
    const children = [...this.paths].filter(
      ([other]) => other !== '' && other.slice(0, other.lastIndexOf('/')) === path && other.startsWith(`${path}/`),
    );
    inode.links = 2 + children.filter(([, child]) => child.directory).length;
    const entries = [
      { name: '.', inode: inode.number, directory: true },
      { name: '..', inode: parent.number, directory: true },
      ...children.map(([other, child]) => ({
        name: other.slice(path.length + 1),
        inode: child.number,
        directory: child.directory,
      })),
    ];
    await this.write(disk, inode.blocks[0] ?? 0, layout.encodeDirectory(entries));
  }

  private inodesOf(group: number): Inode[] {
    return [...this.inodes.values()].filter((inode) => Math.floor((inode.number - 1) / INODES_PER_GROUP) === group);
  }

  private countsOf(group: number, size: number): layout.GroupCounts {
    const first = group * BLOCKS_PER_GROUP;
    const used = this.usedBlocks.subarray(first, first + size).reduce((sum, bit) => sum + bit, 0);
    const inodes = this.inodesOf(group);
    // The ten reserved inodes count as used; the root is one of them.
    const reserved = group === 0 ? layout.FIRST_FREE_INODE - 1 : 0;
    const own = inodes.filter((inode) => inode.number >= layout.FIRST_FREE_INODE).length;
    return {
      freeBlocks: size - used,
      freeInodes: INODES_PER_GROUP - reserved - own,
      directories: inodes.filter((inode) => inode.directory).length,
    };
  }

  /** Bits beyond the end of the group are set: nobody may take what is not there. */
  private blockBitmap(group: number): Buffer {
    const bitmap = Buffer.alloc(BLOCK_BYTES);
    const first = group * BLOCKS_PER_GROUP;
    for (let index = 0; index < BLOCKS_PER_GROUP; index++) {
      if (index >= (this.sizes[group] ?? 0) || this.usedBlocks[first + index]) setBit(bitmap, index);
    }
    return bitmap;
  }

  private inodeBitmap(group: number): Buffer {
    const bitmap = Buffer.alloc(BLOCK_BYTES, 0xff);
    bitmap.fill(0, 0, INODES_PER_GROUP / 8);
    if (group === 0) for (let index = 0; index < layout.FIRST_FREE_INODE - 1; index++) setBit(bitmap, index);
    for (const inode of this.inodesOf(group)) setBit(bitmap, (inode.number - 1) % INODES_PER_GROUP);
    return bitmap;
  }

  private inodeTable(group: number): Buffer {
    const table = Buffer.alloc(layout.INODE_TABLE_BLOCKS * BLOCK_BYTES);
    for (const inode of this.inodesOf(group)) {
      layout.encodeInode(inode).copy(table, ((inode.number - 1) % INODES_PER_GROUP) * layout.INODE_BYTES);
    }
    return table;
  }

  private async write(disk: FileHandle, block: number, bytes: Buffer, inBlock = 0): Promise<void> {
    await disk.write(bytes, 0, bytes.length, this.partition.start + block * BLOCK_BYTES + inBlock);
  }
}

function setBit(bitmap: Buffer, index: number): void {
  bitmap.writeUInt8(bitmap.readUInt8(index >> 3) | (1 << (index & 7)), index >> 3);
}
