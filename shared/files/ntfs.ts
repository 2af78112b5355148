/**
 * NTFS, read-only: files over base and extension records, indexes of folders, symbolic links and junctions. Compressed and
 * encrypted files are refused by name, and so are those that Windows stores elsewhere (deduplicated, in a cloud).
 */
import type { BlockSource } from '../device/block-source';
import {
  type FileExtent,
  type FileNode,
  type FileSystem,
  type FolderEntry,
  fileLimits,
  isName,
  notSupported,
  unreadable,
  VolumeReader,
} from './file-system';
import { indexEntries, indexPartsOf } from './ntfs-index';
import { attributeExtents, attributesOf, attributeTypes, decodeRuns, fixUp, type NtfsAttribute } from './ntfs-record';
import { LINK_TAGS, linkTarget } from './ntfs-reparse';

const ROOT_RECORD = 5;
const VOLUME_RECORD = 3;
/** The first 16 files are the file system's own. */
const OWN_RECORDS = 16;
const VOLUME_NAME = 0x60;
const EXTENSIONS_MAX = 20_000;
const flags = { inUse: 1, folder: 2 } as const;

export interface NtfsGeometry {
  readonly clusterBytes: number;
  readonly recordBytes: number;
}

export async function openNtfs(source: BlockSource, signal?: AbortSignal): Promise<FileSystem | undefined> {
  if (source.sizeBytes < 512) return undefined;
  const volume = new VolumeReader(source, 'the NTFS file system');
  const boot = await volume.read(0, 512, signal);
  if (boot.toString('latin1', 3, 11) !== 'NTFS    ') return undefined;
  const sectorBytes = boot.readUInt16LE(11);
  const perCluster = boot.readUInt8(13);
  // Above 128 it is a power of two, counted down from 256.
  const clusterBytes = sectorBytes * (perCluster > 128 ? 2 ** (256 - perCluster) : perCluster);
  const perRecord = boot.readInt8(64);
  const recordBytes = perRecord < 0 ? 2 ** -perRecord : perRecord * clusterBytes;
  const mftAt = Number(boot.readBigUInt64LE(48)) * clusterBytes;
  const sane =
    [512, 1024, 2048, 4096].includes(sectorBytes) &&
    clusterBytes >= 512 &&
    clusterBytes <= 2 ** 21 &&
    recordBytes >= 512 &&
    recordBytes <= 65_536 &&
    recordBytes % 512 === 0;
  if (!sane) throw unreadable('the NTFS boot sector', 'its sizes make no sense');
  const system = new NtfsFileSystem(volume, { clusterBytes, recordBytes });
  await system.start(mftAt, signal);
  return system;
}

interface NtfsFile {
  readonly record: number;
  readonly isFolder: boolean;
  readonly attributes: readonly NtfsAttribute[];
}

class NtfsFileSystem implements FileSystem {
  readonly kind = 'ntfs';
  label = '';
  readonly isCaseSensitive = false;
  root: FileNode = { id: String(ROOT_RECORD), kind: 'folder', sizeBytes: 0 };
  /** Where the table of files lies. */
  private mft: FileExtent[] = [];

  constructor(
    private readonly volume: VolumeReader,
    private readonly geometry: NtfsGeometry,
  ) {}

  async start(mftAt: number, signal?: AbortSignal): Promise<void> {
    const { recordBytes } = this.geometry;
    this.mft = [{ start: 0, end: recordBytes, at: mftAt }];
    const self = await this.file(0, signal, false);
    const first = self.attributes.filter(({ type, name }) => type === attributeTypes.data && name === '');
    this.mft = this.placed(first);
    // A table in many pieces describes itself in further records, which the first piece must reach.
    const whole = await this.file(0, signal);
    this.mft = this.placed(dataOf(whole));
    const root = await this.file(ROOT_RECORD, signal);
    if (!root.isFolder) throw unreadable('the root of the NTFS file system', 'it is no folder');
    this.root = this.node(root);
    const name = (await this.file(VOLUME_RECORD, signal)).attributes.find(({ type }) => type === VOLUME_NAME);
    this.label = name?.resident?.toString('utf16le') ?? '';
  }

  async *list(folder: FileNode, signal?: AbortSignal): AsyncGenerator<FolderEntry> {
    const file = await this.file(Number(folder.id), signal);
    if (!file.isFolder) throw unreadable(`record ${file.record}`, 'it is no folder');
    const what = `folder ${file.record}`;
    const { root, allocation, blockBytes } = indexPartsOf(file.attributes, what);
    const seen = new Set<string>();
    const blocks = this.indexBlocks(allocation, blockBytes, what, signal);
    for await (const entry of indexEntries(root, blocks, what)) {
      // Names of eight and three letters stand beside the long ones; hard links are several names of one file.
      if (entry.isShort || !isName(entry.name) || entry.record < OWN_RECORDS) continue;
      if (seen.size >= fileLimits.folderEntriesMax) throw unreadable(what, 'it has too many entries');
      if (seen.has(entry.name)) continue;
      seen.add(entry.name);
      const { name, record } = entry;
      yield { name, node: async (until) => this.node(await this.file(record, until)) };
    }
  }

  async *extents(node: FileNode, signal?: AbortSignal): AsyncGenerator<FileExtent> {
    const file = await this.file(Number(node.id), signal);
    const reparse = file.attributes.find(({ type }) => type === attributeTypes.reparsePoint)?.resident;
    if (reparse && reparse.length >= 4 && !LINK_TAGS.has(reparse.readUInt32LE(0))) {
      throw notSupported(
        `file ${file.record} is stored elsewhere by Windows (reparse tag 0x${reparse.readUInt32LE(0).toString(16)})`,
      );
    }
    yield* attributeExtents(dataOf(file), this.geometry.clusterBytes, `file ${file.record}`);
  }

  async readLink(link: FileNode, signal?: AbortSignal): Promise<string> {
    const file = await this.file(Number(link.id), signal);
    const data = file.attributes.find(({ type }) => type === attributeTypes.reparsePoint)?.resident;
    const target = data && linkTarget(data);
    if (target === undefined) throw unreadable(`link ${file.record}`, 'it is none');
    return target;
  }

  private node({ record, isFolder, attributes }: NtfsFile): FileNode {
    const data = attributes.find(({ type, name }) => type === attributeTypes.data && name === '');
    const times = attributes.find(({ type }) => type === attributeTypes.standardInformation)?.resident;
    const reparse = attributes.find(({ type }) => type === attributeTypes.reparsePoint)?.resident;
    const isLink = reparse !== undefined && linkTarget(reparse) !== undefined;
    const modifiedAt = times && times.length >= 16 ? windowsTime(times.readBigUInt64LE(8)) : undefined;
    return {
      id: String(record),
      kind: isLink ? 'link' : isFolder ? 'folder' : 'file',
      sizeBytes: isFolder || isLink ? 0 : (data?.sizeBytes ?? 0),
      ...(modifiedAt === undefined ? {} : { modifiedAt }),
    };
  }

  /** A file with all its attributes, also those in extension records. */
  private async file(record: number, signal?: AbortSignal, follow = true): Promise<NtfsFile> {
    const what = `record ${record}`;
    const bytes = await this.record(record, signal);
    const state = bytes.readUInt16LE(22);
    if ((state & flags.inUse) === 0) throw unreadable(what, 'it is not in use');
    const own = attributesOf(bytes, what);
    const list = follow ? own.find(({ type }) => type === attributeTypes.attributeList) : undefined;
    const others = list ? await this.extensions(record, list, signal) : [];
    return { record, isFolder: (state & flags.folder) !== 0, attributes: [...own, ...others] };
  }

  /** Attributes in the records that an attribute list names, in its order, which is that of their clusters. */
  private async extensions(base: number, list: NtfsAttribute, signal?: AbortSignal): Promise<NtfsAttribute[]> {
    const what = `the attribute list of record ${base}`;
    if (list.sizeBytes > fileLimits.folderBytesMax / 64) throw unreadable(what, `it has ${list.sizeBytes} bytes`);
    const bytes = await this.readAll([list], what, signal);
    const found: NtfsAttribute[] = [];
    const read = new Set<number>([base]);
    for (let at = 0; at + 26 <= bytes.length; ) {
      const length = bytes.readUInt16LE(at + 4);
      const record = bytes.readUIntLE(at + 16, 6);
      if (length < 26 || at + length > bytes.length) throw unreadable(what, 'an entry does not fit into it');
      at += length;
      if (read.has(record)) continue;
      read.add(record);
      if (read.size > EXTENSIONS_MAX) throw unreadable(what, 'it names too many records');
      const extension = await this.record(record, signal);
      if (extension.readUIntLE(32, 6) !== base) throw unreadable(what, `record ${record} belongs to another file`);
      found.push(...attributesOf(extension, `record ${record}`));
    }
    return found;
  }

  private async record(number: number, signal?: AbortSignal): Promise<Buffer> {
    const { recordBytes } = this.geometry;
    const what = `record ${number}`;
    signal?.throwIfAborted();
    const bytes = await this.readFrom(this.mft, number * recordBytes, recordBytes, what, signal);
    fixUp(bytes, 'FILE', what);
    return bytes;
  }

  private async *indexBlocks(
    allocation: readonly NtfsAttribute[],
    blockBytes: number,
    what: string,
    signal?: AbortSignal,
  ): AsyncGenerator<Buffer> {
    const [head] = allocation;
    if (!head) return;
    if (head.sizeBytes > fileLimits.folderBytesMax) throw unreadable(what, `its index has ${head.sizeBytes} bytes`);
    const extents = [...attributeExtents(allocation, this.geometry.clusterBytes, what)];
    for (let at = 0; at + blockBytes <= head.sizeBytes; at += blockBytes) {
      signal?.throwIfAborted();
      const block = await this.readFrom(extents, at, blockBytes, what, signal);
      // Blocks that are free for use may hold anything.
      if (block.toString('latin1', 0, 4) !== 'INDX') continue;
      fixUp(block, 'INDX', what);
      yield block;
    }
  }

  private async readAll(parts: readonly NtfsAttribute[], what: string, signal?: AbortSignal): Promise<Buffer> {
    const extents = [...attributeExtents(parts, this.geometry.clusterBytes, what)];
    return this.readFrom(extents, 0, parts[0]?.sizeBytes ?? 0, what, signal);
  }

  private async readFrom(
    extents: readonly FileExtent[],
    offset: number,
    length: number,
    what: string,
    signal?: AbortSignal,
  ): Promise<Buffer> {
    const bytes = Buffer.alloc(length);
    let found = 0;
    for (const { start, end, at, bytes: inside } of extents) {
      const from = Math.max(start, offset);
      const until = Math.min(end, offset + length);
      if (from >= until) continue;
      const piece = inside
        ? inside.subarray(from - start, until - start)
        : await this.volume.read((at ?? 0) + from - start, until - from, signal);
      piece.copy(bytes, from - offset);
      found += until - from;
    }
    if (found < length) throw unreadable(what, 'it lies where nothing is stored');
    return bytes;
  }

  private placed(parts: readonly NtfsAttribute[]): FileExtent[] {
    const { clusterBytes } = this.geometry;
    return parts.flatMap((part) =>
      decodeRuns(part, 'the table of files').flatMap(({ first, count, at }) =>
        at === undefined
          ? []
          : [{ start: first * clusterBytes, end: (first + count) * clusterBytes, at: at * clusterBytes }],
      ),
    );
  }
}

/** The pieces of the unnamed data, in the order of their clusters. */
const dataOf = ({ attributes }: Pick<NtfsFile, 'attributes'>): NtfsAttribute[] =>
  attributes
    .filter(({ type, name }) => type === attributeTypes.data && name === '')
    .sort((a, b) => a.firstCluster - b.firstCluster);

/** Steps of 100 ns since 1601. */
function windowsTime(ticks: bigint): string | undefined {
  const ms = Number(ticks / 10_000n) - 11_644_473_600_000;
  return ticks > 0n && Math.abs(ms) <= 8.64e15 ? new Date(ms).toISOString() : undefined;
}
