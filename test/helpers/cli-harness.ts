/** The command line in this process, with its streams in strings. */

import type { Command } from '../../cli/command';
import { commands } from '../../cli/commands';
import { runCli } from '../../cli/run';

export interface CliRun {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
  /** Of stdout, parsed. */
  readonly lines: readonly Readonly<Record<string, unknown>>[];
}

export interface CliOptions {
  readonly environment?: Readonly<Record<string, string | undefined>>;
  readonly stdin?: string;
  readonly commands?: readonly Command[];
  readonly signal?: AbortSignal;
  /** A terminal of this many columns. */
  readonly terminal?: number;
  readonly nowMs?: () => number;
  readonly sleep?: (ms: number) => Promise<void>;
}

export async function cli(words: readonly string[], options: CliOptions = {}): Promise<CliRun> {
  const written = { stdout: '', stderr: '' };
  const stream = (name: keyof typeof written) => ({
    write: (text: string) => {
      written[name] += text;
      return true;
    },
    isTTY: options.terminal !== undefined,
    columns: options.terminal,
  });
  const exitCode = await runCli(words, {
    commands: options.commands ?? commands,
    version: '1.2.3',
    stdout: stream('stdout'),
    stderr: stream('stderr'),
    readStdin: async () => options.stdin ?? '',
    environment: options.environment ?? { HOME: '/nonexistent' },
    signal: options.signal ?? new AbortController().signal,
    nowMs: options.nowMs ?? (() => Date.parse('2026-03-01T12:00:00Z')),
    sleep: options.sleep ?? (async () => undefined),
  });
  return {
    exitCode,
    ...written,
    get lines() {
      return written.stdout
        .split('\n')
        .filter((line) => line !== '')
        .map((line) => JSON.parse(line) as Record<string, unknown>);
    },
  };
}
