/**
 * Which restore points are in doubt because a change list was caught lying. A window that is read in full after a mismatch
 * says so in its point's `fullReason`; the points before it took their unchanged blocks on the word of the same kind of list,
 * back to the last one for which the whole disk was read.
 */
import type { Lun } from '../model/machine';
import type { RestorePoint } from '../model/restore-point';

export interface SuspectDisk {
  readonly pointId: string;
  readonly lun: Lun;
  /** The point whose audit found it out. */
  readonly foundBy: string;
}

/** Reasons for which every window of the disk is read, so that nothing is taken over on trust. */
const WHOLE_DISK_REASONS = ['base-suspect'];

/** `points` of one VM in any order. */
export function suspectPoints(points: readonly RestorePoint[]): SuspectDisk[] {
  const newestFirst = [...points].sort((a, b) => b.createdAt.localeCompare(a.createdAt));
  const foundBy = new Map<Lun, string>();
  const suspects: SuspectDisk[] = [];
  for (const point of newestFirst) {
    for (const { lun, mode, fullReason } of point.disks) {
      const finder = foundBy.get(lun);
      const wasReadWhole = mode === 'full' || WHOLE_DISK_REASONS.some((reason) => fullReason?.includes(reason));
      if (finder !== undefined && !wasReadWhole) suspects.push({ pointId: point.id, lun, foundBy: finder });
      if (wasReadWhole) foundBy.delete(lun);
      // The other windows of this very point were not read in full: it is in doubt itself.
      if (fullReason?.includes('audit-mismatch')) {
        if (finder === undefined) suspects.push({ pointId: point.id, lun, foundBy: point.id });
        foundBy.set(lun, point.id);
      }
    }
  }
  return suspects;
}
