/**
 * Data proxies as child processes of this machine: the fleet of the embedded stack. A proxy outlives the Functions host that
 * launched it, so that a restarted host finds it again, by a pid file with the process's start.
 *
 *   <stateDirectory>/data-proxy-<region>.pid   {"pid", "start", "region"}
 *   <stateDirectory>/data-proxy-<region>.log   what it prints
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { link, mkdir, open, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Clock, systemClock } from '../base/clock';
import { type Logger, silentLogger } from '../base/logger';
import { AppError } from '../model/errors';
import { regionSchema } from '../model/ids';
import type { DataProxyFleet } from '../workflows/ports';
import { startOf } from './process-identity';

export interface ProcessFleetOptions {
  /** Compiled main file of the data proxy. */
  readonly mainFile: string;
  readonly stateDirectory: string;
  /** The proxy's whole environment; BLOCKFERRY_REGION is added. Pass BLOCKFERRY_PARENT_PID through in it. */
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly clock?: Clock;
  readonly logger?: Logger;
  /** How long a proxy may take to put down its work after SIGTERM. */
  readonly graceMs?: number;
}

interface ProxyRecord {
  readonly pid: number;
  readonly start: string;
}

const POLL_MS = 50;

export function createProcessFleet(options: ProcessFleetOptions): DataProxyFleet {
  const turns = new Map<string, Promise<unknown>>();
  /** Launches and removals of one region happen one after the other. */
  const inTurn = (region: string, run: (region: string) => Promise<void>): Promise<void> => {
    if (!regionSchema.safeParse(region).success) {
      return Promise.reject(new AppError('request.invalid', 'not the name of an Azure region'));
    }
    const turn = (turns.get(region) ?? Promise.resolve()).then(() => run(region));
    turns.set(
      region,
      turn.catch(() => undefined),
    );
    return turn;
  };
  return {
    launch: (region) => inTurn(region, () => launch(options, region)),
    remove: (region) => inTurn(region, () => remove(options, region)),
  };
}

async function launch(options: ProcessFleetOptions, region: string): Promise<void> {
  const { stateDirectory, logger = silentLogger } = options;
  await mkdir(stateDirectory, { recursive: true });
  const file = pidFile(stateDirectory, region);
  if (await running(file)) return;
  const child = await start(options, region);
  const pid = child.pid ?? 0;
  const record = { pid, start: (await startOf(pid)) ?? '', region };
  if (record.start === '')
    throw new AppError('cloud.unavailable', `the data proxy of ${region} ended at once`, { retryable: true });
  if (await claim(file, JSON.stringify(record))) {
    logger.info('data proxy launched', { region, pid });
    return;
  }
  const ended = once(child, 'exit');
  child.kill('SIGKILL'); // another process launched one in the meantime
  await ended;
}

async function remove(options: ProcessFleetOptions, region: string): Promise<void> {
  const { stateDirectory, clock = systemClock, logger = silentLogger, graceMs = 10_000 } = options;
  const file = pidFile(stateDirectory, region);
  const proxy = await running(file);
  if (proxy) {
    signal(proxy.pid, 'SIGTERM');
    const stopped = await gone(proxy, clock, graceMs);
    if (!stopped) {
      signal(proxy.pid, 'SIGKILL');
      await gone(proxy, clock, 5000);
    }
    logger.info('data proxy removed', { region, pid: proxy.pid, killed: !stopped });
  }
  await rm(file, { force: true });
}

/** Node lets its young generation grow by 100 MiB where memory is plenty; a data proxy's promise is 512 MiB in all (docs/performance.md). */
export const dataProxyNodeArgs: readonly string[] = ['--max-semi-space-size=16'];

async function start(options: ProcessFleetOptions, region: string): Promise<ChildProcess> {
  const log = await open(join(options.stateDirectory, `data-proxy-${region}.log`), 'a', 0o600);
  try {
    const child = spawn(process.execPath, [...dataProxyNodeArgs, options.mainFile], {
      detached: true,
      stdio: ['ignore', log.fd, log.fd],
      env: { ...options.environment, BLOCKFERRY_REGION: region },
    });
    await once(child, 'spawn'); // rejects with the child's 'error'
    child.unref();
    return child;
  } catch (error) {
    throw new AppError('config.invalid', `cannot start the data proxy of ${region}`, { cause: error });
  } finally {
    await log.close();
  }
}

/** Writes the pid file whole or not at all, and only when none of a living proxy is there. */
async function claim(file: string, text: string): Promise<boolean> {
  const draft = `${file}.${randomUUID()}`; // a name that two writers shared would let one change the other's linked file
  await writeFile(draft, text, { mode: 0o600 });
  try {
    for (;;) {
      try {
        await link(draft, file);
        return true;
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
        if (await running(file)) return false;
        await rm(file, { force: true });
      }
    }
  } finally {
    await rm(draft, { force: true });
  }
}

/** The proxy of a pid file, if exactly that process still runs. */
async function running(file: string): Promise<ProxyRecord | undefined> {
  const record = await readRecord(file);
  return record && (await startOf(record.pid)) === record.start ? record : undefined;
}

async function readRecord(file: string): Promise<ProxyRecord | undefined> {
  try {
    const { pid, start }: Partial<ProxyRecord> = JSON.parse(await readFile(file, 'utf8'));
    return typeof pid === 'number' && pid > 1 && typeof start === 'string' ? { pid, start } : undefined;
  } catch {
    return undefined; // none, or not ours: as good as none
  }
}

async function gone(proxy: ProxyRecord, clock: Clock, withinMs: number): Promise<boolean> {
  const until = clock.monotonicMs() + withinMs;
  while ((await startOf(proxy.pid)) === proxy.start) {
    if (clock.monotonicMs() >= until) return false;
    await clock.sleep(POLL_MS);
  }
  return true;
}

function signal(pid: number, name: 'SIGTERM' | 'SIGKILL'): void {
  try {
    process.kill(pid, name);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

const pidFile = (stateDirectory: string, region: string): string => join(stateDirectory, `data-proxy-${region}.pid`);
