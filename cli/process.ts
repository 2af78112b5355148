/** The edges of the process: streams, signals, exit code. */
import { setTimeout as sleep } from 'node:timers/promises';
import { processEnvironment } from '../shared/app/config';
import { CliError } from './cli-error';
import { commands } from './commands';
import { exitCodes } from './exit-codes';
import { runCli } from './run';
import { readVersion } from './version';

/** A policy file is the largest thing that comes this way. */
const STDIN_BYTES_MAX = 4 * 1024 * 1024;

export async function runProcess(): Promise<void> {
  const stop = new AbortController();
  for (const name of ['SIGINT', 'SIGTERM'] as const) {
    process.on(name, () => {
      // The second one is from somebody who will not wait.
      if (stop.signal.aborted) process.exit(exitCodes.interrupted.code);
      stop.abort(new CliError('interrupted', 'interrupted', { code: 'interrupted' }));
    });
  }
  // `blockferry jobs | head`: the reader has what it wants.
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    process.exit(error.code === 'EPIPE' ? exitCodes.done.code : exitCodes.failed.code);
  });
  process.exitCode = await runCli(process.argv.slice(2), {
    commands,
    version: readVersion(),
    stdout: process.stdout,
    stderr: process.stderr,
    readStdin,
    environment: processEnvironment(),
    signal: stop.signal,
    nowMs: Date.now,
    sleep: (ms) => sleep(ms, undefined, { signal: stop.signal }).catch(() => undefined),
  });
  // Keep-alive sockets and the like would hold the process for seconds after its work.
  await new Promise((resolve) => process.stdout.write('', resolve));
  process.exit();
}

async function readStdin(): Promise<string> {
  const chunks: Buffer[] = [];
  let count = 0;
  for await (const chunk of process.stdin as AsyncIterable<Buffer>) {
    count += chunk.length;
    if (count > STDIN_BYTES_MAX) throw new CliError('usage', `stdin gives more than ${STDIN_BYTES_MAX} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}
