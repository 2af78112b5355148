/**
 * Tells one process from a later one with the same pid, by its start as the system reports it. Pid files outlive their
 * process, and pids are reused.
 */
import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { promisify } from 'node:util';

/** Opaque text, the same for the whole life of a process; undefined when no such process runs (any more). */
export async function startOf(pid: number): Promise<string | undefined> {
  if (process.platform === 'linux') return fromProc(pid);
  return process.platform === 'win32'
    ? fromCommand('powershell', ['-NoProfile', '-Command', `(Get-Process -Id ${pid}).StartTime.Ticks`])
    : fromCommand('ps', ['-o', 'lstart=', '-p', String(pid)]);
}

/** proc(5): field 22 of stat is the start in clock ticks since boot, field 3 the state; `comm` may hold spaces and ")". */
async function fromProc(pid: number): Promise<string | undefined> {
  try {
    const [stat, bootId] = await Promise.all([
      readFile(`/proc/${pid}/stat`, 'utf8'),
      readFile('/proc/sys/kernel/random/boot_id', 'utf8'),
    ]);
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    const ended = fields[0] === 'Z' || fields[0] === 'X';
    return ended || fields[19] === undefined ? undefined : `${bootId.trim()}/${fields[19]}`;
  } catch {
    return undefined; // no such process
  }
}

async function fromCommand(command: string, args: readonly string[]): Promise<string | undefined> {
  try {
    const { stdout } = await promisify(execFile)(command, [...args], { timeout: 10_000 });
    return stdout.trim() || undefined;
  } catch {
    return undefined; // both commands fail when there is no such process
  }
}
