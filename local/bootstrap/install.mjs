/**
 * Is node_modules what the lockfile says? npm writes node_modules/.package-lock.json as the last act of an install, with
 * every package that it really put there, so comparing the two needs no stamp of our own: an interrupted install has no
 * such file, one by hand counts, and a changed lockfile shows.
 */
import { spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { constants } from 'node:os';
import path from 'node:path';
import process from 'node:process';
import { SetupError } from './errors.mjs';

/** Packages ask for Node 22 and npm, on Node 20, warns of each; they will run on the Node that is among them. */
const QUIET = ['--loglevel=error'];
const SIGNALS = /** @type {const} */ (['SIGINT', 'SIGTERM', 'SIGHUP']);

/**
 * @param {string} root
 * @param {(line: string) => void} say
 */
export async function ensureInstalled(root, say) {
  const reason = staleReason(root);
  if (reason === undefined) return;
  say(`installing packages from the lockfile (${reason})`);
  const startedAt = Date.now();
  const npm = npmCommand();
  const done = await runUntilSignal(
    npm.command,
    [...npm.args, 'ci', '--ignore-scripts', '--no-fund', '--no-audit', ...QUIET],
    {
      cwd: root,
      stdio: ['ignore', 2, 2],
      shell: npm.shell,
    },
  );
  if (done.stoppedBy) throw new SetupError('stopped', 128 + constants.signals[done.stoppedBy]);
  if (done.error || done.status !== 0) {
    const why = done.error ? done.error.message : `npm ci ended with ${done.status ?? done.signal}`;
    throw new SetupError(
      `could not install the packages: ${why}.\n` +
        'This step needs the npm registry (or its packages in the npm cache): check the network and the npm settings, then run the same command again.',
    );
  }
  const still = staleReason(root);
  if (still !== undefined) throw new SetupError(`npm ci reported success, but ${still}`);
  say(`installed in ${Math.round((Date.now() - startedAt) / 1000)} s`);
}

/**
 * npm takes the first Ctrl-C as a wish to finish what it is at, for a minute or more, and nobody would wait for it: it is
 * killed, which the next run sees by the missing record of the install.
 * @param {string} command
 * @param {readonly string[]} args
 * @param {import('node:child_process').SpawnOptions} options
 * @returns {Promise<{ error?: Error, status: number | null, signal: string | null, stoppedBy?: NodeJS.Signals | undefined }>}
 */
function runUntilSignal(command, args, options) {
  const child = spawn(command, args, options);
  /** @type {NodeJS.Signals | undefined} */
  let stoppedBy;
  const stop = (/** @type {NodeJS.Signals} */ signal) => {
    stoppedBy ??= signal;
    child.kill('SIGKILL');
  };
  for (const signal of SIGNALS) process.on(signal, stop);
  return new Promise((resolve) => {
    child.on('error', (error) => resolve({ error, status: null, signal: null, stoppedBy }));
    child.on('exit', (status, signal) => resolve({ status, signal, stoppedBy }));
  }).finally(() => {
    for (const signal of SIGNALS) process.off(signal, stop);
  });
}

/**
 * Why node_modules cannot be used as it is; undefined when it can.
 * @param {string} root
 * @returns {string | undefined}
 */
export function staleReason(root) {
  const wanted = packagesOf(path.join(root, 'package-lock.json'));
  if (!wanted) throw new SetupError('package-lock.json is missing or damaged: this is not a complete checkout', 1);
  const present = packagesOf(path.join(root, 'node_modules', '.package-lock.json'));
  if (!present) return 'node_modules is missing or incomplete';
  for (const [name, entry] of Object.entries(wanted)) {
    if (name === '') continue;
    const there = present[name];
    if (!there) {
      // Optional packages of other platforms are not installed; npm decides which.
      if (entry.optional || entry.devOptional || entry.peer) continue;
      return `${name} is not installed`;
    }
    if (there.version !== entry.version) return `${name} is ${there.version}, the lockfile says ${entry.version}`;
  }
  for (const name of Object.keys(present)) if (!wanted[name]) return `${name} is no longer in the lockfile`;
  for (const name of directDependencies(wanted[''])) {
    if (!existsSync(path.join(root, 'node_modules', name, 'package.json'))) return `node_modules/${name} is gone`;
  }
  return undefined;
}

/** @param {Record<string, Record<string, string>> | undefined} rootEntry */
function directDependencies(rootEntry) {
  return Object.keys({ ...rootEntry?.['dependencies'], ...rootEntry?.['devDependencies'] });
}

/**
 * @param {string} file
 * @returns {Record<string, any> | undefined}
 */
function packagesOf(file) {
  try {
    return JSON.parse(readFileSync(file, 'utf8')).packages ?? undefined;
  } catch {
    return undefined;
  }
}

/** The npm that started us, when one did; else the one in PATH (a .cmd file on Windows, which needs a shell). */
function npmCommand() {
  const own = process.env['npm_execpath'];
  if (own?.endsWith('.js')) return { command: process.execPath, args: [own], shell: false };
  return { command: 'npm', args: [], shell: process.platform === 'win32' };
}
