/** Runs the compiled simulation as `npm run sim` does. */
import { execFile } from 'node:child_process';
import { join } from 'node:path';

export interface SimAnswer {
  readonly seeds: number;
  readonly steps: number;
  readonly faultsInjected: number;
  readonly violations: number;
  readonly mutationsKilled: number;
  readonly mutations: Readonly<Record<string, number | null>>;
  readonly outcomes: Readonly<Record<string, number>>;
  readonly failures: readonly {
    readonly seed: number;
    readonly violations: readonly string[];
    readonly command: string;
  }[];
}

export interface SimRun {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export function runSim(...args: readonly string[]): Promise<SimRun> {
  const main = join(__dirname, '..', '..', 'dist', 'sim', 'main.js');
  return new Promise((resolve) => {
    execFile(process.execPath, [main, ...args], { maxBuffer: 2 ** 28 }, (error, stdout, stderr) => {
      resolve({ code: error ? Number(error.code ?? 1) : 0, stdout, stderr });
    });
  });
}

export async function simulate(...args: readonly string[]): Promise<SimAnswer> {
  const { stdout, stderr } = await runSim(...args, '--json');
  const last = stdout.trim().split('\n').at(-1) ?? '';
  if (last === '') throw new Error(`the simulation said nothing: ${stderr.slice(-2000)}`);
  return JSON.parse(last) as SimAnswer;
}
