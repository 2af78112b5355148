/**
 * What browsing needs of a file system, whatever its kind. The bytes are a stranger's: nothing in them is believed. Counts,
 * depths and sizes are bounded, loops are found, and what makes no sense is `disk.unreadable`, naming the place.
 */
import type { BlockSource } from '../device/block-source';
import type { ByteRange } from '../model/byte-range';
import { AppError } from '../model/errors';

export type NodeKind = 'file' | 'folder' | 'link' | 'other';

export interface FileNode {
  /** Within its file system: an inode, an MFT record, a first cluster. */
  readonly id: string;
  readonly kind: NodeKind;
  readonly sizeBytes: number;
  /** ISO 8601 in UTC; absent where the file system does not say. */
  readonly modifiedAt?: string;
  /** Permission bits, owner and group of POSIX file systems. */
  readonly mode?: number;
  readonly uid?: number;
  readonly gid?: number;
}

export interface FolderEntry {
  readonly name: string;
  /** Asked for when it is wanted: a search for one name should not read the others' nodes. */
  readonly node: (signal?: AbortSignal) => Promise<FileNode>;
}

/** Bytes [start, end) of a file: at a place of the volume, given here, or zeros. */
export interface FileExtent extends ByteRange {
  readonly at?: number;
  readonly bytes?: Buffer;
}

export interface FileSystem {
  readonly kind: string;
  readonly label: string;
  /** Names differ by more than their case. */
  readonly isCaseSensitive: boolean;
  readonly root: FileNode;
  /** Without `.` and `..`. */
  list(folder: FileNode, signal?: AbortSignal): AsyncIterable<FolderEntry>;
  /** Where the bytes [0, sizeBytes) of a file lie: ascending, gaps are zeros. `disk.unsupported` for what is packed. */
  extents(file: FileNode, signal?: AbortSignal): AsyncIterable<FileExtent>;
  /** Target of a symbolic link, as it stands. */
  readLink(link: FileNode, signal?: AbortSignal): Promise<string>;
}

export const fileLimits = {
  /** Entries of one folder; ext4's largest in practice hold some million. */
  folderEntriesMax: 5_000_000,
  /** Pieces of one file. */
  extentsMax: 2_000_000,
  /** Bytes of one folder. */
  folderBytesMax: 1024 * 1024 * 1024,
  nameBytesMax: 1024,
  linkBytesMax: 64 * 1024,
  /** Folders below each other. */
  depthMax: 256,
} as const;

export const unreadable = (what: string, why: string): AppError =>
  new AppError('disk.unreadable', `${what} cannot be read: ${why}`, { context: { what } });

export const notSupported = (what: string): AppError => new AppError('disk.unsupported', what);

/**
 * A name as text. Bytes that are no UTF-8 are shown as `\xNN`, so that a person can type the name again; whatever shows it
 * has to make control characters harmless.
 */
export function nameOf(bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return [...bytes]
      .map((byte) =>
        byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : `\\x${byte.toString(16).padStart(2, '0')}`,
      )
      .join('');
  }
}

/** May this be the name of an entry? What holds a separator or leads elsewhere is no name, whoever wrote it. */
export const isName = (name: string): boolean =>
  name !== '' && name !== '.' && name !== '..' && !/[/\0]/.test(name) && name.length <= fileLimits.nameBytesMax;

/** Seconds since 1970 as ISO 8601; undefined for what is no time of this world. */
export function timeOf(seconds: number): string | undefined {
  const ms = seconds * 1000;
  return Number.isFinite(ms) && Math.abs(ms) <= 8.64e15 ? new Date(ms).toISOString() : undefined;
}

/** Reads of metadata, small and again and again: whole aligned pages are kept. */
export class VolumeReader {
  private readonly pages = new Map<number, Buffer>();

  constructor(
    readonly source: BlockSource,
    private readonly what: string,
    private readonly pageBytes = 65_536,
    private readonly pagesMax = 64,
  ) {}

  /** Exactly these bytes. `disk.unreadable` for a place outside of the volume. */
  async read(offset: number, length: number, signal?: AbortSignal): Promise<Buffer> {
    const { sizeBytes } = this.source;
    if (!Number.isSafeInteger(offset) || offset < 0 || length < 0 || offset + length > sizeBytes) {
      throw unreadable(this.what, `it points to bytes ${offset}+${length}, the volume has ${sizeBytes}`);
    }
    if (length > this.pageBytes) return this.source.read(offset, length, signal);
    const first = Math.floor(offset / this.pageBytes);
    const last = Math.floor((offset + Math.max(length, 1) - 1) / this.pageBytes);
    const parts = [await this.page(first, signal)];
    if (last > first) parts.push(await this.page(last, signal));
    const start = offset - first * this.pageBytes;
    return Buffer.concat(parts).subarray(start, start + length);
  }

  private async page(index: number, signal?: AbortSignal): Promise<Buffer> {
    const known = this.pages.get(index);
    const start = index * this.pageBytes;
    const end = Math.min(this.source.sizeBytes, start + this.pageBytes);
    const page = known ?? (start < end ? await this.source.read(start, end - start, signal) : Buffer.alloc(0));
    this.pages.delete(index);
    this.pages.set(index, page);
    for (const oldest of this.pages.keys()) {
      if (this.pages.size <= this.pagesMax) break;
      this.pages.delete(oldest);
    }
    return page;
  }
}
