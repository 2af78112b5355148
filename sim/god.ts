/**
 * The buckets as they lie there, read by the product's own code, without steps and without faults: for judging a run. What it
 * reads decides nothing of the run itself.
 */
import { silentLogger } from '../shared/base/logger';
import { runJob } from '../shared/blockstore/compute-jobs';
import type { ComputePool } from '../shared/blockstore/compute-pool';
import { loadRoot, readLeaves } from '../shared/blockstore/disk-manifest';
import type { ObjectStore } from '../shared/blockstore/object-store';
import { openPack, planFrameReads, readFrames } from '../shared/blockstore/pack-reader';
import type { Repository } from '../shared/blockstore/repository';
import { openRootKey } from '../shared/blockstore/tenant-keys';
import { deriveKeys } from '../shared/format/keys';
import { pointKey, tenantPrefix, unitKey } from '../shared/format/store-keys';
import { AppError } from '../shared/model/errors';
import type { Lun } from '../shared/model/machine';
import type { PointDisk, RestorePoint } from '../shared/model/restore-point';
import type { Bucket } from './cloud/bucket';
import { Random } from './kit/random';
import { keyWrapper, TENANT } from './product/process';

/** Rotations of a run stay far below it. */
const PACK_GENERATIONS = 16;

/** Whether anything is read with care is not the question here: it says what is there. */
function directStore(bucket: Bucket): ObjectStore {
  return {
    putOnce: async () => ({ outcome: 'exists', etag: '' }),
    replace: async () => ({ outcome: 'changed' }),
    get: async (key, options = {}) => {
      const version = bucket.current(key);
      if (!version?.body)
        throw new AppError('store.not-found', `there is no object ${key}`, { context: { object: key } });
      const { start = 0, end = version.body.length } = options;
      if (end > version.body.length) throw new AppError('store.unavailable', `${key} is shorter than asked`);
      return { body: Buffer.from(version.body.subarray(start, end)), etag: version.etag };
    },
    async *list(prefix) {
      for (const key of bucket.keys(prefix)) {
        const version = bucket.current(key);
        if (version) yield { key, sizeBytes: version.body?.length ?? 0, etag: version.etag };
      }
    },
  };
}

const directPool = {
  async run(job) {
    const steps = runJob(job);
    let step = steps.next();
    while (!step.done) step = steps.next();
    return step.value;
  },
  close: async () => undefined,
} as ComputePool;

export async function openGod(buckets: { readonly data: Bucket; readonly control: Bucket }): Promise<Repository> {
  const stores = { data: directStore(buckets.data), control: directStore(buckets.control) };
  const random = new Random('god');
  const randomBytes = (count: number): Buffer => random.bytes(count);
  const options = { stores, tenant: TENANT, logger: silentLogger, wrappers: [keyWrapper(randomBytes)], randomBytes };
  const { rootKey } = await openRootKey(options, false);
  return {
    tenant: TENANT,
    stores,
    keys: deriveKeys(rootKey, TENANT, PACK_GENERATIONS),
    clock: { now: () => 0, monotonicMs: () => 0, sleep: async () => undefined },
    logger: silentLogger,
    randomBytes,
  };
}

export interface Closure {
  /** Keys of the data bucket without which the point cannot be restored. */
  readonly keys: ReadonlySet<string>;
}

/** Everything a point needs. Throws what the product throws when some of it cannot be read. */
export async function closureOf(repository: Repository, point: RestorePoint): Promise<Closure> {
  const prefix = tenantPrefix(TENANT);
  const keys = new Set([pointKey(TENANT, point.vmKey, point.id)]);
  for (const disk of point.disks) {
    keys.add(prefix + disk.manifestKey);
    const root = await loadRoot(repository, point, disk);
    for (const run of root.refs) if (run.at) keys.add(prefix + run.at.object);
    const leaves = Math.ceil(root.diskBytes / root.leafBytes);
    for await (const placed of readLeaves(repository, root, 0, leaves)) {
      for (const run of placed.leaf?.runs ?? []) {
        const unit = run.data && placed.units[run.data.unit];
        if (unit) keys.add(unitKey(TENANT, Buffer.from(unit.unit, 'hex')));
      }
    }
  }
  return { keys };
}

/** The bytes of one disk of a point. */
export async function readDisk(repository: Repository, point: RestorePoint, lun: Lun): Promise<Buffer> {
  const disk = point.disks.find((candidate) => candidate.lun === lun) as PointDisk;
  const root = await loadRoot(repository, point, disk);
  const image = Buffer.alloc(root.diskBytes);
  const packs = new Map<string, { unit: Parameters<typeof openPack>[1]; places: [slot: number, block: number][] }>();
  const leaves = Math.ceil(root.diskBytes / root.leafBytes);
  for await (const placed of readLeaves(repository, root, 0, leaves)) {
    let block = (placed.index * root.leafBytes) / root.blockBytes;
    for (const run of placed.leaf?.runs ?? []) {
      const unit = run.data && placed.units[run.data.unit];
      if (run.data && unit) {
        const use = packs.get(unit.unit) ?? { unit, places: [] };
        packs.set(unit.unit, use);
        for (let at = 0; at < run.count; at++) use.places.push([run.data.slot + at, block + at]);
      }
      block += run.count;
    }
  }
  for (const { unit, places } of packs.values()) {
    const pack = await openPack(repository, unit);
    for (const read of planFrameReads(
      pack,
      places.map(([slot]) => slot),
    )) {
      const opened = await readFrames(repository, directPool, pack, read);
      for (const [slot, block] of places) opened.get(slot)?.copy(image, block * root.blockBytes);
    }
  }
  return image;
}
