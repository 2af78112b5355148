/** What the drill was asked for. */
import { parseArgs } from 'node:util';
import type { Strike } from './proxy';

export interface DrillOptions {
  readonly signal: Strike['signal'];
  readonly strikes: number;
  readonly diskMib: number;
  readonly windowMib: number;
  readonly seed: string;
  /** The system's folder for temporary files when absent. */
  readonly work: string | undefined;
}

const USAGE = `usage: npm run drill -- --kills N [--disk-mib N] [--window-mib N] [--seed TEXT] [--work FOLDER]
  --kills N         kill -9 of the data proxy, N times
  --disk-mib N      size of each disk, 66 when absent; a quarter of it is data
  --window-mib N    span of a window, 64 when absent; a multiple of 64`;

export function parseDrillOptions(args: readonly string[]): DrillOptions {
  const text = { type: 'string' } as const;
  const options = { kills: text, 'disk-mib': text, 'window-mib': text, seed: text, work: text };
  const { values } = parseArgs({ args: [...args], options });
  const number = (name: 'kills' | 'disk-mib' | 'window-mib', fallback: number | undefined, min: number): number => {
    const value = values[name] === undefined ? fallback : Number(values[name]);
    if (value === undefined || !Number.isInteger(value) || value < min)
      throw new Error(`--${name}: from ${min}\n${USAGE}`);
    return value;
  };
  const windowMib = number('window-mib', 64, 64);
  if (windowMib % 64 !== 0) throw new Error(`--window-mib: a multiple of 64\n${USAGE}`);
  return {
    signal: 'SIGKILL',
    strikes: number('kills', undefined, 1),
    diskMib: number('disk-mib', 66, 20),
    windowMib,
    seed: values.seed ?? 'drill',
    work: values.work,
  };
}
