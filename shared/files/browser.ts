/** Files of restore points: what every way in (API, `serve`, command line) offers. Paths are of the file system on the disk. */
import { createHash } from 'node:crypto';
import { type BlockSource, requireInside } from '../device/block-source';
import type { PointDisk } from '../device/point-disk';
import type { PointLibrary } from '../device/point-library';
import { AppError, isAppError } from '../model/errors';
import type { Lun } from '../model/machine';
import { type ArchiveFormat, archive, safeName } from './archive';
import type { FileExtent, FileNode, FileSystem } from './file-system';
import { findPath } from './paths';
import { extentsOf, readFile } from './read-file';
import { type DiskContents, readDisk, volumeOf } from './volumes';

export interface FilePlace {
  readonly pointId: string;
  readonly lun: Lun;
  /** Absent where the disk has only one volume with a file system. */
  readonly volume?: string | undefined;
  readonly path: string;
}

export interface NodeView {
  readonly name: string;
  readonly path: string;
  readonly kind: FileNode['kind'];
  readonly sizeBytes: number;
  readonly modifiedAt?: string;
  readonly mode?: number;
  readonly uid?: number;
  readonly gid?: number;
  readonly linkTarget?: string;
  /** Why its details cannot be read. */
  readonly problem?: string;
}

/** A file as bytes that can be read anywhere. */
export interface OpenedFile {
  readonly view: NodeView;
  readonly source: BlockSource;
  /** Strong: another content, another tag. */
  readonly contentTag: string;
}

/** Where a path leads: the disk, the file system on it, the node. */
export interface FoundFile {
  readonly disk: PointDisk;
  readonly volume: { readonly id: string; readonly source: BlockSource; readonly open: FileSystem };
  readonly path: string;
  readonly node: FileNode;
}

/** Disks of which the tables and superblocks are kept. */
const CONTENTS_MAX = 16;
const PAGE_MAX = 1000;

export class FileBrowser {
  private readonly contents = new Map<string, Promise<DiskContents>>();

  constructor(readonly library: PointLibrary) {}

  async volumes(pointId: string, lun: Lun): Promise<DiskContents> {
    const key = `${pointId}/${lun}`;
    const known = this.contents.get(key) ?? this.library.open(pointId, lun).then((disk) => readDisk(disk));
    this.contents.delete(key);
    this.contents.set(key, known);
    for (const oldest of this.contents.keys()) {
      if (this.contents.size <= CONTENTS_MAX) break;
      this.contents.delete(oldest);
    }
    known.catch(() => this.contents.get(key) === known && this.contents.delete(key));
    return known;
  }

  /** `request.not-found` when there is nothing at the path. */
  async find(
    place: FilePlace,
    options: { readonly follow?: boolean; readonly signal?: AbortSignal | undefined } = {},
  ): Promise<FoundFile> {
    const disk = await this.library.open(place.pointId, place.lun);
    const contents = await this.volumes(place.pointId, place.lun);
    const volume = volumeOf(contents, place.volume ?? onlyVolume(contents));
    const { path, node } = await findPath(volume.open, place.path, options);
    return { disk, volume, path, node };
  }

  async stat(place: FilePlace, signal?: AbortSignal): Promise<NodeView> {
    const { volume, path, node } = await this.find(place, { signal });
    return viewOf(volume.open, path, node, signal);
  }

  /** Entries by name, at most 1000 at a time; `after` is the name to go on behind. Only those shown are looked up. */
  async list(
    place: FilePlace,
    page: { readonly limit?: number | undefined; readonly after?: string | undefined },
    signal?: AbortSignal,
  ): Promise<{ readonly folder: NodeView; readonly entries: readonly NodeView[]; readonly next?: string }> {
    const { volume, path, node } = await this.find(place, { follow: true, signal });
    if (node.kind !== 'folder') throw new AppError('request.invalid', `${JSON.stringify(path)} is no folder`);
    const limit = Math.min(PAGE_MAX, page.limit ?? PAGE_MAX);
    const all = [];
    for await (const entry of volume.open.list(node, signal)) {
      if (page.after === undefined || entry.name > page.after) all.push(entry);
    }
    all.sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0));
    const entries: NodeView[] = [];
    for (const entry of all.slice(0, limit)) {
      const at = `${path === '/' ? '' : path}/${entry.name}`;
      try {
        entries.push(await viewOf(volume.open, at, await entry.node(signal), signal));
      } catch (error) {
        if (!isAppError(error, 'disk.unreadable') && !isAppError(error, 'disk.unsupported')) throw error;
        entries.push({ name: entry.name, path: at, kind: 'other', sizeBytes: 0, problem: error.message });
      }
    }
    const next = all.length > limit ? entries.at(-1)?.name : undefined;
    return { folder: await viewOf(volume.open, path, node, signal), entries, ...(next === undefined ? {} : { next }) };
  }

  /** A file's bytes; links are followed. `request.invalid` for a folder: that is an archive. */
  async file(place: FilePlace, signal?: AbortSignal): Promise<OpenedFile> {
    const { disk, volume, path, node } = await this.find(place, { follow: true, signal });
    if (node.kind !== 'file') {
      throw new AppError('request.invalid', `${JSON.stringify(path)} is no file; a folder is fetched as zip or tar`);
    }
    const extents = await extentsOf(volume.open, node, signal);
    const tag = createHash('sha256')
      .update(JSON.stringify([disk.contentTag, volume.id, node.id, node.sizeBytes]))
      .digest('hex');
    return {
      view: await viewOf(volume.open, path, node, signal),
      source: new FileSource(volume.source, node, extents),
      contentTag: tag.slice(0, 32),
    };
  }

  /** A folder, or one file, as an archive. */
  async archive(
    place: FilePlace,
    format: ArchiveFormat,
    signal?: AbortSignal,
  ): Promise<{ readonly name: string; readonly content: AsyncGenerator<Buffer> }> {
    const { volume, path, node } = await this.find(place, { follow: true, signal });
    if (node.kind !== 'folder') throw new AppError('request.invalid', `${JSON.stringify(path)} is no folder`);
    const name = safeName(path.split('/').at(-1) ?? '') || `${place.pointId}-${place.lun}`;
    const content = archive({ source: volume.source, system: volume.open, folder: node, name, format, signal });
    return { name: `${name}.${format}`, content };
  }
}

function onlyVolume(contents: DiskContents): string {
  const readable = contents.volumes.filter(({ open }) => open);
  const [only] = readable;
  if (only && readable.length === 1) return only.id;
  const known = contents.volumes
    .map(({ id, fileSystem, problem }) => `${id} (${fileSystem?.kind ?? problem ?? 'unknown'})`)
    .join(', ');
  throw new AppError('request.invalid', `say which volume of the disk; there are: ${known || 'none'}`);
}

export async function viewOf(
  system: FileSystem,
  path: string,
  node: FileNode,
  signal?: AbortSignal,
): Promise<NodeView> {
  const { id: _, ...shown } = node;
  const view = { name: path.split('/').at(-1) ?? '', path, ...shown };
  return node.kind === 'link' ? { ...view, linkTarget: await system.readLink(node, signal) } : view;
}

class FileSource implements BlockSource {
  constructor(
    private readonly volume: BlockSource,
    private readonly node: FileNode,
    private readonly pieces: readonly FileExtent[],
  ) {}

  get sizeBytes(): number {
    return this.node.sizeBytes;
  }

  async read(offset: number, length: number, signal?: AbortSignal): Promise<Buffer> {
    requireInside(this, offset, length);
    const range = { start: offset, end: offset + length };
    const parts: Buffer[] = [];
    for await (const part of readFile(this.volume, this.node, this.pieces, range, signal)) parts.push(part);
    return Buffer.concat(parts);
  }

  /** Nobody asks a file for its holes yet: all of it counts as data. */
  extents(range: { readonly start: number; readonly end: number }) {
    return Promise.resolve([{ ...range, zero: false }]);
  }
}
