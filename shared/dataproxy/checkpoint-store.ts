/** Reading a window's checkpoint, and every reason not to go on from it. */
import { getSealed, type Repository } from '../blockstore/repository';
import { checkpointKey, decodeCheckpoint, type WindowCheckpoint } from '../format/checkpoint';
import { isAppError } from '../model/errors';
import { limits } from '../model/limits';
import type { BackupTransfer } from '../model/transfer';

/** undefined: none, or one that is damaged or of another window, snapshot or disk than this. */
export async function readCheckpoint(
  repository: Repository,
  transfer: BackupTransfer,
  signal: AbortSignal,
): Promise<{ readonly checkpoint: WindowCheckpoint; readonly etag: string } | undefined> {
  const { jobId, lun, window } = transfer;
  const key = checkpointKey(repository.tenant, jobId, lun, window.index);
  try {
    const { plaintext, etag } = await getSealed(repository, 'control', { kind: 'checkpoint', key }, { signal });
    const checkpoint = decodeCheckpoint(plaintext, key);
    return fits(checkpoint, transfer) ? { checkpoint, etag } : undefined;
  } catch (error) {
    if (isAppError(error, 'store.not-found')) return undefined;
    if (!isAppError(error, 'manifest.corrupt') && !isAppError(error, 'format.unknown')) throw error;
    repository.logger.warn('a checkpoint cannot be read; the window starts over', { object: key, code: error.code });
    return undefined;
  }
}

function fits(checkpoint: WindowCheckpoint, transfer: BackupTransfer): boolean {
  const { lun, window, diskBytes, snapshotId } = transfer;
  const { doneBytes } = checkpoint;
  return (
    checkpoint.lun === lun &&
    checkpoint.index === window.index &&
    checkpoint.start === window.start &&
    checkpoint.end === window.end &&
    checkpoint.diskBytes === diskBytes &&
    checkpoint.snapshotId === snapshotId &&
    doneBytes >= window.start &&
    doneBytes <= window.end &&
    (doneBytes % limits.blockBytes === 0 || doneBytes === window.end)
  );
}
