/** Other programs: run to their end, with what they say kept for the error, and measured as whole processes. */
import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

/** What the person at the keyboard has to see: one message, no stack. */
export class BenchError extends Error {
  override readonly name = 'BenchError';
}

export interface RunOptions {
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  readonly input?: string;
}

/** Its standard output. `BenchError` with the last lines of what it said when it fails. */
export function run(command: string, args: readonly string[], options: RunOptions = {}): string {
  const done = spawnSync(command, args, {
    cwd: options.cwd,
    env: { ...process.env, ...options.env },
    input: options.input,
    encoding: 'utf8',
    maxBuffer: 256 * 1024 * 1024,
  });
  if (done.error) throw new BenchError(`${command} cannot be started: ${done.error.message}`);
  if (done.status !== 0) {
    const said = `${done.stderr}`.trim().split('\n').slice(-6).join('\n  ');
    throw new BenchError(`${command} ${args[0] ?? ''} ended with ${done.status ?? done.signal}:\n  ${said}`);
  }
  return done.stdout;
}

/** The same beside other work; what it prints is only kept for the error. */
export function runAsync(command: string, args: readonly string[], options: RunOptions = {}): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { cwd: options.cwd, env: { ...process.env, ...options.env } });
    let said = '';
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      said = (said + text).slice(-4096);
    });
    child.stdout.resume();
    child.on('error', (error) => reject(new BenchError(`${command} cannot be started: ${error.message}`)));
    child.on('close', (code, signal) => {
      if (code === 0) resolve();
      else
        reject(
          new BenchError(
            `${command} ended with ${code ?? signal}:\n  ${said.trim().split('\n').slice(-6).join('\n  ')}`,
          ),
        );
    });
    child.stdin.end(options.input ?? '');
  });
}

/** One whole process: wall clock, user and system seconds, peak resident memory. */
export interface Measured {
  readonly wallS: number;
  readonly cpuS: number;
  readonly rssMib: number;
  readonly stdout: string;
}

/** GNU time asks the kernel (wait4) for what the process and its children used; our own clock gives the wall time. */
export function measure(command: string, args: readonly string[], options: RunOptions = {}): Measured {
  const folder = mkdtempSync(path.join(tmpdir(), 'blockferry-bench-'));
  try {
    const figures = path.join(folder, 'time');
    const startedAt = performance.now();
    const stdout = run('/usr/bin/time', ['-q', '-f', '%U %S %M', '-o', figures, command, ...args], options);
    const wallS = (performance.now() - startedAt) / 1000;
    const [user = 0, system = 0, kib = 0] = readFileSync(figures, 'utf8').trim().split(' ').map(Number);
    return { wallS, cpuS: user + system, rssMib: kib / 1024, stdout };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
