/** FAT12, FAT16 and FAT32 with long names, read-only. */
import type { BlockSource } from '../device/block-source';
import { chainRuns, type FatGeometry, readFatGeometry } from './fat-layout';
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

const attributes = { volume: 0x08, folder: 0x10, longName: 0x0f } as const;
const ROOT = 'root';

export async function openFat(source: BlockSource, signal?: AbortSignal): Promise<FileSystem | undefined> {
  const volume = new VolumeReader(source, 'the FAT file system');
  const geometry = await readFatGeometry(volume, signal);
  return geometry && new FatFileSystem(volume, geometry);
}

class FatFileSystem implements FileSystem {
  readonly kind: string;
  readonly label: string;
  readonly isCaseSensitive = false;
  readonly root: FileNode = { id: ROOT, kind: 'folder', sizeBytes: 0 };

  constructor(
    private readonly volume: VolumeReader,
    private readonly geometry: FatGeometry,
  ) {
    this.kind = geometry.kind;
    this.label = geometry.label;
  }

  async *list(folder: FileNode, signal?: AbortSignal): AsyncGenerator<FolderEntry> {
    const long: string[] = [];
    let checksum = -1;
    let count = 0;
    for await (const record of this.records(folder, signal)) {
      const first = record.readUInt8(0);
      if (first === 0) return;
      if (++count > fileLimits.folderEntriesMax) throw unreadable('a folder', 'it has too many entries');
      const attribute = record.readUInt8(11);
      if (first === 0xe5) {
        long.length = 0;
      } else if ((attribute & 0x3f) === attributes.longName) {
        if (first & 0x40) long.length = 0;
        checksum = record.readUInt8(13);
        // The last part comes first.
        long.unshift(longPart(record));
        if (long.length > 20) long.length = 0;
      } else {
        const short = record.subarray(0, 11);
        const name = long.length > 0 && checksum === sumOf(short) ? long.join('') : shortName(record);
        long.length = 0;
        if ((attribute & attributes.volume) !== 0 || !isName(name)) continue;
        const node = this.node(record, attribute);
        yield { name, node: async () => node };
      }
    }
  }

  async *extents(file: FileNode, signal?: AbortSignal): AsyncGenerator<FileExtent> {
    const cluster = Number(file.id);
    if (file.sizeBytes === 0) return;
    const { clusterBytes, dataStart } = this.geometry;
    let start = 0;
    for await (const run of chainRuns(this.volume, this.geometry, cluster, signal)) {
      const end = Math.min(file.sizeBytes, start + run.count * clusterBytes);
      yield { start, end, at: dataStart + (run.cluster - 2) * clusterBytes };
      start = end;
      if (start === file.sizeBytes) return;
    }
    throw unreadable(`cluster ${cluster}`, `its chain ends at ${start} of ${file.sizeBytes} bytes`);
  }

  readLink(): Promise<string> {
    return Promise.reject(notSupported('FAT has no links'));
  }

  private node(record: Buffer, attribute: number): FileNode {
    const isFolder = (attribute & attributes.folder) !== 0;
    const high = this.kind === 'fat32' ? record.readUInt16LE(20) : 0;
    const modifiedAt = dosTime(record.readUInt16LE(24), record.readUInt16LE(22));
    const cluster = high * 65_536 + record.readUInt16LE(26);
    return {
      // A folder that names cluster 0 is the root.
      id: isFolder && cluster === 0 ? ROOT : String(cluster),
      kind: isFolder ? 'folder' : 'file',
      sizeBytes: isFolder ? 0 : record.readUInt32LE(28),
      ...(modifiedAt === undefined ? {} : { modifiedAt }),
    };
  }

  /** The records of 32 bytes of a folder, used ones and others. */
  private async *records(folder: FileNode, signal?: AbortSignal): AsyncGenerator<Buffer> {
    const { root, clusterBytes, dataStart } = this.geometry;
    if (folder.id === ROOT && 'start' in root) {
      const bytes = await this.volume.read(root.start, root.end - root.start, signal);
      for (let at = 0; at + 32 <= bytes.length; at += 32) yield bytes.subarray(at, at + 32);
      return;
    }
    const first = folder.id === ROOT && 'cluster' in root ? root.cluster : Number(folder.id);
    for await (const { cluster, count } of chainRuns(this.volume, this.geometry, first, signal)) {
      for (let index = 0; index < count; index++) {
        signal?.throwIfAborted();
        const bytes = await this.volume.read(dataStart + (cluster - 2 + index) * clusterBytes, clusterBytes, signal);
        for (let at = 0; at + 32 <= bytes.length; at += 32) yield bytes.subarray(at, at + 32);
      }
    }
  }
}

/** Thirteen UTF-16 units in three places; 0 ends the name. */
function longPart(record: Buffer): string {
  const units = Buffer.concat([record.subarray(1, 11), record.subarray(14, 26), record.subarray(28, 32)]);
  return units.toString('utf16le').replace(/[\0\uffff][\s\S]*$/, '');
}

function shortName(record: Buffer): string {
  const first = record.readUInt8(0) === 0x05 ? '\u00e5' : record.toString('latin1', 0, 1);
  const lower = record.readUInt8(12);
  const base = (first + record.toString('latin1', 1, 8)).trimEnd();
  const extension = record.toString('latin1', 8, 11).trimEnd();
  const shown = lower & 0x08 ? base.toLowerCase() : base;
  return extension === '' ? shown : `${shown}.${lower & 0x10 ? extension.toLowerCase() : extension}`;
}

/** Of the short name, kept with each part of the long one: tells those that belong together. */
const sumOf = (short: Buffer): number => short.reduce((sum, byte) => (((sum & 1) << 7) + (sum >> 1) + byte) & 0xff, 0);

/** Local time of whoever wrote it; taken as UTC, because the zone is not on the disk. */
function dosTime(date: number, time: number): string | undefined {
  const day = date & 31;
  const month = (date >> 5) & 15;
  if (day === 0 || month === 0 || month > 12) return undefined;
  const ms = Date.UTC(1980 + (date >> 9), month - 1, day, time >> 11, (time >> 5) & 63, (time & 31) * 2);
  return new Date(ms).toISOString();
}
