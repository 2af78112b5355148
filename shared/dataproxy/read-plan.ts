/**
 * From ranges to reads, pure. The unit of reading is the block: a partly listed block is read whole.
 *
 *   ranges   |--|   |-|        |------------------------|
 *   blocks   [----][----]     [----][----]...[----][----]
 *   reads    |----------|     |<= readBytesMax--|-------|
 */
import { alignOut, type ByteRange, intersect, mergeRanges, splitRange } from '../model/byte-range';
import { limits } from '../model/limits';

export interface ReadPlan {
  /** Whole blocks that the ranges touch: sorted, disjoint, inside the window. */
  readonly blocks: readonly ByteRange[];
  /** What to fetch, in disk order; each starts at a block. */
  readonly reads: readonly ByteRange[];
}

/**
 * `gapBytes` joins reads over unlisted blocks. Zero for an incremental, which then reads no more than what changed; some
 * for a full read, where the gap is zeros and a request saved is worth more.
 */
export function planReads(ranges: readonly ByteRange[], window: ByteRange, gapBytes: number): ReadPlan {
  const aligned = ranges.flatMap((range) => {
    const inside = intersect(range, window);
    return inside ? [alignOut(inside, limits.blockBytes, window.end)] : [];
  });
  const blocks = mergeRanges(aligned);
  const reads = mergeRanges(blocks, gapBytes).flatMap((range) => [...splitRange(range, limits.readBytesMax)]);
  return { blocks, reads };
}

/** The reads behind an offset; one that lies across it is cut. */
export function after(reads: readonly ByteRange[], doneBytes: number): ByteRange[] {
  return reads.flatMap(({ start, end }) => (end > doneBytes ? [{ start: Math.max(start, doneBytes), end }] : []));
}

/** What of the window none of the sorted, disjoint ranges covers. */
export function unlisted(blocks: readonly ByteRange[], window: ByteRange): ByteRange[] {
  const gaps: ByteRange[] = [];
  let start = window.start;
  for (const range of blocks) {
    if (range.start > start) gaps.push({ start, end: range.start });
    start = Math.max(start, range.end);
  }
  if (start < window.end) gaps.push({ start, end: window.end });
  return gaps;
}

/** Sorted, disjoint, whole pages, inside the window: what a change list must be before anything is believed of it. */
export function isPlausible(ranges: readonly ByteRange[], window: ByteRange): boolean {
  let end = window.start;
  return ranges.every((range) => {
    const fits =
      range.start >= end &&
      range.end > range.start &&
      range.end <= window.end &&
      range.start % limits.pageBytes === 0 &&
      range.end % limits.pageBytes === 0;
    end = range.end;
    return fits;
  });
}
