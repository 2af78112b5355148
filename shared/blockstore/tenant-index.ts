/**
 * One tenant's block index in this process: filled from the index segments in the store, refreshed by one LIST, and shared
 * by all windows that the process works on. A segment that cannot be read is left out with a warning: what is lost is a
 * chance to deduplicate.
 *
 * Where the store holds more blocks than memory is meant to, only every 64th is kept, a *hook*: when one is met, the segment
 * that names it is read, with all its neighbours. What slips through costs space and nothing else.
 */
import { boundedMap } from '../base/bounded-map';
import { idBytes } from '../format/block-id';
import { decodeSegment, encodeSegment, type SegmentUnit } from '../format/index-segment';
import { segmentKey, segmentPrefix } from '../format/store-keys';
import { AppError, isAppError } from '../model/errors';
import { limits } from '../model/limits';
import { DedupIndex, type Location } from './dedup-index';
import { NearBlocks } from './near-blocks';
import { getSealed, putSealedOnce, type Repository } from './repository';
import { type SessionView, wholeView } from './session-view';

const LOADS_AT_ONCE = 8;
/** A window that starts sooner than this after the last LIST goes without. */
const FRESH_MS = 5_000;
/** Segments of one window, one a checkpoint and attempt. */
const SEGMENTS_MAX = 4096;
/** Stored bytes of a segment per block, for sizing the table before loading: ids do not compress. */
const SEGMENT_BYTES_PER_BLOCK = 32;
/** Segments whose blocks are kept besides the hooks; each names at most some 20,000. */
const NEAR_SEGMENTS = 32;

/** One id in 64: its low six bits are zero. */
export const isHook = (id: Buffer): boolean => ((id[idBytes - 1] ?? 0) & 63) === 0;

export class TenantIndex {
  readonly index = new DedupIndex();
  private readonly near = new NearBlocks(NEAR_SEGMENTS);
  private readonly segments: string[] = [];
  private readonly numberOf = new Map<string, number>();
  private refreshing: Promise<void> | undefined;
  private refreshedAtMs: number | undefined;
  private sampled = false;
  /** Questions for ids come in disk order, and so mostly to the same segment. */
  private lastRead: { readonly key: string; readonly units: readonly SegmentUnit[] } | undefined;

  /**
   * `blocksMax`: above so many blocks in the store only hooks are kept. `view`: what sessions that use this index must not see;
   * an index serves sessions of one view only, since what it has loaded is not unloaded.
   */
  constructor(
    private readonly blocksMax: number = limits.indexBlocksMax,
    private readonly view: SessionView = wholeView,
  ) {}

  get keepsHooksOnly(): boolean {
    return this.sampled;
  }

  /** Where the block lies or will lie. A promise only where a segment may have to be read first. */
  find(repository: Repository, id: Buffer): Location | undefined | Promise<Location | undefined> {
    const known = this.index.lookup(id);
    if (!this.sampled || (known && !isHook(id))) return known;
    if (known) return this.comeNear(repository, known);
    const near = this.near.find(id);
    const unit = near && this.index.units.numberOf(near.unit);
    return near && unit !== undefined ? { unit, slot: near.slot } : undefined;
  }

  /** Loads the segments that are new since the last time. Concurrent callers share one refresh, so no one's abort ends it. */
  async refresh(repository: Repository): Promise<void> {
    const nowMs = repository.clock.monotonicMs();
    if (this.refreshedAtMs !== undefined && nowMs - this.refreshedAtMs < FRESH_MS) return;
    this.refreshing ??= this.load(repository)
      .then(() => {
        this.refreshedAtMs = nowMs;
      })
      .finally(() => {
        this.refreshing = undefined;
      });
    await this.refreshing;
  }

  /**
   * Writes a segment of a window's new packs under the next free name from number `first` on: an earlier attempt may have
   * left some. Result: stored bytes, and the number to go on with.
   */
  async writeSegment(
    repository: Repository,
    place: { readonly epoch: number; readonly sessionId: string; readonly part: string },
    units: readonly SegmentUnit[],
    first = 0,
    signal?: AbortSignal,
  ): Promise<{ readonly storedBytes: number; readonly next: number }> {
    const plaintext = encodeSegment(units);
    for (let attempt = first; attempt < SEGMENTS_MAX; attempt++) {
      const key = segmentKey(repository.tenant, place.epoch, place.sessionId, place.part, attempt);
      const put = await putSealedOnce(repository, 'data', { kind: 'segment', key }, plaintext, signal);
      if (!put.written) continue;
      const number = this.nameSegment(key);
      for (const unit of units) this.index.addStored(unit, unit.ids, number);
      return { storedBytes: put.stored.length, next: attempt + 1 };
    }
    throw new AppError('store.conflict', `window ${place.part} of session ${place.sessionId} has too many segments`);
  }

  /** The id of the block in a slot, from the segment that names its unit; undefined when no readable segment does. */
  async idAt(repository: Repository, unit: string, slot: number, signal?: AbortSignal): Promise<Buffer | undefined> {
    const key = this.segments[this.index.units.segmentOf(unit)];
    if (key === undefined) return undefined;
    const units = this.lastRead?.key === key ? this.lastRead.units : await this.readVisible(repository, key, signal);
    if (units) this.lastRead = { key, units };
    const ids = units?.find((candidate) => candidate.unit === unit)?.ids;
    return ids && slot * idBytes < ids.length ? ids.subarray(slot * idBytes, (slot + 1) * idBytes) : undefined;
  }

  /** Reads the segment of a hook that was met, unless its blocks are at hand. */
  private async comeNear(repository: Repository, hook: Location): Promise<Location> {
    const segment = this.index.units.segmentOf(this.index.units.nameOf(hook.unit));
    const key = this.segments[segment];
    if (key !== undefined && !this.near.has(segment))
      this.near.add(segment, (await this.readVisible(repository, key)) ?? []);
    return hook;
  }

  private async load(repository: Repository): Promise<void> {
    const fresh: { key: string; sizeBytes: number }[] = [];
    for await (const object of repository.stores.data.list(segmentPrefix(repository.tenant))) {
      if (!this.numberOf.has(object.key) && !this.view.hidesSegment(object.key)) fresh.push(object);
    }
    const blocks = fresh.reduce((sum, { sizeBytes }) => sum + Math.ceil(sizeBytes / SEGMENT_BYTES_PER_BLOCK), 0);
    this.sampled ||= this.index.blockCount + blocks > this.blocksMax;
    this.index.reserve(this.sampled ? Math.ceil(blocks / 64) : blocks);
    const keep = this.sampled ? isHook : undefined;
    await boundedMap(fresh, LOADS_AT_ONCE, async ({ key }) => {
      const units = await this.readVisible(repository, key);
      const number = this.nameSegment(key);
      for (const unit of units ?? []) this.index.addStored(unit, unit.ids, number, keep);
    });
  }

  private async readVisible(
    repository: Repository,
    key: string,
    signal?: AbortSignal,
  ): Promise<SegmentUnit[] | undefined> {
    const units = await readSegment(repository, key, signal);
    return units?.filter(({ unit }) => !this.view.hidesUnit(unit));
  }

  private nameSegment(key: string): number {
    const known = this.numberOf.get(key);
    if (known !== undefined) return known;
    const number = this.segments.push(key) - 1;
    this.numberOf.set(key, number);
    return number;
  }
}

async function readSegment(
  repository: Repository,
  key: string,
  signal?: AbortSignal,
): Promise<SegmentUnit[] | undefined> {
  try {
    const { plaintext } = await getSealed(repository, 'data', { kind: 'segment', key }, { signal });
    return decodeSegment(plaintext, key);
  } catch (error) {
    if (!isAppError(error, 'manifest.corrupt') && !isAppError(error, 'store.not-found')) throw error;
    repository.logger.warn('an index segment cannot be read; its blocks will be stored again', {
      object: key,
      code: error.code,
    });
    return undefined;
  }
}
