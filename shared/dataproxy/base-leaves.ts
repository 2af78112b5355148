/** The parent point's state of a window, and every reason for which it must not be built upon. */
import { loadRoot, readLeaves } from '../blockstore/disk-manifest';
import { loadRestorePoint } from '../blockstore/points';
import type { Repository } from '../blockstore/repository';
import { readSession } from '../blockstore/session';
import type { WindowMap } from '../blockstore/window-map';
import { AppError } from '../model/errors';
import { jobIdOfPoint } from '../model/ids';
import type { BackupTransfer } from '../model/transfer';

export type BaseState =
  | { readonly usable: true; readonly diskBytes: number; readonly createdAtMs: number }
  | { readonly usable: false; readonly doubt: string };

/** Damage to the parent is no reason to fail: the snapshot is there and can be read in full. */
const DOUBTS: ReadonlySet<string> = new Set(['store.not-found', 'manifest.corrupt', 'format.unknown']);

/** Fills the map with the parent's leaves. Not usable: what was loaded counts for nothing and the map is to be cleared. */
export async function loadBase(
  repository: Repository,
  transfer: BackupTransfer & { readonly base: NonNullable<BackupTransfer['base']> },
  map: WindowMap,
  signal: AbortSignal,
): Promise<BaseState> {
  try {
    // Looked at behind our own register: a parent that the collector has not given up by now keeps what it refers to until we end.
    const state = (await readSession(repository, jobIdOfPoint(transfer.base.pointId), signal))?.state;
    if (state !== 'COMMITTED' && state !== 'EXPIRED') return { usable: false, doubt: 'base-gone' };
    const point = await loadRestorePoint(repository, transfer.vmKey, transfer.base.pointId, signal);
    const disk = point.disks.find(({ lun }) => lun === transfer.lun);
    if (!disk) return { usable: false, doubt: 'base-has-no-such-disk' };
    const root = await loadRoot(repository, point, disk, signal);
    const { blockBytes, leafBytes } = map.geometry;
    if (root.blockBytes !== blockBytes || root.leafBytes !== leafBytes)
      return { usable: false, doubt: 'base-geometry' };
    const leaves = Math.ceil(root.diskBytes / leafBytes);
    const count = Math.max(0, Math.min(map.leafCount, leaves - map.firstLeaf));
    for await (const placed of readLeaves(repository, root, map.firstLeaf, count, signal)) {
      if (placed.leaf) map.loadBase(placed.leaf, placed.units, placed.ref);
      else map.noteZeroBase(placed.index);
    }
    if (root.diskBytes > transfer.diskBytes) return { usable: false, doubt: 'disk-shrunk' };
    // What an audit found wrong in one window may be wrong in any: the whole disk is read once.
    if (disk.fullReason?.includes('audit-mismatch')) return { usable: false, doubt: 'base-suspect' };
    return { usable: true, diskBytes: root.diskBytes, createdAtMs: Date.parse(point.createdAt) };
  } catch (error) {
    if (!(error instanceof AppError) || !DOUBTS.has(error.code)) throw error;
    repository.logger.warn('the parent point cannot be built upon; the window is read in full', {
      pointId: transfer.base.pointId,
      code: error.code,
    });
    return { usable: false, doubt: 'base-unreadable' };
  }
}
