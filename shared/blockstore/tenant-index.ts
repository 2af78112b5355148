/**
 * One tenant's block index in this process: filled from the index segments in the store, refreshed by one LIST, and shared
 * by all windows that the process works on. A segment that cannot be read is left out with a warning: what is lost is a
 * chance to deduplicate.
 */
import { boundedMap } from '../base/bounded-map';
import { idBytes } from '../format/block-id';
import { decodeSegment, encodeSegment, type SegmentUnit } from '../format/index-segment';
import { segmentKey, segmentPrefix } from '../format/store-keys';
import { AppError, isAppError } from '../model/errors';
import { DedupIndex } from './dedup-index';
import { getSealed, putSealedOnce, type Repository } from './repository';

const LOADS_AT_ONCE = 8;
/** A window that starts sooner than this after the last LIST goes without. */
const FRESH_MS = 5_000;
/** Attempts of one window that left something behind; more than the queue ever delivers. */
const ATTEMPTS_MAX = 64;
/** Stored bytes of a segment per block, for sizing the table before loading: ids do not compress. */
const SEGMENT_BYTES_PER_BLOCK = 32;

export class TenantIndex {
  readonly index = new DedupIndex();
  private readonly segments: string[] = [];
  private readonly numberOf = new Map<string, number>();
  private refreshing: Promise<void> | undefined;
  private refreshedAtMs: number | undefined;

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

  /** Writes the segment of a window's new packs. The next free name is taken: an earlier attempt may have left one. */
  async writeSegment(
    repository: Repository,
    place: { readonly epoch: number; readonly sessionId: string; readonly part: string },
    units: readonly SegmentUnit[],
    signal?: AbortSignal,
  ): Promise<number> {
    const plaintext = encodeSegment(units);
    for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
      const key = segmentKey(repository.tenant, place.epoch, place.sessionId, place.part, attempt);
      const put = await putSealedOnce(repository, 'data', { kind: 'segment', key }, plaintext, signal);
      if (!put.written) continue;
      const number = this.nameSegment(key);
      for (const unit of units) this.index.addStored(unit, unit.ids, number);
      return put.stored.length;
    }
    throw new AppError('store.conflict', `window ${place.part} of session ${place.sessionId} has too many attempts`);
  }

  /** The id of the block in a slot, from the segment that names its unit; undefined when no readable segment does. */
  async idAt(repository: Repository, unit: string, slot: number, signal?: AbortSignal): Promise<Buffer | undefined> {
    const key = this.segments[this.index.units.segmentOf(unit)];
    if (key === undefined) return undefined;
    const units = await readSegment(repository, key, signal);
    const ids = units?.find((candidate) => candidate.unit === unit)?.ids;
    return ids && slot * idBytes < ids.length ? ids.subarray(slot * idBytes, (slot + 1) * idBytes) : undefined;
  }

  private async load(repository: Repository): Promise<void> {
    const fresh: { key: string; sizeBytes: number }[] = [];
    for await (const object of repository.stores.data.list(segmentPrefix(repository.tenant))) {
      if (!this.numberOf.has(object.key)) fresh.push(object);
    }
    this.index.reserve(fresh.reduce((sum, { sizeBytes }) => sum + Math.ceil(sizeBytes / SEGMENT_BYTES_PER_BLOCK), 0));
    await boundedMap(fresh, LOADS_AT_ONCE, async ({ key }) => {
      const units = await readSegment(repository, key);
      const number = this.nameSegment(key);
      for (const unit of units ?? []) this.index.addStored(unit, unit.ids, number);
    });
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
