/**
 * The entrance of `npm test`, `npm start` and `npm run` with demo, cloud, bench, drill and package. It needs nothing but a
 * Node 20 and npm: it installs from the lockfile when node_modules is missing or stale, builds when dist is stale, and then
 * hands over to the Node that came with the project. Plain JavaScript without dependencies: it runs before there are any.
 *
 * Everything it says goes to stderr: stdout belongs to the command (`demo --json`).
 */
import path from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { ensureBuilt } from './bootstrap/build.mjs';
import { SetupError } from './bootstrap/errors.mjs';
import { ensureInstalled } from './bootstrap/install.mjs';
import { withLock } from './bootstrap/lock.mjs';
import { findNode } from './bootstrap/node.mjs';
import { runThrough } from './bootstrap/run.mjs';

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..');

/** What each command runs, after set-up. */
const commands = {
  demo: ['dist/local/demo/main.js'],
  start: ['dist/local/stack/main.js', 'start'],
  cloud: ['dist/local/stack/main.js', 'cloud'],
  bench: ['dist/bench/main.js'],
  drill: ['dist/bench/drill/main.js'],
  package: ['dist/infra/package/main.js'],
  sim: ['dist/sim/main.js'],
  test: ['--experimental-vm-modules', '--disable-warning=ExperimentalWarning', 'node_modules/jest/bin/jest.js'],
};

async function main() {
  const [command = '', ...rest] = process.argv.slice(2);
  const target = Object.hasOwn(commands, command) ? commands[command] : undefined;
  if (!target)
    throw new SetupError(`usage: node local/bootstrap.mjs ${Object.keys(commands).join('|')} [arguments]`, 2);
  const say = (/** @type {string} */ line) => process.stderr.write(`blockferry: ${line}\n`);
  const node = await withLock(path.join(root, '.blockferry', 'bootstrap.lock'), say, async () => {
    await ensureInstalled(root, say);
    const found = findNode(root);
    ensureBuilt(root, found, say);
    return found;
  });
  const [first = '', ...more] = target;
  const entry = first.startsWith('-') ? first : path.join(root, first);
  await runThrough(node, [entry, ...more, ...rest], root);
}

main().catch((error) => {
  if (!(error instanceof SetupError)) throw error;
  process.stderr.write(`blockferry: ${error.message}\n`);
  process.exit(error.exitCode);
});
