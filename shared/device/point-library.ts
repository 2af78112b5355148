/** The restore points of a repository and their disks, opened when asked for and kept open while they are used. */

import type { ComputePool } from '../blockstore/compute-pool';
import { listRestorePoints } from '../blockstore/points';
import type { Repository } from '../blockstore/repository';
import { pointPrefix } from '../format/store-keys';
import { AppError, isAppError } from '../model/errors';
import { pointIdSchema } from '../model/ids';
import type { Lun } from '../model/machine';
import type { RestorePoint } from '../model/restore-point';
import { createPointDisks, type PointDisk } from './point-disk';

export interface PointLibrary {
  /** Newest first. */
  points(signal?: AbortSignal): Promise<RestorePoint[]>;
  /** `request.not-found` for an unknown point, or a disk that it does not have. */
  open(pointId: string, lun: Lun, signal?: AbortSignal): Promise<PointDisk>;
  close(): void;
}

export interface PointLibraryOptions {
  readonly repository: Repository;
  readonly pool: ComputePool;
  readonly cacheBytes?: number;
  /** Which VM a point is of, where a catalog knows it; else the store is asked. */
  readonly vmKeyOf?: (pointId: string) => Promise<string | undefined>;
}

/** Each is a decoded root and some numbers. */
const DISKS_MAX = 64;

export function createPointLibrary(options: PointLibraryOptions): PointLibrary {
  const { repository } = options;
  const disks = createPointDisks(options);
  const open = new Map<string, Promise<PointDisk>>();
  const vmKeyOf = options.vmKeyOf ?? ((pointId: string) => findVmKey(repository, pointId));
  const load = async (pointId: string, lun: Lun): Promise<PointDisk> => {
    const vmKey = pointIdSchema.safeParse(pointId).success ? await vmKeyOf(pointId) : undefined;
    if (vmKey === undefined) throw noPoint(pointId);
    return disks.open({ vmKey, pointId, lun }).catch((error: unknown) => {
      // Its record has gone since; an object below it that is missing is damage, and stays what it is.
      throw isAppError(error, 'store.not-found') && error.context['point'] !== undefined ? noPoint(pointId) : error;
    });
  };
  return {
    points: (signal) => listRestorePoints(repository, undefined, signal),
    open: (pointId, lun) => {
      const key = `${pointId}/${lun}`;
      const opening = open.get(key) ?? load(pointId, lun);
      open.delete(key);
      open.set(key, opening);
      for (const oldest of open.keys()) {
        if (open.size <= DISKS_MAX) break;
        open.delete(oldest);
      }
      // A failed opening is not remembered.
      opening.catch(() => open.get(key) === opening && open.delete(key));
      return opening;
    },
    close: () => disks.close(),
  };
}

const noPoint = (pointId: string): AppError =>
  new AppError('request.not-found', `there is no restore point ${JSON.stringify(pointId.slice(0, 100))}`);

/** From the names alone: no record is opened. */
async function findVmKey(repository: Repository, pointId: string): Promise<string | undefined> {
  const prefix = pointPrefix(repository.tenant);
  for await (const { key } of repository.stores.data.list(prefix)) {
    const [vmKey, point] = key.slice(prefix.length).split('/');
    if (point === pointId) return vmKey;
  }
  return undefined;
}

/** `os` or a number, as it stands in addresses and options. `request.invalid` otherwise. */
export function parseLun(text: string): Lun {
  if (text === 'os') return 'os';
  if (/^(\d|[1-5]\d|6[0-3])$/.test(text)) return Number(text);
  throw new AppError(
    'request.invalid',
    `a disk is "os" or a LUN from 0 to 63, not ${JSON.stringify(text.slice(0, 40))}`,
  );
}
