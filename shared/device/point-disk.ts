/**
 * One disk of a restore point as a block source, straight from the store. A random read of a block that is not at hand costs
 * one ranged GET of the frame around it; directories and leaves are read once and kept. Walks are fetched ahead of.
 */
import type { ComputePool } from '../blockstore/compute-pool';
import { loadRoot } from '../blockstore/disk-manifest';
import { loadRestorePoint } from '../blockstore/points';
import { located, type Repository } from '../blockstore/repository';
import type { UnitRef } from '../format/unit-table';
import type { ByteRange } from '../model/byte-range';
import { AppError } from '../model/errors';
import { MIB } from '../model/limits';
import type { Lun } from '../model/machine';
import type { RestorePoint } from '../model/restore-point';
import { type BlockSource, type Extent, joinExtents, requireInside } from './block-source';
import { type BlockRun, createLeafCache, LeafMap } from './leaf-map';
import { PackFrames } from './pack-frames';
import { ReadAhead } from './read-ahead';

export interface PointDiskRequest {
  readonly vmKey: string;
  readonly pointId: string;
  readonly lun: Lun;
}

export interface PointDiskOptions {
  readonly repository: Repository;
  readonly pool: ComputePool;
  /** Plaintext kept for all disks that share this. */
  readonly cacheBytes?: number;
}

/** Largest single read: what an NBD client may ask for at once. Longer ones are made of several. */
export const readBytesMax = 32 * MIB;
const CACHE_BYTES = 128 * MIB;

export interface PointDisk extends BlockSource {
  readonly point: RestorePoint;
  readonly lun: Lun;
  /** Names the content: two disks with the same tag hold the same bytes. From the digest of the sealed manifest. */
  readonly contentTag: string;
  /** For comparing two disks without reading them. */
  readonly blocks: StoredBlocks;
}

/** Where the blocks of a disk lie in the store, and which they are. */
export interface StoredBlocks {
  readonly blockBytes: number;
  /** Blocks that one leaf describes. */
  readonly leafBlocks: number;
  /** Equal names, equal content; undefined: zeros. From the root alone. */
  leafName(index: number): string | undefined;
  runs(start: number, end: number): Promise<BlockRun[]>;
  /** Ids of blocks in slots of a pack: equal ids, equal content. Reads the pack's directory. */
  ids(unit: UnitRef, slots: readonly number[]): Promise<Buffer[]>;
}

export interface PointDisks {
  /** `store.not-found` for an unknown point, `request.not-found` for a disk that it does not have. */
  open(request: PointDiskRequest, signal?: AbortSignal): Promise<PointDisk>;
  /** Drops what is kept. Reads under way fail. The pool is the caller's. */
  close(): void;
}

/** Disks of one repository share their caches: neighbouring points have most of their packs in common. */
export function createPointDisks({ repository, pool, cacheBytes = CACHE_BYTES }: PointDiskOptions): PointDisks {
  const leaves = createLeafCache();
  const packs = new PackFrames(repository, pool, { cacheBytes });
  return {
    open: async ({ vmKey, pointId, lun }, signal) => {
      const point = await loadRestorePoint(repository, vmKey, pointId, signal);
      const disk = point.disks.find((candidate) => candidate.lun === lun);
      if (!disk) {
        const luns = point.disks.map((candidate) => candidate.lun).join(', ');
        throw new AppError('request.not-found', `restore point ${pointId} has no disk ${lun}; it has ${luns}`);
      }
      const root = await loadRoot(repository, point, disk, signal);
      const map = new LeafMap(repository, root, leaves);
      const source = new StoredDisk(map, packs, { point: pointId, lun });
      return {
        point,
        lun,
        contentTag: disk.manifestDigest.slice(0, 32),
        sizeBytes: disk.sizeBytes,
        read: (offset, length, until) => source.read(offset, length, until),
        extents: (range, until) => source.extents(range, until),
        blocks: {
          blockBytes: root.blockBytes,
          leafBlocks: root.leafBytes / root.blockBytes,
          leafName: (index) => map.leafName(index),
          runs: (start, end) => map.runs(start, end),
          ids: (unit, slots) => packs.ids(unit, slots),
        },
      };
    },
    close: () => packs.close(),
  };
}

class StoredDisk implements BlockSource {
  private readonly ahead = new ReadAhead();
  private readonly blockBytes: number;

  constructor(
    private readonly map: LeafMap,
    private readonly packs: PackFrames,
    private readonly where: Readonly<Record<string, string | number>>,
  ) {
    this.blockBytes = map.root.blockBytes;
  }

  get sizeBytes(): number {
    return this.map.root.diskBytes;
  }

  async read(offset: number, length: number, signal?: AbortSignal): Promise<Buffer> {
    requireInside(this, offset, length);
    if (length > readBytesMax)
      throw new AppError('request.invalid', `a read of ${length} bytes; at most ${readBytesMax}`);
    const bytes = Buffer.alloc(length);
    if (length === 0) return bytes;
    const wanted = this.fill(bytes, offset, signal);
    const next = this.ahead.note(offset, offset + length, this.sizeBytes);
    // What cannot be fetched ahead fails when it is read.
    if (next) this.fetch(next).catch(() => undefined);
    await wanted;
    return bytes;
  }

  async extents({ start, end }: ByteRange, signal?: AbortSignal): Promise<Extent[]> {
    requireInside(this, start, end - start);
    const runs = await this.runs({ start, end });
    signal?.throwIfAborted();
    return joinExtents(
      runs.map((run) => ({
        start: Math.max(start, run.start * this.blockBytes),
        end: Math.min(end, run.end * this.blockBytes),
        zero: run.data === undefined,
      })),
    );
  }

  private async fill(bytes: Buffer, offset: number, signal?: AbortSignal): Promise<void> {
    const runs = await this.runs({ start: offset, end: offset + bytes.length });
    signal?.throwIfAborted();
    await Promise.all(
      byUnit(runs).map(async (group) => {
        const blocks = await this.blocks(group);
        for (const run of group) this.copyRun(run, blocks, bytes, offset);
      }),
    );
    signal?.throwIfAborted();
  }

  /** Loads what the range needs, so that it is at hand when it is read. */
  private async fetch(range: ByteRange): Promise<void> {
    await Promise.all(byUnit(await this.runs(range)).map((group) => this.blocks(group)));
  }

  private async runs({ start, end }: ByteRange): Promise<BlockRun[]> {
    try {
      return await this.map.runs(Math.floor(start / this.blockBytes), Math.ceil(end / this.blockBytes));
    } catch (error) {
      throw located(error, { ...this.where, offset: start });
    }
  }

  /** The blocks of runs of one pack, by slot. Damage is named with the block of this disk that it strikes. */
  private async blocks(group: readonly DataRun[]): Promise<Map<number, Buffer>> {
    const [first] = group;
    if (!first) return new Map();
    try {
      return await this.packs.blocks(first.data.unit, group.flatMap(slotsOf));
    } catch (error) {
      const slot = error instanceof AppError ? error.context['slot'] : undefined;
      const hit = group.find(
        ({ data, start, end }) => Number(slot) >= data.slot && Number(slot) < data.slot + end - start,
      );
      const block = hit ? hit.start + Number(slot) - hit.data.slot : first.start;
      throw located(error, { ...this.where, block });
    }
  }

  private copyRun(run: DataRun, blocks: ReadonlyMap<number, Buffer>, bytes: Buffer, offset: number): void {
    for (let block = run.start; block < run.end; block++) {
      const content = blocks.get(run.data.slot + block - run.start) ?? Buffer.alloc(0);
      const expected = Math.min(this.blockBytes, this.sizeBytes - block * this.blockBytes);
      if (content.length !== expected) {
        const error = new AppError(
          'block.corrupt',
          `a block of ${content.length} bytes stands where ${expected} belong`,
        );
        throw located(error, { ...this.where, block });
      }
      const from = Math.max(0, offset - block * this.blockBytes);
      content.copy(bytes, block * this.blockBytes + from - offset, from);
    }
  }
}

type DataRun = BlockRun & Required<Pick<BlockRun, 'data'>>;

/** Runs that hold data, those of one pack together. */
function byUnit(runs: readonly BlockRun[]): DataRun[][] {
  const groups = new Map<string, DataRun[]>();
  for (const { start, end, data } of runs) {
    if (!data) continue;
    const group = groups.get(data.unit.unit) ?? [];
    groups.set(data.unit.unit, group);
    group.push({ start, end, data });
  }
  return [...groups.values()];
}

const slotsOf = ({ start, end, data }: DataRun): number[] =>
  Array.from({ length: end - start }, (_, at) => data.slot + at);
