/** From a damaged pack to what it takes with it: which restore points, disks and blocks refer to it. */
import type { Lun } from '../model/machine';
import type { RestorePoint } from '../model/restore-point';
import { loadRoot, readLeaves } from './disk-manifest';
import { listRestorePoints } from './points';
import type { Repository } from './repository';

export interface DamagedDisk {
  readonly lun: Lun;
  readonly blocks: number;
  /** Disk bytes that the pack holds, as ranges in order; cut off after `rangesMax`. */
  readonly ranges: readonly { readonly start: number; readonly end: number }[];
}

export interface DamagedPoint {
  readonly pointId: string;
  readonly vmKey: string;
  readonly createdAt: string;
  readonly disks: readonly DamagedDisk[];
}

export interface DamageReport {
  readonly unit: string;
  /** Newest first. Empty: no restore point needs the pack. */
  readonly points: readonly DamagedPoint[];
  /** Disks whose manifests cannot be read themselves, so that nothing can be said of them. */
  readonly unreadable: readonly { readonly pointId: string; readonly lun: Lun }[];
}

export const rangesMax = 1_000;

/** Reads the manifests of all points (of one VM, when it is known); never a pack. */
export async function damageReport(
  repository: Repository,
  unit: string,
  vmKey?: string,
  signal?: AbortSignal,
): Promise<DamageReport> {
  const points: DamagedPoint[] = [];
  const unreadable: { pointId: string; lun: Lun }[] = [];
  for (const point of await listRestorePoints(repository, vmKey, signal)) {
    const disks: DamagedDisk[] = [];
    for (const disk of point.disks) {
      try {
        const damaged = await damageOf(repository, point, disk, unit, signal);
        if (damaged.blocks > 0) disks.push(damaged);
      } catch (error) {
        signal?.throwIfAborted();
        const code = error instanceof Error && 'code' in error ? String(error.code) : 'internal';
        repository.logger.warn('a disk manifest cannot be read', { pointId: point.id, lun: String(disk.lun), code });
        unreadable.push({ pointId: point.id, lun: disk.lun });
      }
    }
    const { id: pointId, vmKey: vm, createdAt } = point;
    if (disks.length > 0) points.push({ pointId, vmKey: vm, createdAt, disks });
  }
  return { unit, points, unreadable };
}

async function damageOf(
  repository: Repository,
  point: RestorePoint,
  disk: RestorePoint['disks'][number],
  unit: string,
  signal?: AbortSignal,
): Promise<DamagedDisk> {
  const root = await loadRoot(repository, point, disk, signal);
  const ranges: { start: number; end: number }[] = [];
  let blocks = 0;
  const leafCount = Math.ceil(root.diskBytes / root.leafBytes);
  for await (const placed of readLeaves(repository, root, 0, leafCount, signal)) {
    let start = placed.index * root.leafBytes;
    for (const run of placed.leaf?.runs ?? []) {
      const end = Math.min(root.diskBytes, start + run.count * root.blockBytes);
      if (run.data && placed.units[run.data.unit]?.unit === unit) {
        blocks += run.count;
        const last = ranges.at(-1);
        if (last?.end === start) last.end = end;
        else if (ranges.length < rangesMax) ranges.push({ start, end });
      }
      start = end;
    }
  }
  return { lun: disk.lun, blocks, ranges };
}
