/**
 * Finds the processes of one stack by the mark in their environment, whoever started them and whatever became of their
 * parents. Linux only (/proc); elsewhere the supervisor knows its own children and no more.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

export interface StackProcess {
  readonly pid: number;
  readonly command: string;
}

export function findStackProcesses(stackId: string): StackProcess[] {
  if (process.platform !== 'linux') return [];
  const mark = `BLOCKFERRY_STACK_ID=${stackId}`;
  return readdirSync('/proc')
    .map(Number)
    .filter((pid) => Number.isInteger(pid) && pid !== process.pid)
    .flatMap((pid) => {
      try {
        if (!readFileSync(`/proc/${pid}/environ`, 'latin1').split('\0').includes(mark)) return [];
        return [{ pid, command: readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ').trim() }];
      } catch {
        // Gone meanwhile, or not ours to look at and so not ours.
        return [];
      }
    });
}

/** The data proxies among them: those that work for a region. */
export function findDataProxies(stackId: string): StackProcess[] {
  return findStackProcesses(stackId).filter(({ pid }) => {
    try {
      return readFileSync(`/proc/${pid}/environ`, 'latin1').includes('\0BLOCKFERRY_REGION=');
    } catch {
      return false;
    }
  });
}

/** SIGTERM to all that `wanted` picks, SIGKILL to those who do not listen. Answers who needed the second. */
export async function endStackProcesses(
  stackId: string,
  graceMs: number,
  wanted: (found: StackProcess) => boolean,
): Promise<StackProcess[]> {
  const find = (): StackProcess[] => findStackProcesses(stackId).filter(wanted);
  for (const found of find()) signal(found.pid, 'SIGTERM');
  const endsAt = Date.now() + graceMs;
  while (Date.now() < endsAt && find().length > 0) await sleep(50);
  const stubborn = find();
  for (const found of stubborn) signal(found.pid, 'SIGKILL');
  while (find().length > 0) await sleep(20);
  return stubborn;
}

function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch {
    // It ended between the look and the signal.
  }
}
