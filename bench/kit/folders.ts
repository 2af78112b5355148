/** Sizes of folders, and where there is room for the bench to work in. */
import { existsSync, readdirSync, readFileSync, rmSync, statfsSync, statSync } from 'node:fs';
import path from 'node:path';

const GIB = 1024 ** 3;
const MEMORY_FOLDER = '/dev/shm';
const PREFIX = 'blockferry-bench-';

export function folderSize(folder: string): { readonly bytes: number; readonly files: number } {
  if (!existsSync(folder)) return { bytes: 0, files: 0 };
  const files = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  const bytes = files.reduce((sum, entry) => sum + statSync(path.join(entry.parentPath, entry.name)).size, 0);
  return { bytes, files: files.length };
}

/** A folder in memory when twice the wanted room is free there, so that no disk is in the figures; else one on the disk. */
export function runFolder(wantedBytes: number, onDisk: string): { readonly folder: string; readonly medium: string } {
  const name = `${PREFIX}${process.pid}`;
  for (const parent of [MEMORY_FOLDER, onDisk]) sweep(parent);
  const available = Number(/MemAvailable:\s+(\d+)/.exec(readFileSync('/proc/meminfo', 'utf8'))?.[1] ?? 0) * 1024;
  if (existsSync(MEMORY_FOLDER)) {
    const { bavail, bsize } = statfsSync(MEMORY_FOLDER);
    if (Math.min(available, bavail * bsize) > 1.6 * wantedBytes) {
      return { folder: path.join(MEMORY_FOLDER, name), medium: 'memory (tmpfs)' };
    }
  }
  return { folder: path.join(onDisk, name), medium: `disk (${(available / GIB).toFixed(0)} GiB of memory are free)` };
}

export const remove = (folder: string): void => rmSync(folder, { recursive: true, force: true });

/** What a run that was killed left behind: gigabytes of memory, which nobody else would give back. */
function sweep(parent: string): void {
  if (!existsSync(parent)) return;
  for (const name of readdirSync(parent)) {
    const pid = name.startsWith(PREFIX) ? Number(name.slice(PREFIX.length)) : Number.NaN;
    if (Number.isInteger(pid) && !existsSync(`/proc/${pid}`)) remove(path.join(parent, name));
  }
}
