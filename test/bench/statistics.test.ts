import { localityTable, simulateLocality } from '../../bench/locality-simulation';
import { pairRatios, spread } from '../../bench/report/statistics';

test('the median of an even number of rounds lies between the two in the middle', () => {
  expect(spread([4, 1, 3, 2])).toEqual({ median: 2.5, min: 1, max: 4 });
  expect(spread([9, 5, 7])).toEqual({ median: 7, min: 5, max: 9 });
});

test('ratios are taken round by round, so that a slow minute strikes both of a pair', () => {
  expect(pairRatios([10, 40], [5, 20])).toEqual([2, 2]);
});

test('sampling loses little of long runs and much of short ones, whatever the size of the store', () => {
  const lost = (runBlocks: number): number => simulateLocality({ runBlocks, streamBlocks: 50_000 }).lostShare;
  expect(lost(1)).toBeGreaterThan(0.9);
  expect(lost(1024)).toBeLessThan(0.1);
  expect(lost(64)).toBeGreaterThan(lost(1024));
});

test('with a hook for every block nothing is lost', () => {
  expect(simulateLocality({ hookEvery: 1, streamBlocks: 10_000 }).missed).toBe(0);
});

test('the hooks of a pebibyte take a sixty-fourth of its whole index', () => {
  const [, , pebibyte] = localityTable(21, 10_000);
  expect(pebibyte?.blocks).toBe(2 ** 50 / 65_536);
  expect((pebibyte?.fullGib ?? 0) / (pebibyte?.hooksGib ?? 1)).toBeCloseTo(64);
});
