import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { writeContent } from '../../bench/images/content';
import { dirtyRuns } from '../../bench/images/in-place';
import { changedRanges, dataRanges, lengthOf } from '../../bench/images/ranges';
import { folderSize } from '../../bench/kit/folders';
import { seededBytes, seededNumbers } from '../../bench/kit/random';

const MIB = 1024 * 1024;
let folder = '';
beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'bench-images-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const fileOf = (name: string, bytes: Buffer): string => {
  const file = path.join(folder, name);
  writeFileSync(file, bytes);
  return file;
};

test('changed ranges are exactly the pages that differ, joined', () => {
  const before = Buffer.alloc(8 * MIB, 1);
  const after = Buffer.from(before);
  after[4096] = 2;
  after[8192 + 4095] = 2;
  after[6 * MIB] = 2;
  expect(changedRanges(fileOf('a', before), fileOf('b', after))).toEqual([
    { start: 4096, end: 3 * 4096 },
    { start: 6 * MIB, end: 6 * MIB + 4096 },
  ]);
});

test('data ranges cover every byte that is not zero', () => {
  const bytes = Buffer.alloc(4 * MIB);
  bytes[2 * MIB] = 1;
  const ranges = dataRanges(fileOf('image', bytes));
  expect(ranges.some(({ start, end }) => start <= 2 * MIB && end > 2 * MIB)).toBe(true);
});

test('rewriting one percent changes one percent, and nothing outside the ranges', () => {
  const bytes = seededBytes('image')(32 * MIB);
  const [before, after] = [fileOf('before', bytes), fileOf('after', bytes)];
  const inside = { start: 8 * MIB, end: 24 * MIB };
  dirtyRuns(after, [inside], 1, 'test');
  const changed = changedRanges(before, after);
  expect(lengthOf(changed) / lengthOf([inside])).toBeCloseTo(0.01, 2);
  expect(changed.every(({ start, end }) => start >= inside.start && end <= inside.end)).toBe(true);
});

test('content is the same for the same seed, of the size asked for', () => {
  const sizes = { mediaMib: 8, databaseMib: 1, logMib: 1 };
  for (const root of ['one', 'two']) writeContent(path.join(folder, root), 'seed', sizes);
  expect(changedRanges(path.join(folder, 'one/srv/db/table.dat'), path.join(folder, 'two/srv/db/table.dat'))).toEqual(
    [],
  );
  expect(folderSize(path.join(folder, 'one')).bytes).toBeGreaterThanOrEqual(10 * MIB);
});

test('numbers stay below their limit and do not repeat at once', () => {
  const below = seededNumbers('numbers');
  const drawn = Array.from({ length: 20_000 }, () => below(1000));
  expect(Math.max(...drawn)).toBeLessThan(1000);
  expect(new Set(drawn).size).toBeGreaterThan(990);
});
