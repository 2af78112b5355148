/** Every encoder of version 1 gives the bytes that were written down when it was made. */
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { goldenFolder } from './load';
import { vectors } from './vectors';

const written = JSON.parse(readFileSync(path.join(goldenFolder, 'vectors.json'), 'utf8')) as Record<string, string>;

test.each(Object.keys(written))('%s', (name) => {
  expect(vectors[name]).toBe(written[name]);
});

test('there is one for every encoder: a new one is written down as well', () => {
  expect(Object.keys(vectors)).toEqual(Object.keys(written));
  const folder = path.resolve(__dirname, '..', '..', 'shared', 'format');
  const source = readFileSync(path.join(__dirname, 'vectors.ts'), 'utf8');
  // unit-table is a part of leaves and segments.
  const files = readdirSync(folder)
    .map((name) => name.replace(/\.ts$/, ''))
    .filter((name) => name !== 'unit-table');
  expect(files.filter((name) => !source.includes(`shared/format/${name}'`))).toEqual([]);
});
