/** Restore-point records: `p/<vm>/<point>` in the data bucket. What is listed there is what exists. */
import { boundedMap } from '../base/bounded-map';
import { decodePoint } from '../format/records';
import { digestOf, pointKey, pointPrefix } from '../format/store-keys';
import { AppError, isAppError } from '../model/errors';
import { jobIdOfPoint } from '../model/ids';
import type { RestorePoint } from '../model/restore-point';
import { getSealed, type Repository, signalOption } from './repository';
import { readSession } from './session';

const READS_AT_ONCE = 16;

export interface StoredPoint {
  readonly point: RestorePoint;
  /** SHA-256 of the record's stored bytes: what the next point of the VM names as its predecessor. */
  readonly digest: string;
}

/** `store.not-found` when there is no such point; `manifest.corrupt` when its record does not authenticate. */
export async function loadRestorePoint(
  repository: Repository,
  vmKey: string,
  pointId: string,
  signal?: AbortSignal,
): Promise<RestorePoint> {
  try {
    return (await loadStoredPoint(repository, pointKey(repository.tenant, vmKey, pointId), signal)).point;
  } catch (error) {
    if (!isAppError(error, 'store.not-found')) throw error;
    throw new AppError('store.not-found', `there is no restore point ${pointId} of this VM in the repository`, {
      context: { point: pointId, vm: vmKey },
    });
  }
}

/**
 * The same, for who is about to read its packs: looked at behind the reader's own register, so that the collector waits for
 * the reader. `request.conflict` when the point has expired.
 */
export async function requireLivePoint(
  repository: Repository,
  vmKey: string,
  pointId: string,
  signal?: AbortSignal,
): Promise<RestorePoint> {
  const state = (await readSession(repository, jobIdOfPoint(pointId), signal))?.state;
  if (state === 'EXPIRED' || state === 'GONE') {
    const hope = state === 'EXPIRED' ? 'undo its expiry first' : 'its data may be deleted by now';
    throw new AppError('request.conflict', `restore point ${pointId} has expired; ${hope}`, {
      context: { point: pointId, vm: vmKey },
    });
  }
  const point = await loadRestorePoint(repository, vmKey, pointId, signal);
  if (state !== 'COMMITTED') {
    throw new AppError(
      'store.mismatch',
      `restore point ${pointId} has no committed register: the control bucket has lost objects; rebuild it (docs/operations.md)`,
      { context: { point: pointId, vm: vmKey } },
    );
  }
  return point;
}

/**
 * All points of the tenant or of one VM, newest first. An unreadable record is an error, never left out. Records of points
 * that have expired stay in the bucket and are left out; where a register is lost, its point counts as there.
 */
export async function listRestorePoints(
  repository: Repository,
  vmKey?: string,
  signal?: AbortSignal,
): Promise<RestorePoint[]> {
  const stored = await listStoredPoints(repository, vmKey, signal);
  const live = await boundedMap(stored, READS_AT_ONCE, async ({ point }) => {
    const state = (await readSession(repository, point.jobId, signal))?.state;
    return state === 'EXPIRED' || state === 'GONE' ? [] : [point];
  });
  return live.flat();
}

/** The newest point of the VM: the one that no other names as its predecessor; among several, the one created last. */
export async function newestPoint(
  repository: Repository,
  vmKey: string,
  signal?: AbortSignal,
): Promise<StoredPoint | undefined> {
  const points = await listStoredPoints(repository, vmKey, signal);
  const followed = new Set(points.map(({ point }) => point.previousDigest));
  return points.find(({ digest }) => !followed.has(digest)) ?? points[0];
}

async function listStoredPoints(repository: Repository, vmKey?: string, signal?: AbortSignal): Promise<StoredPoint[]> {
  const keys: string[] = [];
  const prefix = pointPrefix(repository.tenant, vmKey);
  for await (const { key } of repository.stores.data.list(prefix, signalOption(signal))) keys.push(key);
  const points = await boundedMap(keys, READS_AT_ONCE, (key) => loadStoredPoint(repository, key, signal));
  return points.sort((a, b) => order(b.point).localeCompare(order(a.point)));
}

async function loadStoredPoint(repository: Repository, key: string, signal?: AbortSignal): Promise<StoredPoint> {
  const { plaintext, stored } = await getSealed(repository, 'data', { kind: 'point', key }, { signal });
  const point = decodePoint(plaintext, key);
  if (pointKey(repository.tenant, point.vmKey, point.id) !== key || point.tenant !== repository.tenant) {
    throw new AppError('manifest.corrupt', `${key} is the record of another restore point`, {
      context: { object: key },
    });
  }
  return { point, digest: digestOf(stored) };
}

const order = (point: RestorePoint): string => `${point.createdAt} ${point.id}`;
