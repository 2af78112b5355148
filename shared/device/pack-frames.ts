/**
 * Plaintext frames of packs, fetched when asked for and kept while there is room. Frames that are asked for together are
 * fetched together, in pack order, each once; every block was held against its id before it is handed out.
 */
import { ByteBudget } from '../blockstore/byte-budget';
import type { ComputePool } from '../blockstore/compute-pool';
import {
  type FrameRead,
  type OpenedPack,
  openPack,
  planFrameReads,
  rawBytesMax,
  rawBytesOf,
  readFrames,
} from '../blockstore/pack-reader';
import type { Repository } from '../blockstore/repository';
import { idBytes } from '../format/block-id';
import { frameOfSlot } from '../format/pack';
import type { UnitRef } from '../format/unit-table';
import { AppError } from '../model/errors';
import { limits, MIB } from '../model/limits';
import { LoadingCache } from './loading-cache';

/** Blocks of one frame, one behind the other. */
interface Frame {
  readonly firstSlot: number;
  readonly bytes: Buffer;
}

export interface PackFramesOptions {
  /** Plaintext kept. */
  readonly cacheBytes: number;
}

/** Directories kept: a full pack's are 512 KiB of ids. */
const DIRECTORIES_WEIGHT_MAX = 48 * MIB;
const FRAME_WEIGHT = 120;
/** Stored and plaintext bytes of reads under way, all callers together. */
const FETCHING_BYTES_MAX = 4 * (limits.readBytesMax + rawBytesMax);

export class PackFrames {
  private readonly packs: LoadingCache<OpenedPack>;
  private readonly frames: LoadingCache<Frame>;
  private readonly fetching = new ByteBudget('reads of packs', FETCHING_BYTES_MAX);
  private readonly ended = new AbortController();

  constructor(
    private readonly repository: Repository,
    private readonly pool: ComputePool,
    options: PackFramesOptions,
  ) {
    this.packs = new LoadingCache({
      weightMax: DIRECTORIES_WEIGHT_MAX,
      weigh: ({ directory, whole }) =>
        directory.ids.length + directory.frames.length * FRAME_WEIGHT + (whole?.length ?? 0),
    });
    this.frames = new LoadingCache({ weightMax: options.cacheBytes, weigh: ({ bytes }) => bytes.length });
  }

  /** The blocks in these slots of a pack, by slot. `pack.corrupt`, `block.corrupt`, `store.*`. */
  async blocks(unit: UnitRef, slots: readonly number[]): Promise<Map<number, Buffer>> {
    const pack = await this.packs.get(unit.unit, () => openPack(this.repository, unit, this.ended.signal));
    const frames = await Promise.all(this.load(pack, slots));
    const blocks = new Map<number, Buffer>();
    const { blockBytes } = pack.context;
    for (const slot of slots) {
      const frame = frames.find(
        ({ firstSlot, bytes }) => slot >= firstSlot && (slot - firstSlot) * blockBytes < bytes.length,
      );
      if (!frame) throw new AppError('pack.corrupt', `pack ${unit.unit} gave no block for slot ${slot}`);
      const start = (slot - frame.firstSlot) * blockBytes;
      blocks.set(slot, frame.bytes.subarray(start, start + blockBytes));
    }
    return blocks;
  }

  /** Ids of the blocks in these slots, from the directory. */
  async ids(unit: UnitRef, slots: readonly number[]): Promise<Buffer[]> {
    const { directory } = await this.packs.get(unit.unit, () => openPack(this.repository, unit, this.ended.signal));
    return slots.map((slot) => directory.ids.subarray(slot * idBytes, (slot + 1) * idBytes));
  }

  /** Nothing is fetched any more; what is under way is broken off. */
  close(): void {
    this.ended.abort(new AppError('request.conflict', 'the disk was closed'));
    this.frames.clear();
    this.packs.clear();
  }

  /** Each frame once: those that nobody loads yet, with as few reads as there are runs of neighbours. */
  private load(pack: OpenedPack, slots: readonly number[]): Promise<Frame>[] {
    const missing = slots.filter((slot) => {
      const frame = frameOfSlot(pack.directory, slot);
      return frame === undefined || !this.frames.has(nameOf(pack, frame.ordinal));
    });
    const reads = new Map<number, () => Promise<Map<number, Frame>>>();
    for (const read of planFrameReads(pack, missing)) {
      let started: Promise<Map<number, Frame>> | undefined;
      const once = (): Promise<Map<number, Frame>> => {
        started ??= this.fetch(pack, read);
        return started;
      };
      for (const frame of read.frames) reads.set(frame.ordinal, once);
    }
    const wanted = new Set(slots.map((slot) => frameOfSlot(pack.directory, slot)?.ordinal ?? 0));
    return [...new Set([...wanted, ...reads.keys()])].map((ordinal) =>
      this.frames.get(nameOf(pack, ordinal), async () => {
        const once = reads.get(ordinal) ?? (() => this.fetch(pack, readOf(pack, ordinal)));
        const frame = (await once()).get(ordinal);
        if (!frame) throw new AppError('pack.corrupt', `pack ${pack.unit.unit} gave no frame ${ordinal}`);
        return frame;
      }),
    );
  }

  private async fetch(pack: OpenedPack, read: FrameRead): Promise<Map<number, Frame>> {
    const give = await this.fetching.take(
      Math.min(this.fetching.maxBytes, read.end - read.start + rawBytesOf(read)),
      this.ended.signal,
    );
    try {
      const opened = await readFrames(this.repository, this.pool, pack, read, this.ended.signal);
      return new Map(
        read.frames.map(({ ordinal, firstSlot, count }) => {
          // A copy a frame: kept as views, one frame would keep the memory of its whole read.
          const blocks = Array.from({ length: count }, (_, at) => opened.get(firstSlot + at) ?? Buffer.alloc(0));
          return [ordinal, { firstSlot, bytes: Buffer.concat(blocks) }];
        }),
      );
    } finally {
      give();
    }
  }
}

const nameOf = (pack: OpenedPack, ordinal: number): string => `${pack.unit.unit}/${ordinal}`;

/** A frame that was dropped between the look and the load. */
function readOf(pack: OpenedPack, ordinal: number): FrameRead {
  const frame = pack.directory.frames[ordinal];
  const [read] = planFrameReads(pack, frame ? [frame.firstSlot] : []);
  if (!read) throw new AppError('manifest.corrupt', `pack ${pack.unit.unit} has no frame ${ordinal}`);
  return read;
}
