/**
 * Byte ranges, half-open: [start, end). Azure's inclusive ends are converted in azure/ only.
 *
 *   start            end
 *     |==============|        length = end - start; empty when equal
 */
import { assert } from '../base/assert';

export interface ByteRange {
  readonly start: number;
  readonly end: number;
}

export function byteRange(start: number, end: number): ByteRange {
  assert(
    Number.isSafeInteger(start) && Number.isSafeInteger(end) && start >= 0 && end >= start,
    `bad range ${start}..${end}`,
  );
  return { start, end };
}

export const rangeLength = (range: ByteRange): number => range.end - range.start;

export const totalLength = (ranges: readonly ByteRange[]): number =>
  ranges.reduce((sum, range) => sum + rangeLength(range), 0);

export function intersect(a: ByteRange, b: ByteRange): ByteRange | undefined {
  const start = Math.max(a.start, b.start);
  const end = Math.min(a.end, b.end);
  return start < end ? { start, end } : undefined;
}

/** Widens to whole units and clips to `limit`: the read unit is the block, a partly changed block is read whole. */
export function alignOut(range: ByteRange, unitBytes: number, limit: number): ByteRange {
  const start = Math.floor(range.start / unitBytes) * unitBytes;
  const end = Math.min(limit, Math.ceil(range.end / unitBytes) * unitBytes);
  return { start, end };
}

/** Sorted, disjoint, and joined where the gap is at most `gapBytes`. Input in any order, overlaps allowed. */
export function mergeRanges(ranges: readonly ByteRange[], gapBytes = 0): ByteRange[] {
  const sorted = ranges.filter((range) => range.end > range.start).sort((a, b) => a.start - b.start);
  const merged: { start: number; end: number }[] = [];
  for (const range of sorted) {
    const last = merged.at(-1);
    if (last && range.start <= last.end + gapBytes) last.end = Math.max(last.end, range.end);
    else merged.push({ start: range.start, end: range.end });
  }
  return merged;
}

/** Cuts so that no piece is longer than `bytesMax`; the pieces cover exactly the same bytes in order. */
export function* splitRange(range: ByteRange, bytesMax: number): Generator<ByteRange> {
  assert(bytesMax > 0, 'a piece has at least one byte');
  for (let start = range.start; start < range.end; start += bytesMax) {
    yield { start, end: Math.min(range.end, start + bytesMax) };
  }
}
