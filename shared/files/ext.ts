/** ext2, ext3 and ext4, read-only: extents or block maps, inline data, linear reading of folders (an index is passed over). */
import type { BlockSource } from '../device/block-source';
import { inlineOf } from './ext-inline';
import { type ExtGeometry, type ExtInode, inodeFlags, readGeometry, readInode } from './ext-layout';
import {
  type FileExtent,
  type FileNode,
  type FileSystem,
  type FolderEntry,
  fileLimits,
  isName,
  nameOf,
  notSupported,
  unreadable,
  VolumeReader,
} from './file-system';

const ROOT_INODE = 2;
const EXTENT_MAGIC = 0xf30a;
const EXTENT_DEPTH_MAX = 5;
const UNWRITTEN = 32_768;

export async function openExt(source: BlockSource, signal?: AbortSignal): Promise<FileSystem | undefined> {
  const volume = new VolumeReader(source, 'the ext file system');
  const geometry = await readGeometry(volume, signal);
  if (!geometry) return undefined;
  const root = await readInode(volume, geometry, ROOT_INODE, signal);
  if (root.node.kind !== 'folder') throw unreadable('the root of the ext file system', 'it is no folder');
  return new ExtFileSystem(volume, geometry, root.node);
}

interface BlockRun {
  readonly logical: number;
  readonly count: number;
  /** undefined: allocated and never written, which reads as zeros. */
  readonly physical: number | undefined;
}

class ExtFileSystem implements FileSystem {
  readonly kind: string;
  readonly label: string;
  readonly isCaseSensitive = true;

  constructor(
    private readonly volume: VolumeReader,
    private readonly geometry: ExtGeometry,
    readonly root: FileNode,
  ) {
    this.kind = geometry.kind;
    this.label = geometry.label;
  }

  async *list(folder: FileNode, signal?: AbortSignal): AsyncGenerator<FolderEntry> {
    const inode = await this.inode(folder, signal);
    if (inode.node.kind !== 'folder') throw unreadable(`inode ${inode.number}`, 'it is no folder');
    if (inode.flags & inodeFlags.encrypted) throw notSupported('the names in this folder are encrypted');
    if (inode.node.sizeBytes > fileLimits.folderBytesMax) {
      throw unreadable(`folder ${inode.number}`, `it has ${inode.node.sizeBytes} bytes`);
    }
    let entries = 0;
    for await (const block of this.folderBlocks(inode, signal)) {
      for (const { name, number } of entriesOf(block, inode.number)) {
        if (++entries > fileLimits.folderEntriesMax) throw unreadable(`folder ${inode.number}`, 'too many entries');
        yield { name, node: async (until) => (await readInode(this.volume, this.geometry, number, until)).node };
      }
    }
  }

  async *extents(file: FileNode, signal?: AbortSignal): AsyncGenerator<FileExtent> {
    const inode = await this.inode(file, signal);
    if (inode.flags & inodeFlags.encrypted) throw notSupported('this file is encrypted by its file system');
    const { sizeBytes } = inode.node;
    if (inode.flags & inodeFlags.inlineData) {
      const bytes = inlineOf(inode, sizeBytes);
      if (bytes.length > 0) yield { start: 0, end: bytes.length, bytes };
      return;
    }
    const { blockBytes } = this.geometry;
    for await (const run of this.runs(inode, signal)) {
      const start = run.logical * blockBytes;
      const end = Math.min(sizeBytes, start + run.count * blockBytes);
      if (start >= sizeBytes) continue; // allocated beyond the end
      yield { start, end, ...(run.physical === undefined ? {} : { at: run.physical * blockBytes }) };
    }
  }

  async readLink(link: FileNode, signal?: AbortSignal): Promise<string> {
    const inode = await this.inode(link, signal);
    const { sizeBytes } = inode.node;
    if (inode.node.kind !== 'link' || sizeBytes > fileLimits.linkBytesMax)
      throw unreadable(`link ${inode.number}`, 'it is none');
    if (inode.flags & inodeFlags.encrypted) throw notSupported('this link is encrypted by its file system');
    if (inode.flags & inodeFlags.inlineData) return nameOf(inlineOf(inode, sizeBytes));
    // Short targets lie where the block numbers would.
    if (sizeBytes < inode.blockArea.length) return nameOf(inode.blockArea.subarray(0, sizeBytes));
    const parts: Buffer[] = [];
    for await (const { start, end, at } of this.extents(link, signal)) {
      parts.push(at === undefined ? Buffer.alloc(end - start) : await this.volume.read(at, end - start, signal));
    }
    return nameOf(Buffer.concat(parts));
  }

  private inode({ id }: FileNode, signal?: AbortSignal): Promise<ExtInode> {
    return readInode(this.volume, this.geometry, Number(id), signal);
  }

  private async *folderBlocks(inode: ExtInode, signal?: AbortSignal): AsyncGenerator<Buffer> {
    if (inode.flags & inodeFlags.inlineData) {
      const bytes = inlineOf(inode, inode.node.sizeBytes);
      // The number of the parent, then entries without `.` and `..`; the rest lies behind the inode.
      yield bytes.subarray(4, 60);
      if (bytes.length > 60) yield bytes.subarray(60);
      return;
    }
    const { blockBytes } = this.geometry;
    const blocks = Math.ceil(inode.node.sizeBytes / blockBytes);
    for await (const { logical, count, physical } of this.runs(inode, signal)) {
      for (let at = 0; at < count && logical + at < blocks && physical !== undefined; at++) {
        signal?.throwIfAborted();
        yield await this.volume.read((physical + at) * blockBytes, blockBytes, signal);
      }
    }
  }

  /** The blocks of an inode that lie somewhere, ascending; neighbours in file and volume are one run. */
  private async *runs(inode: ExtInode, signal?: AbortSignal): AsyncGenerator<BlockRun> {
    const runs =
      inode.flags & inodeFlags.extents
        ? this.extentRuns(inode, inode.blockArea, EXTENT_DEPTH_MAX, signal)
        : this.mappedRuns(inode, signal);
    let pieces = 0;
    let last: BlockRun | undefined;
    for await (const run of runs) {
      const end = last ? last.logical + last.count : 0;
      if (run.logical < end) throw unreadable(`inode ${inode.number}`, 'its blocks are out of order');
      if (++pieces > fileLimits.extentsMax) throw unreadable(`inode ${inode.number}`, 'it has too many pieces');
      const continues =
        last?.physical !== undefined && run.logical === end && run.physical === last.physical + last.count;
      if (last && continues) {
        last = { ...last, count: last.count + run.count };
      } else {
        if (last) yield last;
        last = run;
      }
    }
    if (last) yield last;
  }

  private async *extentRuns(
    inode: ExtInode,
    node: Buffer,
    depthMax: number,
    signal?: AbortSignal,
  ): AsyncGenerator<BlockRun> {
    const what = `inode ${inode.number}`;
    const entries = node.readUInt16LE(2);
    const depth = node.readUInt16LE(6);
    if (node.readUInt16LE(0) !== EXTENT_MAGIC || 12 + entries * 12 > node.length)
      throw unreadable(what, 'its extent tree');
    // Strictly less at each step down: a tree cannot lead in a circle.
    if (depth > depthMax) throw unreadable(what, 'its extent tree is too deep or leads in a circle');
    for (let index = 0; index < entries; index++) {
      signal?.throwIfAborted();
      const entry = node.subarray(12 + index * 12, 24 + index * 12);
      if (depth === 0) {
        const length = entry.readUInt16LE(4);
        const written = length <= UNWRITTEN;
        const physical = entry.readUInt32LE(8) + entry.readUInt16LE(6) * 2 ** 32;
        const count = written ? length : length - UNWRITTEN;
        yield { logical: entry.readUInt32LE(0), count, physical: written ? physical : undefined };
      } else {
        const block = entry.readUInt32LE(4) + entry.readUInt16LE(8) * 2 ** 32;
        const { blockBytes } = this.geometry;
        const below = await this.volume.read(block * blockBytes, blockBytes, signal);
        yield* this.extentRuns(inode, below, depth - 1, signal);
      }
    }
  }

  /** Twelve blocks, then one block of numbers, one of those, one of those. */
  private async *mappedRuns(inode: ExtInode, signal?: AbortSignal): AsyncGenerator<BlockRun> {
    const { blockBytes } = this.geometry;
    const perBlock = blockBytes / 4;
    const blocks = Math.ceil(inode.node.sizeBytes / blockBytes);
    let logical = 0;
    for (let slot = 0; slot < 15 && logical < blocks; slot++) {
      const level = Math.max(0, slot - 11);
      const number = inode.blockArea.readUInt32LE(slot * 4);
      yield* this.mapped(number, level, logical, blocks, signal);
      logical += perBlock ** level;
    }
  }

  private async *mapped(
    number: number,
    level: number,
    logical: number,
    blocks: number,
    signal?: AbortSignal,
  ): AsyncGenerator<BlockRun> {
    if (number === 0) return;
    if (level === 0) {
      yield { logical, count: 1, physical: number };
      return;
    }
    const { blockBytes } = this.geometry;
    const table = await this.volume.read(number * blockBytes, blockBytes, signal);
    const step = (blockBytes / 4) ** (level - 1);
    for (let index = 0; index < blockBytes / 4 && logical + index * step < blocks; index++) {
      signal?.throwIfAborted();
      yield* this.mapped(table.readUInt32LE(index * 4), level - 1, logical + index * step, blocks, signal);
    }
  }
}

/** The entries of one block. Names that are none are left out: nothing could be asked for by them. */
function* entriesOf(block: Buffer, folder: number): Generator<{ readonly name: string; readonly number: number }> {
  for (let at = 0; at + 8 <= block.length; ) {
    const number = block.readUInt32LE(at);
    const length = block.readUInt16LE(at + 4);
    const nameLength = block.readUInt8(at + 6);
    // 65536 does not fit into the field: a whole block of 64 KiB says 0 or 65535.
    const step = length === 0 || length === 65_535 ? block.length - at : length;
    if (step < 8 || step % 4 !== 0 || at + step > block.length || nameLength > step - 8) {
      throw unreadable(`folder ${folder}`, 'its entries are damaged');
    }
    const name = nameOf(block.subarray(at + 8, at + 8 + nameLength));
    if (number !== 0 && isName(name)) yield { name, number };
    at += step;
  }
}
