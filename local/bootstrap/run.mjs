/** Runs the command on the chosen Node as if it were this process: same streams, signals passed on, same exit code. */
import { spawn } from 'node:child_process';
import { constants } from 'node:os';
import path from 'node:path';
import process from 'node:process';

/**
 * Does not return: ends this process as the child ended.
 * @param {string} node
 * @param {readonly string[]} args
 * @param {string} cwd
 */
export async function runThrough(node, args, cwd) {
  const child = spawn(node, args, {
    cwd,
    stdio: 'inherit',
    env: {
      ...process.env,
      // Children that say just "node" get the same one.
      PATH: `${path.dirname(node)}${path.delimiter}${process.env['PATH'] ?? ''}`,
      // Where the person is: relative file names in the arguments start there. npm sets it, a direct call does not.
      INIT_CWD: process.env['INIT_CWD'] ?? process.cwd(),
      BLOCKFERRY_PARENT_PID: String(process.pid),
    },
  });
  // Ctrl-C reaches the child directly as well (one process group); it takes a second signal as the same wish.
  for (const signal of /** @type {const} */ (['SIGINT', 'SIGTERM', 'SIGHUP'])) {
    process.on(signal, () => child.kill(signal));
  }
  await new Promise((_never, reject) => {
    child.on('error', reject);
    child.on('exit', (code, signal) => {
      process.exit(code ?? 128 + (signal ? constants.signals[signal] : 0));
    });
  });
}
