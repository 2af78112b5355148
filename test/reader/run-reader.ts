/** The independent reader as its users run it: a process of its own, and nothing but its file. */
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

export const readerFile = path.resolve(__dirname, '..', '..', 'docs', 'reader', 'blockferry-reader.mjs');

export interface ReaderRun {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export function runReader(args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<ReaderRun> {
  return new Promise((resolve) => {
    // An empty environment, elsewhere than in the checkout: no package can be found from there.
    const options = { cwd: tmpdir(), env, maxBuffer: 16 * 2 ** 20 };
    execFile(process.execPath, [readerFile, ...args], options, (error, stdout, stderr) => {
      resolve({ code: typeof error?.code === 'number' ? error.code : error ? -1 : 0, stdout, stderr });
    });
  });
}

/** A folder that is gone after the test. */
export async function inFolder<Result>(work: (folder: string) => Promise<Result>): Promise<Result> {
  const folder = mkdtempSync(path.join(tmpdir(), 'blockferry-reader-'));
  try {
    return await work(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
