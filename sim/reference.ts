/**
 * The reference backup: what must come back, and nothing of how. A snapshot is a copy of a disk's bytes; a restore point is
 * the snapshots its job took. It never sees a block, a pack or a key.
 */
import { computeId, pointIdOf, snapshotName } from '../shared/model/ids';

export type PointState = 'committed' | 'expired';

export interface ReferencePoint {
  readonly id: string;
  readonly jobId: string;
  readonly vmKey: string;
  state: PointState;
  readonly disks: ReadonlyMap<string, Buffer>;
}

export class Reference {
  readonly points = new Map<string, ReferencePoint>();
  private readonly snapshots = new Map<string, Buffer>();

  constructor(
    private readonly subscription: string,
    private readonly snapshotGroup: string,
  ) {}

  /** The guest's bytes at this moment, under the snapshot's id. A second snapshot of one id changes nothing. */
  snapshot(snapshotId: string, bytes: Buffer): void {
    if (!this.snapshots.has(snapshotId)) this.snapshots.set(snapshotId, Buffer.from(bytes));
  }

  /** The point of a job exists from here on. False when the job had one already. */
  commit(jobId: string, vmKey: string, luns: readonly (number | 'os')[]): boolean {
    const id = pointIdOf(jobId);
    if (this.points.has(id)) return false;
    const disks = new Map<string, Buffer>();
    for (const lun of luns) {
      const snapshotId = computeId(this.subscription, this.snapshotGroup, 'snapshots', snapshotName(jobId, lun));
      disks.set(String(lun), this.snapshots.get(snapshotId) ?? Buffer.alloc(0));
    }
    this.points.set(id, { id, jobId, vmKey, state: 'committed', disks });
    return true;
  }

  setState(pointId: string, state: PointState): void {
    const point = this.points.get(pointId);
    if (point) point.state = state;
  }

  /** What a restore of this disk must give. */
  expected(pointId: string, lun: number | 'os'): Buffer | undefined {
    return this.points.get(pointId)?.disks.get(String(lun));
  }

  live(): ReferencePoint[] {
    return [...this.points.values()].filter(({ state }) => state === 'committed');
  }
}
