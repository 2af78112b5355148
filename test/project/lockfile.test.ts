/**
 * The registry lacks some platform packages of some versions; `npm install` then writes a lockfile that `npm ci` refuses.
 * These checks predict that, and keep host names out of the repository.
 */
import { readFileSync } from 'node:fs';
import path from 'node:path';

interface LockEntry {
  readonly version?: string;
  readonly resolved?: string;
  readonly integrity?: string;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
}
const text = readFileSync(path.resolve(__dirname, '..', '..', 'package-lock.json'), 'utf8');
const lock = JSON.parse(text) as { lockfileVersion: number; packages: Record<string, LockEntry> };

test('the lockfile has version 3, which npm 7 and later read', () => {
  expect(lock.lockfileVersion).toBe(3);
});

test('every optional dependency of every package has an entry', () => {
  const missing = Object.entries(lock.packages).flatMap(([owner, entry]) =>
    Object.keys(entry.optionalDependencies ?? {})
      .filter((name) => !isLocked(owner, name))
      .map((name) => `${name} of ${owner || 'the project'}`),
  );
  expect(missing).toEqual([]);
});

test('no entry names a registry', () => {
  expect(Object.entries(lock.packages).filter(([, entry]) => entry.resolved !== undefined)).toEqual([]);
  expect(text).not.toMatch(
    /https?:\/\/(?!(?:www\.)?(?:github|opencollective|patreon|paypal|tidelift|feross)\b)[^"]*\/-\//,
  );
});

test('every package is pinned by its digest', () => {
  const unpinned = Object.entries(lock.packages).filter(([name, entry]) => name !== '' && !entry.integrity);
  expect(unpinned.map(([name]) => name)).toEqual([]);
});

/** npm looks in the owner's own node_modules first, then in each one above. */
function isLocked(owner: string, name: string): boolean {
  for (let folder = owner; ; folder = folder.slice(0, Math.max(0, folder.lastIndexOf('/node_modules/')))) {
    if (lock.packages[`${folder === '' ? '' : `${folder}/`}node_modules/${name}`]) return true;
    if (folder === '') return false;
  }
}
