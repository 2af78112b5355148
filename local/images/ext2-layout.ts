/**
 * Where things are in the ext2 file systems that we write: 4 KiB blocks, groups of 128 MiB, every group with a copy of
 * superblock and group table.
 *
 *   group:  | superblock | group table | block bitmap | inode bitmap | inode table (32 blocks) | data ........ |
 *
 * Source: "The Second Extended File System", Dave Poirier (nongnu.org/ext2-doc), and e2fsck's own judgement in the tests.
 */
export const BLOCK_BYTES = 4096;
export const BLOCKS_PER_GROUP = 8 * BLOCK_BYTES;
export const INODE_BYTES = 128;
export const INODES_PER_GROUP = 1024;
export const INODE_TABLE_BLOCKS = (INODES_PER_GROUP * INODE_BYTES) / BLOCK_BYTES;
/** Superblock, group table, two bitmaps, inode table. */
export const GROUP_OVERHEAD_BLOCKS = 4 + INODE_TABLE_BLOCKS;
export const ROOT_INODE = 2;
/** The first one that is not reserved; e2fsck expects lost+found to exist. */
export const FIRST_FREE_INODE = 11;
export const DIRECT_BLOCKS = 12;
export const POINTERS_PER_BLOCK = BLOCK_BYTES / 4;
export const MODE_FILE = 0o100644;
export const MODE_DIRECTORY = 0o040755;
export const MAGIC = 0xef53;
/** Directory entries name the type of their inode. */
const INCOMPAT_FILETYPE = 0x2;
/** A fixed instant: the image depends on nothing but its seed. */
const CREATED_AT_SECONDS = 1_760_000_000;

export interface Inode {
  readonly number: number;
  readonly directory: boolean;
  links: number;
  bytes: number;
  /** Data blocks in order. */
  blocks: number[];
  /** Blocks that hold block numbers, in the order single, double, then the leaves of double. */
  pointerBlocks: number[];
}

export interface GroupCounts {
  readonly freeBlocks: number;
  readonly freeInodes: number;
  readonly directories: number;
}

/** Every group but the last is whole; a last one too small for its own tables is left out. */
export function groupSizes(totalBlocks: number): number[] {
  const sizes: number[] = [];
  for (let start = 0; start < totalBlocks; start += BLOCKS_PER_GROUP) {
    const size = Math.min(BLOCKS_PER_GROUP, totalBlocks - start);
    if (size > GROUP_OVERHEAD_BLOCKS) sizes.push(size);
  }
  return sizes;
}

export interface SuperblockFacts {
  readonly sizes: readonly number[];
  readonly counts: readonly GroupCounts[];
  readonly uuid: Buffer;
}

export function encodeSuperblock(facts: SuperblockFacts, group: number): Buffer {
  const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);
  const bytes = Buffer.alloc(1024);
  bytes.writeUInt32LE(facts.sizes.length * INODES_PER_GROUP, 0);
  bytes.writeUInt32LE(sum(facts.sizes), 4);
  bytes.writeUInt32LE(sum(facts.counts.map((count) => count.freeBlocks)), 12);
  bytes.writeUInt32LE(sum(facts.counts.map((count) => count.freeInodes)), 16);
  bytes.writeUInt32LE(2, 24); // block size: 1024 << 2
  bytes.writeUInt32LE(2, 28);
  bytes.writeUInt32LE(BLOCKS_PER_GROUP, 32);
  bytes.writeUInt32LE(BLOCKS_PER_GROUP, 36);
  bytes.writeUInt32LE(INODES_PER_GROUP, 40);
  bytes.writeUInt32LE(CREATED_AT_SECONDS, 48);
  bytes.writeUInt16LE(0xffff, 54); // never checked by mount count
  bytes.writeUInt16LE(MAGIC, 56);
  bytes.writeUInt16LE(1, 58); // cleanly unmounted
  bytes.writeUInt16LE(1, 60); // on errors: continue
  bytes.writeUInt32LE(CREATED_AT_SECONDS, 64);
  bytes.writeUInt32LE(1, 76); // revision with variable inode sizes and features
  bytes.writeUInt32LE(FIRST_FREE_INODE, 84);
  bytes.writeUInt16LE(INODE_BYTES, 88);
  bytes.writeUInt16LE(group, 90);
  bytes.writeUInt32LE(INCOMPAT_FILETYPE, 96);
  facts.uuid.copy(bytes, 104, 0, 16);
  return bytes;
}

export function encodeGroupTable(sizes: readonly number[], counts: readonly GroupCounts[]): Buffer {
  const table = Buffer.alloc(BLOCK_BYTES);
  sizes.forEach((_size, group) => {
    const first = group * BLOCKS_PER_GROUP;
    table.writeUInt32LE(first + 2, group * 32);
    table.writeUInt32LE(first + 3, group * 32 + 4);
    table.writeUInt32LE(first + 4, group * 32 + 8);
    table.writeUInt16LE(counts[group]?.freeBlocks ?? 0, group * 32 + 12);
    table.writeUInt16LE(counts[group]?.freeInodes ?? 0, group * 32 + 14);
    table.writeUInt16LE(counts[group]?.directories ?? 0, group * 32 + 16);
  });
  return table;
}

export function encodeInode(inode: Inode): Buffer {
  const bytes = Buffer.alloc(INODE_BYTES);
  bytes.writeUInt16LE(inode.directory ? MODE_DIRECTORY : MODE_FILE, 0);
  bytes.writeUInt32LE(inode.bytes, 4);
  for (const offset of [8, 12, 16]) bytes.writeUInt32LE(CREATED_AT_SECONDS, offset);
  bytes.writeUInt16LE(inode.links, 26);
  bytes.writeUInt32LE(((inode.blocks.length + inode.pointerBlocks.length) * BLOCK_BYTES) / 512, 28);
  inode.blocks.slice(0, DIRECT_BLOCKS).forEach((block, index) => {
    bytes.writeUInt32LE(block, 40 + 4 * index);
  });
  bytes.writeUInt32LE(inode.pointerBlocks[0] ?? 0, 40 + 4 * DIRECT_BLOCKS);
  bytes.writeUInt32LE(inode.pointerBlocks[1] ?? 0, 40 + 4 * (DIRECT_BLOCKS + 1));
  return bytes;
}

/** How many blocks of block numbers a file of `dataBlocks` needs: single, then double with its leaves. */
export function pointerBlockCount(dataBlocks: number): number {
  if (dataBlocks <= DIRECT_BLOCKS) return 0;
  const beyondSingle = dataBlocks - DIRECT_BLOCKS - POINTERS_PER_BLOCK;
  return beyondSingle <= 0 ? 1 : 2 + Math.ceil(beyondSingle / POINTERS_PER_BLOCK);
}

/** What each pointer block holds, in the order of `inode.pointerBlocks`. */
export function encodePointerBlocks(inode: Inode): Buffer[] {
  const listOf = (numbers: readonly number[]): Buffer => {
    const block = Buffer.alloc(BLOCK_BYTES);
    numbers.forEach((number, index) => {
      block.writeUInt32LE(number, 4 * index);
    });
    return block;
  };
  return inode.pointerBlocks.map((_block, index) => {
    if (index === 1) return listOf(inode.pointerBlocks.slice(2));
    const leaf = index === 0 ? 0 : index - 1;
    const start = DIRECT_BLOCKS + leaf * POINTERS_PER_BLOCK;
    return listOf(inode.blocks.slice(start, start + POINTERS_PER_BLOCK));
  });
}

/** One block of directory entries; the last entry's length fills the block. */
export function encodeDirectory(
  entries: readonly { readonly name: string; readonly inode: number; readonly directory: boolean }[],
): Buffer {
  const block = Buffer.alloc(BLOCK_BYTES);
  let offset = 0;
  entries.forEach((entry, index) => {
    const name = Buffer.from(entry.name, 'latin1');
    const needed = (8 + name.length + 3) & ~3;
    const length = index === entries.length - 1 ? BLOCK_BYTES - offset : needed;
    if (offset + needed > BLOCK_BYTES) throw new Error('a sample directory holds at most one block of entries');
    block.writeUInt32LE(entry.inode, offset);
    block.writeUInt16LE(length, offset + 4);
    block.writeUInt8(name.length, offset + 6);
    block.writeUInt8(entry.directory ? 2 : 1, offset + 7);
    name.copy(block, offset + 8);
    offset += length;
  });
  return block;
}
