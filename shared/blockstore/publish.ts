/**
 * Publishing: the last write of a backup, and the only one that makes a restore point exist.
 *
 *   1  facts of all windows            -> refs of each disk, which must cover it exactly once
 *   2  leaves                          -> decoded; inherited ones must stand in the parent's root
 *   3  LIST                            -> every pack they name is there, with its size
 *   4  roots                           -> written once
 *   5  register: PENDING -> COMMITTED  -> compare-and-swap; carries the sealed point record
 *   6  p/<vm>/<point>                  -> written once, from the register
 *
 * Safe to repeat from any crash: 1-4 write the same bytes again, 5 happens once, 6 can be done by anyone at any time.
 */
import { assert } from '../base/assert';
import { encodeRoot, type LeafRefRun } from '../format/manifest-root';
import { decodePoint, encodeRecord } from '../format/records';
import { openObject, sealObject } from '../format/seal';
import { digestOf, pointKey, rootKeyOf, tenantPrefix } from '../format/store-keys';
import type { UnitRef } from '../format/unit-table';
import { AppError } from '../model/errors';
import { limits } from '../model/limits';
import type { Lun } from '../model/machine';
import { type PointDisk, type RestorePoint, restorePointSchema } from '../model/restore-point';
import type { Window } from '../model/transfer';
import { listRestorePoints, newestPoint } from './points';
import { collectDisk } from './publish-disk';
import { putSealedOnce, type Repository, signalOption } from './repository';
import { fenced, type HeldRegister, isPublished, readRegister, swapRegister } from './session';
import { suspectPoints } from './suspect-points';
import { requireUnits } from './units-present';

export interface DraftDisk extends Pick<PointDisk, 'lun' | 'sizeBytes' | 'mode' | 'fullReason' | 'snapshotTakenAt'> {
  readonly windows: readonly Window[];
  /** The point whose leaves incremental windows took over. */
  readonly basePointId?: string;
}

/** What the control plane knows of a point; the rest comes from the store. The session is the job's. */
export interface PointDraft
  extends Pick<
    RestorePoint,
    'id' | 'jobId' | 'vmKey' | 'createdAt' | 'policy' | 'consistency' | 'skewMs' | 'machine' | 'excludedLuns'
  > {
  readonly disks: readonly DraftDisk[];
}

/** Swaps lost in a row before giving up. */
const SWAPS_MAX = 8;

/**
 * `session.fenced` when the session was aborted, `manifest.incomplete` naming what is missing, `manifest.corrupt` or
 * `pack.corrupt` naming what is damaged.
 */
export async function publishRestorePoint(
  repository: Repository,
  draft: PointDraft,
  signal?: AbortSignal,
): Promise<RestorePoint> {
  const sessionId = draft.jobId;
  const before = await requireOpen(repository, sessionId, signal);
  if (isPublished(before.register)) return await finish(repository, before, signal);

  const units = new Map<string, UnitRef & { readonly lun: Lun }>();
  const disks: PointDisk[] = [];
  for (const [position, disk] of draft.disks.entries()) {
    if (position > 0) {
      // Large disks take minutes each, and nobody else says any more that the session is alive. Another publisher of the same
      // session may have ended it well meanwhile: what is committed is not written again.
      const held = await requireOpen(repository, sessionId, signal);
      if (isPublished(held.register)) return await finish(repository, held, signal);
      await swapRegister(repository, sessionId, held, {}, signal);
    }
    const collected = await collectDisk(repository, draft, disk, signal);
    for (const unit of collected.units) if (!units.has(unit.unit)) units.set(unit.unit, { ...unit, lun: disk.lun });
    disks.push(await writeRoot(repository, draft, disk, collected, signal));
  }
  await requireUnits(repository, units, signal);
  for (let swap = 0; swap < SWAPS_MAX; swap++) {
    const held = await requireOpen(repository, sessionId, signal);
    if (isPublished(held.register)) return await finish(repository, held, signal);
    const stored = await sealPoint(repository, draft, disks, signal);
    const change = {
      state: 'COMMITTED',
      committedAt: new Date(repository.clock.now()).toISOString(),
      pointId: draft.id,
      pointDigest: digestOf(stored),
      point: stored.toString('base64'),
    } as const;
    if (await swapRegister(repository, sessionId, held, change, signal)) {
      const point = await finish(repository, { ...held, register: { ...held.register, ...change } }, signal);
      await tellSuspects(repository, point, signal);
      return point;
    }
  }
  throw new AppError('store.conflict', `the register of session ${sessionId} keeps changing`, { retryable: true });
}

/** A change list that was caught lying puts the points before this one in doubt: said once, loudly, and for ever in the points. */
async function tellSuspects(repository: Repository, point: RestorePoint, signal?: AbortSignal): Promise<void> {
  if (!point.disks.some(({ fullReason }) => fullReason?.includes('audit-mismatch'))) return;
  const suspects = suspectPoints(await listRestorePoints(repository, point.vmKey, signal));
  repository.logger.error(
    'change lists were wrong; restore points are in doubt, verify or replace them by a full read',
    {
      vmKey: point.vmKey,
      pointId: point.id,
      suspects: suspects.map(({ pointId, lun }) => `${pointId}/${lun}`).join(' '),
    },
  );
}

async function requireOpen(repository: Repository, sessionId: string, signal?: AbortSignal): Promise<HeldRegister> {
  const held = await readRegister(repository, sessionId, signal);
  if (!held) throw new AppError('session.not-found', `there is no session ${sessionId} in the repository`);
  if (held.register.state === 'ABORTED') throw fenced(sessionId);
  if (held.register.kind !== 'BACKUP') {
    throw new AppError('store.conflict', `session ${sessionId} is no backup; it publishes nothing`);
  }
  if (!held.register.admitted) throw new AppError('store.conflict', `session ${sessionId} is not admitted`);
  return held;
}

async function writeRoot(
  repository: Repository,
  draft: PointDraft,
  disk: DraftDisk,
  collected: {
    readonly refs: readonly LeafRefRun[];
    readonly stats: PointDisk['stats'];
    readonly notes: readonly string[];
  },
  signal?: AbortSignal,
): Promise<PointDisk> {
  const manifestKey = rootKeyOf(draft.jobId, disk.lun);
  const key = tenantPrefix(repository.tenant) + manifestKey;
  const plaintext = encodeRoot({
    vmKey: draft.vmKey,
    lun: disk.lun,
    diskBytes: disk.sizeBytes,
    blockBytes: limits.blockBytes,
    leafBytes: limits.leafBytes,
    refs: collected.refs,
  });
  const { written, stored } = await putSealedOnce(repository, 'data', { kind: 'root', key }, plaintext, signal);
  if (!written) {
    throw new AppError('store.conflict', `${key} exists with another content`, { context: { object: key } });
  }
  const reasons = [disk.fullReason, ...collected.notes].filter((reason) => reason !== undefined);
  const { lun, sizeBytes, mode, snapshotTakenAt } = disk;
  const { stats } = collected;
  return {
    lun,
    sizeBytes,
    manifestKey,
    manifestDigest: digestOf(stored),
    mode,
    ...(reasons.length === 0 ? {} : { fullReason: [...new Set(reasons)].join(', ') }),
    snapshotTakenAt,
    stats: { ...stats, storedBytes: stats.storedBytes + stored.length, storeWrites: stats.storeWrites + 1 },
  };
}

async function sealPoint(
  repository: Repository,
  draft: PointDraft,
  disks: PointDisk[],
  signal?: AbortSignal,
): Promise<Buffer> {
  const previous = await newestPoint(repository, draft.vmKey, signal);
  const { id, jobId, vmKey, createdAt, policy, consistency, skewMs, machine, excludedLuns } = draft;
  const point = restorePointSchema.safeParse({
    version: 1,
    id,
    tenant: repository.tenant,
    jobId,
    vmKey,
    createdAt,
    ...(policy === undefined ? {} : { policy }),
    consistency,
    skewMs,
    machine,
    disks,
    excludedLuns,
    ...(previous === undefined ? {} : { previousDigest: previous.digest }),
  });
  if (!point.success) {
    const [issue] = point.error.issues;
    throw new AppError('request.invalid', `the restore point has a bad ${issue?.path.join('.')}: ${issue?.message}`);
  }
  const key = pointKey(repository.tenant, vmKey, id);
  return sealObject(repository.keys, { kind: 'point', key }, encodeRecord(point.data));
}

/** The commit is done: puts the record that it carries where everyone finds it. */
async function finish(repository: Repository, held: HeldRegister, signal?: AbortSignal): Promise<RestorePoint> {
  const { vmKey, pointId, point, pointDigest } = held.register;
  assert(pointId !== undefined && point !== undefined, 'a committed register carries its point');
  const key = pointKey(repository.tenant, vmKey, pointId);
  const stored = Buffer.from(point, 'base64');
  if (digestOf(stored) !== pointDigest) throw new AppError('manifest.corrupt', `the register of ${key} is damaged`);
  const record = decodePoint(openObject(repository.keys, { kind: 'point', key }, stored), key);
  const { outcome } = await repository.stores.data.putOnce(key, stored, signalOption(signal));
  if (outcome === 'exists') {
    throw new AppError('store.conflict', `${key} exists with another content`, { context: { object: key } });
  }
  return record;
}
