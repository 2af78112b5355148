/**
 * Fills packs with the new blocks of one window, in disk order, and stores them: frames are sealed by the compute pool while
 * the next blocks arrive, decoded again from where they lie in their pack and compared with their source; a full pack is put
 * with If-None-Match once all of it has been.
 *
 * Bounded by `packWriterBytes`: some frames under way, one pack filling, one being stored. `add` waits for room.
 */
import { availableParallelism } from 'node:os';
import { assert } from '../base/assert';
import { idBytes } from '../format/block-id';
import { tagBytes } from '../format/frame';
import type { SegmentUnit } from '../format/index-segment';
import { packSlotsMax, sealPackTail } from '../format/pack';
import { createPackContext, type PackContext, packHeaderBytes, unitIdBytes } from '../format/pack-header';
import { unitKey } from '../format/store-keys';
import { AppError } from '../model/errors';
import { KIB, limits } from '../model/limits';
import type { SealFrameResult, VerifyFrameJob } from './compute-jobs';
import type { ComputePool } from './compute-pool';
import type { DedupIndex, Location } from './dedup-index';
import { frameMemoryBytes, OpenFrame } from './open-frame';
import { requireDirectory } from './pack-check';
import { type Repository, signalOption } from './repository';
import type { Lent, SharedBuffers } from './shared-buffers';

export interface PackWriterOptions {
  readonly repository: Repository;
  readonly pool: ComputePool;
  readonly index: DedupIndex;
  readonly buffers: SharedBuffers;
  readonly signal: AbortSignal;
  /** zstd level of new frames. */
  readonly level: number;
  /** Stored bytes at which a pack is closed. */
  readonly packBytes?: number;
}

/** Frames being sealed: enough for every thread, and no more than lets two windows share the memory on any machine. */
const FRAMES_AT_ONCE = Math.min(6, 2 * availableParallelism() + 1);
/** Jobs of all kinds under way; those that decode a frame again take no memory of their own. */
const JOBS_AT_ONCE = 2 * FRAMES_AT_ONCE;
const TAIL_BYTES_MAX = packSlotsMax * idBytes + 256 * KIB;
/** Frames under way count half when a pack is closed: when none of them shrinks, the other half needs room, and the last one. */
const capacityOf = (packBytes: number): number =>
  packBytes + (FRAMES_AT_ONCE / 2 + 2) * frameMemoryBytes + TAIL_BYTES_MAX;

/** The most that one writer has in its hands. */
export const packWriterBytes = 2 * capacityOf(limits.packBytes) + (FRAMES_AT_ONCE + 1) * frameMemoryBytes;

interface OpenPack {
  readonly unit: number;
  readonly unitId: Buffer;
  readonly context: PackContext;
  readonly memory: Lent;
  /** Sealed frames that lie in `memory`, in order. */
  readonly frames: SealFrameResult[];
  readonly ids: Buffer[];
  ordinals: number;
  slots: number;
  /** Bytes of `memory` that are in use. */
  fill: number;
  underWayBytes: number;
  /** The last frame is in its place. */
  appended: Promise<void>;
  /** Frames that have been decoded again and found right. */
  verified: number;
}

export interface StoredUnit extends SegmentUnit {
  readonly number: number;
}

export class PackWriter {
  private readonly stored: StoredUnit[] = [];
  private pack: OpenPack | undefined;
  private frame: OpenFrame;
  private readonly underWay = new Set<Promise<void>>();
  private readonly beingSealed = new Set<Promise<void>>();
  private upload: Promise<void> = Promise.resolve();
  private failure: { readonly error: unknown } | undefined;

  constructor(private readonly options: PackWriterOptions) {
    this.frame = this.newFrame();
  }

  /**
   * Takes a new block (the last of the disk may be short), claims its place in the index, and tells it. `block` stays where
   * it is, in shared memory, until `released` says that it is not needed there any more.
   */
  async add(id: Buffer, block: Buffer): Promise<Location> {
    this.throwIfFailed();
    const { blockBytes } = limits;
    assert(block.length > 0 && block.length <= blockBytes, `a block of ${block.length} bytes`);
    const pack = this.pack ?? this.openPack();
    this.pack = pack;
    this.frame.add(id, block);
    const location = { unit: pack.unit, slot: pack.slots++ };
    this.options.index.claim(id, location);
    if (this.frame.isFull) await this.closeFrame(pack);
    if (this.isFull(pack)) await this.closePack();
    return location;
  }

  /**
   * Resolves, never rejects, when the memory of all blocks that were added before may be used for something else. Those of
   * the frame that is still open are copied at once, the others are waited for.
   */
  async released(): Promise<void> {
    this.frame.moveIn();
    await Promise.all(this.beingSealed);
  }

  /** Units stored since the last time this was asked, in order; whoever takes them names them in an index segment. */
  takeStored(): StoredUnit[] {
    return this.stored.splice(0);
  }

  /** Stored bytes of what `takeStored` would give. */
  get untakenBytes(): number {
    return this.stored.reduce((sum, unit) => sum + unit.sizeBytes, 0);
  }

  /** Stores what is open and waits for all of it; more may be added afterwards. */
  async flush(): Promise<void> {
    await this.closePack();
    await this.upload;
    this.throwIfFailed();
  }

  /** At the end, or after a failure: whoever waits for a unit of this writer that is not stored learns that it will not come. */
  async abandon(): Promise<void> {
    this.fail(new AppError('job.canceled', 'the window was given up', { retryable: true }));
    const { pack, frame } = this;
    this.pack = undefined;
    this.frame = this.newFrame();
    frame.discard();
    if (pack) this.options.index.units.died(pack.unit);
    await this.upload;
    await this.settled();
    pack?.memory.release();
  }

  private newFrame(): OpenFrame {
    return new OpenFrame(this.options.buffers);
  }

  private openPack(): OpenPack {
    const { repository, index, buffers, packBytes = limits.packBytes } = this.options;
    const unitId = repository.randomBytes(unitIdBytes);
    const context = createPackContext(repository.keys, unitId, limits.blockBytes, repository.randomBytes);
    const memory = buffers.lend(capacityOf(packBytes));
    context.header.copy(memory.bytes);
    return {
      unit: index.units.addPending(unitId.toString('hex')),
      unitId,
      context,
      memory,
      frames: [],
      ids: [],
      ordinals: 0,
      slots: 0,
      fill: packHeaderBytes,
      underWayBytes: 0,
      appended: Promise.resolve(),
      verified: 0,
    };
  }

  /** By what is expected of the frames under way; at the latest when there is no room for more, whatever they shrink to. */
  private isFull(pack: OpenPack): boolean {
    const { packBytes = limits.packBytes } = this.options;
    if (pack.slots + limits.frameBlocks > packSlotsMax) return true;
    return pack.fill + pack.underWayBytes * 0.5 >= packBytes;
  }

  private async closeFrame(pack: OpenPack): Promise<void> {
    const { frame } = this;
    const { ids, parts, rawBytes } = frame;
    if (rawBytes === 0) return;
    this.frame = this.newFrame();
    const { pool, level } = this.options;
    const { context } = pack;
    const { memory } = frame;
    const ordinal = pack.ordinals++;
    pack.ids.push(ids);
    pack.underWayBytes += rawBytes;
    const sealed = pool.run({ kind: 'seal-frame', context, ordinal, ids, parts, into: memory.bytes, level });
    const before = pack.appended;
    const appended = Promise.allSettled([sealed, before])
      .then(([result]) => {
        if (result.status === 'rejected') throw result.reason;
        const stored = this.append(pack, memory, result.value);
        this.track(this.verify(pack, { ordinal, shape: result.value.shape, ids, stored }));
      })
      .catch((error: unknown) => this.fail(error))
      .finally(() => {
        memory.release();
        pack.underWayBytes -= rawBytes;
        this.beingSealed.delete(appended);
      });
    pack.appended = appended;
    this.beingSealed.add(appended);
    this.track(appended);
    while (this.beingSealed.size >= FRAMES_AT_ONCE || this.underWay.size >= JOBS_AT_ONCE) {
      await Promise.race(this.underWay);
    }
    this.throwIfFailed();
  }

  /** Keeps it among the jobs under way until it has ended; a failure is the writer's. */
  private track(job: Promise<void>): void {
    const tracked = job.catch((error: unknown) => this.fail(error)).finally(() => this.underWay.delete(tracked));
    this.underWay.add(tracked);
  }

  /** All jobs have ended, and what they started too. */
  private async settled(): Promise<void> {
    while (this.underWay.size > 0) await Promise.allSettled(this.underWay);
  }

  private async verify(
    pack: OpenPack,
    frame: Pick<VerifyFrameJob, 'ordinal' | 'shape' | 'ids' | 'stored'>,
  ): Promise<void> {
    const { pool, repository } = this.options;
    const { context } = pack;
    await pool.run({ kind: 'verify-frame', context, idKey: repository.keys.id, ...frame });
    pack.verified++;
  }

  /** Where the frame now lies. */
  private append(pack: OpenPack, frame: Lent, result: SealFrameResult): Buffer {
    const { storedBytes } = result;
    const start = pack.fill;
    assert(storedBytes >= tagBytes && pack.fill + storedBytes + TAIL_BYTES_MAX <= pack.memory.bytes.length, 'room');
    pack.fill += frame.bytes.copy(pack.memory.bytes, pack.fill, 0, storedBytes);
    pack.frames.push(result);
    return pack.memory.bytes.subarray(start, pack.fill);
  }

  private async closePack(): Promise<void> {
    const { pack } = this;
    if (!pack) return;
    await this.closeFrame(pack);
    await this.upload;
    this.throwIfFailed();
    this.pack = undefined;
    this.upload = this.store(pack)
      .catch(async (error: unknown) => {
        this.options.index.units.died(pack.unit);
        this.fail(error);
        await this.settled(); // what is still being looked at lies in the pack's memory
      })
      .finally(() => pack.memory.release());
  }

  private async store(pack: OpenPack): Promise<void> {
    const { repository, index, signal } = this.options;
    await pack.appended;
    while (pack.verified < pack.ordinals && !this.failure) await Promise.race(this.underWay);
    this.throwIfFailed();
    const ids = Buffer.concat(pack.ids);
    assert(ids.length === pack.slots * idBytes && pack.frames.length === pack.ordinals, 'an id for every slot');
    const { context } = pack;
    const tail = sealPackTail(context, pack.frames, ids);
    const sizeBytes = pack.fill + tail.copy(pack.memory.bytes, pack.fill);
    const bytes = pack.memory.bytes.subarray(0, sizeBytes);
    const tailBytes = tail.length;
    signal.throwIfAborted();
    requireDirectory(context, bytes, tailBytes, ids);
    const key = unitKey(repository.tenant, pack.unitId);
    const { outcome } = await repository.stores.data.putOnce(key, bytes, signalOption(signal));
    const unit = pack.unitId.toString('hex');
    if (outcome === 'exists') {
      throw new AppError('store.conflict', `pack ${unit} exists with other bytes`, {
        retryable: true,
        context: { object: key },
      });
    }
    index.units.stored(pack.unit, { sizeBytes, tailBytes });
    this.stored.push({ unit, sizeBytes, tailBytes, ids, number: pack.unit });
  }

  private fail(error: unknown): void {
    this.failure ??= { error };
  }

  private throwIfFailed(): void {
    if (this.failure) throw this.failure.error;
  }
}
