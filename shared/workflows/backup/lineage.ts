/**
 * May the difference between two snapshots be trusted? Page ranges are relative to a base, and a wrong base loses data
 * without a trace. So: every check must pass, and any doubt means a full read of the new snapshot (dedup keeps the upload
 * small). Each rule names its source in the facts about incremental snapshots
 * (Azure docs: disks-incremental-snapshots, restrictions).
 */
import type { DiskBase } from '../../catalog/disk-bases';
import type { SnapshotState } from '../ports';

const fourTebibytes = 4 * 1024 ** 4;

/** undefined: read only what changed. Otherwise why not, in words for the job's notes. */
export function doubtAboutBase(fresh: SnapshotState, base: DiskBase, baseSnapshot: SnapshotState): string | undefined {
  if (baseSnapshot.state === 'gone') return 'the snapshot of the last restore point is gone';
  if (baseSnapshot.state !== 'usable') return `the snapshot of the last restore point is ${baseSnapshot.state}`;
  if (base.sourceUniqueId !== fresh.sourceUniqueId || baseSnapshot.sourceUniqueId !== fresh.sourceUniqueId) {
    return 'the disk was replaced: its unique id is another';
  }
  if (fresh.familyId === undefined || fresh.familyId !== baseSnapshot.familyId) {
    return 'the snapshots are of different families';
  }
  if (Date.parse(baseSnapshot.takenAt) >= Date.parse(fresh.takenAt))
    return 'the base is not older than the new snapshot';
  if (baseSnapshot.takenAt !== base.takenAt) return 'the base snapshot is not the one recorded: its time differs';
  if (fresh.logicalSectorBytes !== base.logicalSectorBytes) return 'the sector size changed';
  if (fresh.sizeBytes < base.sizeBytes) return 'the disk is smaller than before';
  if (base.sizeBytes <= fourTebibytes && fresh.sizeBytes > fourTebibytes) return 'the disk grew across 4 TiB';
  return undefined;
}
