/** Reading disk manifests: the root, and the leaves of a span, each checked against what names it. */
import { boundedMap } from '../base/bounded-map';
import { decodeLeaves, type Leaf, type LeafObject } from '../format/manifest-leaves';
import { type DiskRoot, decodeRoot, type LeafRefRun, sliceRefs } from '../format/manifest-root';
import { tenantPrefix } from '../format/store-keys';
import type { UnitRef } from '../format/unit-table';
import { AppError } from '../model/errors';
import type { PointDisk, RestorePoint } from '../model/restore-point';
import { getSealed, located, type Repository } from './repository';

const OBJECTS_AT_ONCE = 4;

/** A leaf, or undefined in `leaf` for a span of zeros, with its position and the ref that names it alone. */
export interface PlacedLeaf {
  readonly index: number;
  readonly ref: LeafRefRun;
  readonly leaf: Leaf | undefined;
  readonly units: readonly UnitRef[];
}

/** The root of one disk of a point. `manifest.corrupt` unless it is the published one and describes this disk. */
export async function loadRoot(
  repository: Repository,
  point: Pick<RestorePoint, 'vmKey'>,
  disk: PointDisk,
  signal?: AbortSignal,
): Promise<DiskRoot> {
  const key = tenantPrefix(repository.tenant) + disk.manifestKey;
  const { plaintext } = await getSealed(
    repository,
    'data',
    { kind: 'root', key },
    { signal, digest: disk.manifestDigest },
  );
  const root = decodeRoot(plaintext, key);
  if (root.vmKey !== point.vmKey || root.lun !== disk.lun || root.diskBytes !== disk.sizeBytes) {
    throw new AppError('manifest.corrupt', `${key} describes another disk than the restore point says`, {
      context: { object: key, lun: disk.lun },
    });
  }
  return root;
}

/** All leaves of [first, first + count), in order. Each leaf object is read once and handed out before the next ones. */
export async function* readLeaves(
  repository: Repository,
  root: DiskRoot,
  first: number,
  count: number,
  signal?: AbortSignal,
): AsyncGenerator<PlacedLeaf> {
  const runs = sliceRefs(root.refs, first, count);
  let index = first;
  for (const batch of batches(runs)) {
    const keys = [...new Map(batch.flatMap(({ at }) => (at ? [[at.object, at.digest] as const] : []))).entries()];
    const objects = new Map(
      await boundedMap(keys, OBJECTS_AT_ONCE, async ([object, digest]) => {
        try {
          return [object, await loadLeafObject(repository, { object, digest }, signal)] as const;
        } catch (error) {
          throw located(error, { lun: root.lun });
        }
      }),
    );
    for (const run of batch) {
      for (let step = 0; step < run.count; step++, index++) yield place(root, run, step, index, objects);
    }
  }
}

export async function loadLeafObject(
  repository: Repository,
  ref: { readonly object: string; readonly digest: string },
  signal?: AbortSignal,
): Promise<LeafObject> {
  const key = tenantPrefix(repository.tenant) + ref.object;
  const { plaintext } = await getSealed(repository, 'data', { kind: 'leaves', key }, { signal, digest: ref.digest });
  return decodeLeaves(plaintext, key);
}

/** Blocks of a leaf of this disk. */
export function leafBlockCount(root: Pick<DiskRoot, 'diskBytes' | 'blockBytes' | 'leafBytes'>, index: number): number {
  return Math.ceil((Math.min(root.diskBytes, (index + 1) * root.leafBytes) - index * root.leafBytes) / root.blockBytes);
}

/** The leaf at this position, checked: right place on the disk, right extent. */
export function checkedLeaf(
  root: Pick<DiskRoot, 'diskBytes' | 'blockBytes' | 'leafBytes' | 'lun'>,
  object: LeafObject,
  key: string,
  ordinal: number,
  index: number,
): Leaf {
  const leaf = object.leaves[ordinal];
  const fits =
    leaf !== undefined &&
    leaf.index === index &&
    leaf.blockCount === leafBlockCount(root, index) &&
    object.blockBytes === root.blockBytes &&
    object.leafBlocks * object.blockBytes === root.leafBytes;
  if (!fits) {
    throw new AppError('manifest.corrupt', `${key} does not hold leaf ${index} of disk ${root.lun}`, {
      context: { object: key, leaf: index, lun: root.lun },
    });
  }
  return leaf;
}

function place(
  root: DiskRoot,
  run: LeafRefRun,
  step: number,
  index: number,
  objects: ReadonlyMap<string, LeafObject>,
): PlacedLeaf {
  if (!run.at) return { index, ref: { count: 1 }, leaf: undefined, units: [] };
  const object = objects.get(run.at.object);
  const ref: LeafRefRun = { count: 1, at: { ...run.at, ordinal: run.at.ordinal + step } };
  if (!object) throw new AppError('manifest.corrupt', `leaf object ${run.at.object} was not read`);
  return {
    index,
    ref,
    leaf: checkedLeaf(root, object, run.at.object, run.at.ordinal + step, index),
    units: object.units,
  };
}

/** Runs in groups that need few objects at a time, so that memory does not grow with the disk. */
function* batches(runs: readonly LeafRefRun[]): Generator<LeafRefRun[]> {
  let batch: LeafRefRun[] = [];
  let objects = new Set<string>();
  for (const run of runs) {
    if (run.at && !objects.has(run.at.object) && objects.size >= OBJECTS_AT_ONCE) {
      yield batch;
      batch = [];
      objects = new Set();
    }
    if (run.at) objects.add(run.at.object);
    batch.push(run);
  }
  if (batch.length > 0) yield batch;
}
