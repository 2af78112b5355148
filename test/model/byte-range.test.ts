import fc from 'fast-check';
import {
  alignOut,
  byteRange,
  intersect,
  mergeRanges,
  rangeLength,
  splitRange,
  totalLength,
} from '../../shared/model/byte-range';

const range = fc.tuple(fc.nat(5000), fc.nat(300)).map(([start, length]) => byteRange(start, start + length));
const bytesOf = (ranges: readonly { start: number; end: number }[]): Set<number> => {
  const bytes = new Set<number>();
  for (const { start, end } of ranges) for (let at = start; at < end; at++) bytes.add(at);
  return bytes;
};

test('merging keeps exactly the same bytes, sorted and disjoint', () => {
  fc.assert(
    fc.property(fc.array(range, { maxLength: 20 }), (ranges) => {
      const merged = mergeRanges(ranges);
      expect(bytesOf(merged)).toEqual(bytesOf(ranges));
      for (const [index, piece] of merged.entries()) {
        const next = merged[index + 1];
        expect(piece.end).toBeGreaterThan(piece.start);
        if (next) expect(next.start).toBeGreaterThan(piece.end);
      }
    }),
  );
});

test('merging over gaps only adds bytes inside gaps of at most that size', () => {
  fc.assert(
    fc.property(fc.array(range, { minLength: 1, maxLength: 12 }), fc.nat(64), (ranges, gap) => {
      const exact = mergeRanges(ranges);
      const joined = mergeRanges(ranges, gap);
      expect([...bytesOf(exact)].every((byte) => bytesOf(joined).has(byte))).toBe(true);
      const added = totalLength(joined) - totalLength(exact);
      expect(added).toBeLessThanOrEqual(gap * Math.max(0, exact.length - joined.length));
    }),
  );
});

test('splitting covers the same bytes in order with pieces no longer than asked', () => {
  fc.assert(
    fc.property(range, fc.integer({ min: 1, max: 400 }), (whole, max) => {
      const pieces = [...splitRange(whole, max)];
      expect(pieces.every((piece) => rangeLength(piece) <= max && rangeLength(piece) > 0)).toBe(true);
      expect(totalLength(pieces)).toBe(rangeLength(whole));
      expect(bytesOf(pieces)).toEqual(bytesOf([whole]));
    }),
  );
});

test('aligning out contains the range, starts on a unit, and stays inside the disk', () => {
  fc.assert(
    fc.property(range, fc.integer({ min: 1, max: 512 }), (inner, unit) => {
      const limit = 6000;
      const outer = alignOut(inner, unit, limit);
      expect(outer.start % unit).toBe(0);
      expect(outer.start).toBeLessThanOrEqual(inner.start);
      expect(outer.end).toBeGreaterThanOrEqual(inner.end);
      expect(outer.end).toBeLessThanOrEqual(limit);
      expect(inner.start - outer.start).toBeLessThan(unit);
    }),
  );
});

test('an empty intersection is undefined, not an empty range', () => {
  expect(intersect(byteRange(0, 10), byteRange(10, 20))).toBeUndefined();
  expect(intersect(byteRange(0, 11), byteRange(10, 20))).toEqual({ start: 10, end: 11 });
});

test('a range that is no range is our own mistake', () => {
  expect(() => byteRange(5, 4)).toThrow('bad range');
  expect(() => byteRange(0, 2 ** 53)).toThrow('bad range');
});
