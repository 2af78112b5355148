/** Finds the Node that runs the product: the one installed with it, else the running one when it is new enough. */
import { spawnSync } from 'node:child_process';
import path from 'node:path';
import process from 'node:process';
import { SetupError } from './errors.mjs';

/** zstd in node:zlib and node:sqlite without a flag came with 22.15 (package.json "engines"). */
const NEEDED = [22, 15];

/**
 * @param {string} root
 * @returns {string} path of the executable
 */
export function findNode(root) {
  const platform = process.platform === 'win32' ? 'win' : process.platform;
  const file = process.platform === 'win32' ? 'node.exe' : 'node';
  const own = path.join(root, 'node_modules', `node-${platform}-${process.arch}`, 'bin', file);
  // Started, not just looked for: on a musl system the file is there and cannot run.
  const answer = spawnSync(own, ['--version'], { encoding: 'utf8' });
  if (answer.status === 0 && isNewEnough(answer.stdout)) return own;
  if (isNewEnough(process.version)) return process.execPath;
  throw new SetupError(
    `Node ${process.version} is too old, and the Node that comes with the project does not run on ${process.platform}-${process.arch}. ` +
      `Install Node ${NEEDED.join('.')} or newer and run the same command with it.`,
  );
}

/** @param {string} version such as v24.21.0 */
export function isNewEnough(version) {
  const [major = 0, minor = 0] = version.trim().replace(/^v/, '').split('.').map(Number);
  const [neededMajor = 0, neededMinor = 0] = NEEDED;
  return major > neededMajor || (major === neededMajor && minor >= neededMinor);
}
