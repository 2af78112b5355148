/** A data proxy of the drill: the product's own program with the I/O counter loaded before it. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { dataProxyNodeArgs } from '../../shared/app/process-fleet';

export interface Strike {
  readonly signal: 'SIGKILL' | 'SIGTERM' | 'SIGSTOP';
  /** From 1. */
  readonly point: number;
}

export interface DrillProxy {
  readonly child: ChildProcess;
  /** The signal that ended it, or its exit code. */
  readonly ended: Promise<NodeJS.Signals | number>;
  /** I/O points so far. */
  points(): Promise<number>;
  /** The last lines of its log. */
  lines(): readonly string[];
}

const GRACE_MS = 30_000;
const LINES_MAX = 40;

export function startProxy(
  dist: string,
  environment: Readonly<Record<string, string>>,
  strike: Strike | undefined,
): DrillProxy {
  const counter = path.join(dist, 'bench', 'drill', 'at-io-point.js');
  const program = path.join(dist, 'shared', 'app', 'data-proxy-main.js');
  const child = spawn(process.execPath, [...dataProxyNodeArgs, '--require', counter, program], {
    stdio: ['ignore', 'ignore', 'pipe'],
    env: { ...environment, ...(strike ? { DRILL_SIGNAL_AT: `${strike.signal}:${strike.point}` } : {}) },
  });
  const lines: string[] = [];
  let said: number | undefined;
  createInterface({ input: child.stderr }).on('line', (line) => {
    const points = /^points (\d+)$/.exec(line);
    if (points) said = Number(points[1]);
    else if (lines.push(line) > LINES_MAX) lines.shift();
  });
  const ended = once(child, 'exit').then(([code, signal]) => (signal ?? code) as NodeJS.Signals | number);
  return {
    child,
    ended,
    points: async () => {
      said = undefined;
      child.kill('SIGUSR2');
      while (said === undefined) {
        if (child.exitCode !== null || child.signalCode !== null)
          throw new Error('the data proxy ended before it could say its I/O points');
        await sleep(10);
      }
      return said;
    },
    lines: () => lines,
  };
}

/** As the fleet does it: asked to go, then made to. Whether it went by itself. */
export async function endProxy({ child, ended }: DrillProxy): Promise<boolean> {
  if (child.exitCode !== null || child.signalCode !== null) return true;
  child.kill('SIGTERM');
  const grace = new AbortController();
  const late = sleep(GRACE_MS, 'late' as const, { signal: grace.signal }).catch(() => 'late' as const);
  const first = await Promise.race([ended, late]);
  grace.abort();
  if (first !== 'late') return true;
  child.kill('SIGKILL');
  await ended;
  return false;
}
