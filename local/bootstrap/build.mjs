/**
 * Builds dist/ when it is stale. The compiler is incremental, but it is not asked at all when nothing changed: a stamp in
 * dist/ holds a hash over path, size and change time of every source.
 * Compiled files whose source is gone are removed, because the host would go on loading a deleted function.
 */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { SetupError } from './errors.mjs';

const SOURCE_FOLDERS = ['functions', 'cli', 'shared', 'local', 'bench', 'infra', 'sim'];
const SETTINGS = ['tsconfig.json', 'package-lock.json'];

/**
 * @param {string} root
 * @param {string} node
 * @param {(line: string) => void} say
 */
export function ensureBuilt(root, node, say) {
  const sources = sourcesOf(root);
  const wanted = fingerprint(root, sources);
  const missing = sources.some((file) => !existsSync(outputOf(root, file)));
  const stampFile = path.join(root, 'dist', '.build-stamp');
  if (!missing && readText(stampFile) === wanted) return;
  say('building');
  // Without this record the compiler believes that what it once wrote is still there.
  if (missing) rmSync(path.join(root, 'dist', '.tsbuildinfo'), { force: true });
  rmSync(stampFile, { force: true });
  const compiler = path.join(root, 'node_modules', 'typescript', 'bin', 'tsc');
  const done = spawnSync(node, [compiler, '-p', 'tsconfig.json'], { cwd: root, stdio: ['ignore', 2, 2] });
  if (done.error || done.status !== 0) throw new SetupError('the build failed; the messages of the compiler are above');
  prune(root, new Set(sources.map((file) => outputOf(root, file))));
  mkdirSync(path.dirname(stampFile), { recursive: true });
  // The state before the build: what was edited meanwhile differs from it and is built next time.
  writeFileSync(stampFile, wanted);
}

/**
 * Every TypeScript source that the build takes, relative to the root, sorted.
 * @param {string} root
 * @returns {string[]}
 */
export function sourcesOf(root) {
  return SOURCE_FOLDERS.flatMap((folder) => filesBelow(path.join(root, folder)))
    .filter((file) => file.endsWith('.ts') && !file.endsWith('.d.ts'))
    .map((file) => path.relative(root, file))
    .sort();
}

/**
 * @param {string} root
 * @param {readonly string[]} sources
 */
export function fingerprint(root, sources) {
  const hash = createHash('sha256');
  for (const file of [...sources, ...SETTINGS]) {
    const stat = statSync(path.join(root, file), { throwIfNoEntry: false });
    hash.update(`${file}\0${stat ? `${stat.size}\0${stat.mtimeMs}` : 'absent'}\n`);
  }
  return hash.digest('hex');
}

/**
 * Removes compiled files (and their maps) that no source stands for. Answers how many.
 * @param {string} root
 * @param {ReadonlySet<string>} outputs
 */
export function prune(root, outputs) {
  let removed = 0;
  for (const folder of SOURCE_FOLDERS) {
    for (const file of filesBelow(path.join(root, 'dist', folder))) {
      if (outputs.has(file.replace(/\.map$/, ''))) continue;
      rmSync(file);
      removed++;
    }
  }
  return removed;
}

/**
 * @param {string} root
 * @param {string} source
 */
function outputOf(root, source) {
  return path.join(root, 'dist', source.replace(/\.ts$/, '.js'));
}

/** @param {string} folder */
function filesBelow(folder) {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => path.join(entry.parentPath ?? entry.path, entry.name));
}

/** @param {string} file */
function readText(file) {
  return existsSync(file) ? readFileSync(file, 'utf8') : undefined;
}
