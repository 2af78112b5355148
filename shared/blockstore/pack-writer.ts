/**
 * Fills packs with the new blocks of one window, in disk order, and stores them: frames are sealed by the compute pool while
 * the next blocks arrive, a full pack is decoded again and compared with its source, then put with If-None-Match.
 *
 * Bounded: a few frames under way, one pack filling, one pack being verified and stored. `add` waits when that is reached.
 */
import { availableParallelism } from 'node:os';
import { assert } from '../base/assert';
import { idBytes } from '../format/block-id';
import type { SegmentUnit } from '../format/index-segment';
import { assemblePack, packSlotsMax, type SealedFrame } from '../format/pack';
import { createPackContext, type PackContext, unitIdBytes } from '../format/pack-header';
import { unitKey } from '../format/store-keys';
import { AppError } from '../model/errors';
import { limits } from '../model/limits';
import type { ComputePool } from './compute-pool';
import type { DedupIndex, Location } from './dedup-index';
import { type Repository, signalOption } from './repository';

export interface PackWriterOptions {
  readonly repository: Repository;
  readonly pool: ComputePool;
  readonly index: DedupIndex;
  readonly signal: AbortSignal;
  /** zstd level of new frames. */
  readonly level: number;
  /** Stored bytes at which a pack is closed. */
  readonly packBytes?: number;
}

interface OpenPack {
  readonly unit: number;
  readonly unitId: Buffer;
  readonly context: PackContext;
  readonly frames: Promise<SealedFrame>[];
  readonly ids: Buffer[];
  slots: number;
  /** Stored bytes of finished frames, and plaintext bytes of those under way. */
  storedBytes: number;
  underWayBytes: number;
}

export interface StoredUnit extends SegmentUnit {
  readonly number: number;
}

export class PackWriter {
  private readonly framesAtOnce = 2 * availableParallelism() + 2;
  private readonly done: StoredUnit[] = [];
  private pack: OpenPack | undefined;
  private frame: Buffer | undefined;
  private frameFill = 0;
  private frameIds: Buffer[] = [];
  private underWay = new Set<Promise<unknown>>();
  private upload: Promise<void> = Promise.resolve();
  private failure: { readonly error: unknown } | undefined;

  constructor(private readonly options: PackWriterOptions) {}

  /** Takes a new block (the last of the disk may be short), claims its place in the index, and tells it. */
  async add(id: Buffer, block: Buffer): Promise<Location> {
    this.throwIfFailed();
    const { blockBytes } = limits;
    assert(block.length > 0 && block.length <= blockBytes, `a block of ${block.length} bytes`);
    const pack = this.pack ?? this.openPack();
    this.pack = pack;
    this.frame ??= Buffer.from(new ArrayBuffer(limits.frameBlocks * blockBytes));
    block.copy(this.frame, this.frameFill);
    this.frameFill += block.length;
    this.frameIds.push(Buffer.from(id));
    const location = { unit: pack.unit, slot: pack.slots++ };
    this.options.index.claim(id, location);
    if (this.frameIds.length === limits.frameBlocks || block.length < blockBytes) await this.closeFrame(pack);
    const expectedBytes = pack.storedBytes + pack.underWayBytes * 0.5;
    const full = expectedBytes >= (this.options.packBytes ?? limits.packBytes);
    if (full || pack.slots + limits.frameBlocks > packSlotsMax) await this.closePack();
    return location;
  }

  /** Stores what is open and waits for all of it. The units this writer made, in order. */
  async finish(): Promise<readonly StoredUnit[]> {
    await this.closePack();
    await this.upload;
    this.throwIfFailed();
    return this.done;
  }

  /** After a failure or an abort: whoever waits for a unit of this writer learns that it will not come. */
  async abandon(): Promise<void> {
    this.fail(new AppError('job.canceled', 'the window was given up', { retryable: true }));
    if (this.pack) this.options.index.units.died(this.pack.unit);
    this.pack = undefined;
    await this.upload;
    await Promise.allSettled([...this.underWay]);
  }

  private openPack(): OpenPack {
    const { repository, index } = this.options;
    const unitId = repository.randomBytes(unitIdBytes);
    return {
      unit: index.units.addPending(unitId.toString('hex')),
      unitId,
      context: createPackContext(repository.keys, unitId, limits.blockBytes, repository.randomBytes),
      frames: [],
      ids: [],
      slots: 0,
      storedBytes: 0,
      underWayBytes: 0,
    };
  }

  private async closeFrame(pack: OpenPack): Promise<void> {
    if (!this.frame || this.frameIds.length === 0) return;
    const filled = this.frame.subarray(0, this.frameFill);
    // A cut frame is copied, so that the job owns exactly its bytes and can move them.
    const bytes = filled.length === this.frame.length ? this.frame : Buffer.from(filled);
    const ids = Buffer.concat(this.frameIds);
    const rawBytes = bytes.length;
    this.frame = undefined;
    this.frameFill = 0;
    this.frameIds = [];
    pack.ids.push(ids);
    pack.underWayBytes += rawBytes;
    const { pool, level } = this.options;
    const sealed = pool.run({
      kind: 'seal-frame',
      context: pack.context,
      ordinal: pack.frames.length,
      ids,
      bytes,
      level,
    });
    pack.frames.push(sealed);
    const counted = sealed
      .then((frame) => {
        pack.storedBytes += frame.stored.length;
      })
      .catch((error: unknown) => this.fail(error))
      .finally(() => {
        pack.underWayBytes -= rawBytes;
        this.underWay.delete(counted);
      });
    this.underWay.add(counted);
    while (this.underWay.size >= this.framesAtOnce) await Promise.race(this.underWay);
    this.throwIfFailed();
  }

  private async closePack(): Promise<void> {
    const { pack } = this;
    if (!pack) return;
    await this.closeFrame(pack);
    await this.upload;
    this.throwIfFailed();
    this.pack = undefined;
    this.upload = this.store(pack).catch((error: unknown) => {
      this.options.index.units.died(pack.unit);
      this.fail(error);
    });
  }

  private async store(pack: OpenPack): Promise<void> {
    const { repository, pool, index, signal } = this.options;
    const frames = await Promise.all(pack.frames);
    const ids = Buffer.concat(pack.ids);
    assert(ids.length === pack.slots * idBytes, 'an id for every slot');
    const assembled = assemblePack(pack.context, frames, ids);
    signal.throwIfAborted();
    const { bytes } = await pool.run({
      kind: 'verify-pack',
      context: pack.context,
      idKey: repository.keys.id,
      ids,
      bytes: assembled.bytes,
      tailBytes: assembled.tailBytes,
    });
    const key = unitKey(repository.tenant, pack.unitId);
    const { outcome } = await repository.stores.data.putOnce(key, bytes, signalOption(signal));
    if (outcome === 'exists') {
      throw new AppError('store.conflict', `pack ${pack.unitId.toString('hex')} exists with other bytes`, {
        retryable: true,
        context: { object: key },
      });
    }
    const sizes = { sizeBytes: bytes.length, tailBytes: assembled.tailBytes };
    index.units.stored(pack.unit, sizes);
    this.done.push({ unit: pack.unitId.toString('hex'), ...sizes, ids, number: pack.unit });
  }

  private fail(error: unknown): void {
    this.failure ??= { error };
  }

  private throwIfFailed(): void {
    if (this.failure) throw this.failure.error;
  }
}
