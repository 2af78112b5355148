/** Marking: from restore points to every object that they need, roots, leaves and packs. Reads manifests, never packs. */
import { boundedMap } from '../base/bounded-map';
import { loadLeafObject, loadRoot } from '../blockstore/disk-manifest';
import { KeySet, keySetBytes } from '../blockstore/key-set';
import type { Register } from '../format/records';
import { decodePoint } from '../format/records';
import { openObject } from '../format/seal';
import { digestOf, pointKey } from '../format/store-keys';
import { AppError } from '../model/errors';
import type { RestorePoint } from '../model/restore-point';
import type { StoreContext } from './context';
import type { ReachableSet } from './reachable';

const OBJECTS_AT_ONCE = 8;

/** One mark. Leaf objects that many points share are read once; the set of those read is exact, unlike the reachable ones. */
export class Marker {
  private readonly leavesRead = new KeySet();

  constructor(
    private readonly context: StoreContext,
    readonly reachable: ReachableSet,
    /** Of every object, as often as something refers to it; for whoever extends locks. */
    private readonly onObject: (key: string) => void = () => undefined,
  ) {}

  /** Adds what the register's point refers to. Anything that cannot be read ends the mark. */
  async markPoint(register: Register): Promise<void> {
    const { repository, signal } = this.context;
    const point = pointOf(this.context, register);
    for (const disk of point.disks) {
      this.add(disk.manifestKey);
      const root = await loadRoot(repository, point, disk, signal);
      const fresh = new Map<string, string>();
      for (const { at } of root.refs) {
        // By digest as well: two roots that name different bytes under one key are both looked into.
        if (at && this.leavesRead.add(leafKey(at.object, at.digest))) fresh.set(at.object, at.digest);
      }
      await boundedMap(fresh, OBJECTS_AT_ONCE, async ([object, digest]) => {
        const leaves = await loadLeafObject(repository, { object, digest }, signal);
        this.add(object);
        for (const { unit } of leaves.units) this.add(`u/${unit.slice(0, 2)}/${unit}`);
      });
    }
  }

  private add(key: string): void {
    this.reachable.add(key);
    this.onObject(key);
  }
}

/** The point that a register carries: the very record that its commit named. */
export function pointOf({ repository }: StoreContext, register: Register): RestorePoint {
  const { vmKey, pointId = '', point = '', pointDigest } = register;
  const key = pointKey(repository.tenant, vmKey, pointId);
  const stored = Buffer.from(point, 'base64');
  if (digestOf(stored) !== pointDigest) throw new AppError('manifest.corrupt', `the register of ${key} is damaged`);
  return decodePoint(openObject(repository.keys, { kind: 'point', key }, stored), key);
}

const leafKey = (object: string, digest: string): Buffer =>
  Buffer.from(digestOf(Buffer.from(`${object}\0${digest}`)), 'hex').subarray(0, keySetBytes);
