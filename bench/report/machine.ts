/** The machine and the versions, so that a figure can be read by somebody else. */
import { readFileSync } from 'node:fs';
import { availableParallelism, cpus, loadavg, totalmem } from 'node:os';
import { borgVersion } from '../peers/borg';
import { resticVersion } from '../peers/restic';
import { zstdVersion } from '../peers/zstd';

export interface Machine {
  readonly cpu: string;
  readonly cores: number;
  readonly memoryGib: number;
  readonly system: string;
  readonly medium: string;
  readonly versions: string;
  /** Load average when the bench began: above zero, others were at work. */
  readonly load: number;
}

export function describeMachine(medium: string): Machine {
  const system = /PRETTY_NAME="([^"]+)"/.exec(readFileSync('/etc/os-release', 'utf8'))?.[1] ?? 'Linux';
  return {
    cpu: cpus()[0]?.model.trim() ?? 'unknown',
    cores: availableParallelism(),
    memoryGib: Math.round(totalmem() / 1024 ** 3),
    system,
    medium,
    versions: `Node ${process.versions.node} (zstd ${process.versions['zstd'] ?? '?'}), ${resticVersion()}, ${borgVersion()}, zstd ${zstdVersion()}`,
    load: loadavg()[0] ?? 0,
  };
}
