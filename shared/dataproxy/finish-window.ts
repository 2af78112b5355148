/** The end of a backup window: index segment, leaves, fact, in this order. */

import { putSealedOnce, type Repository } from '../blockstore/repository';
import { writeWindowFact } from '../blockstore/window-facts';
import { leafObject, refsOf, type WindowMap } from '../blockstore/window-map';
import { encodeLeaves } from '../format/manifest-leaves';
import { digestOf, leavesKey, tenantPrefix, windowPart } from '../format/store-keys';
import type { UnitRef } from '../format/unit-table';
import { AppError } from '../model/errors';
import type { BackupTransfer, TransferStats } from '../model/transfer';
import type { WindowContext } from './backup-window';
import type { CheckpointKeeper } from './window-checkpoint';
import { statsNow, type WindowStats } from './window-stats';

/** Attempts of one window that left leaves behind; more than the queue ever delivers. */
const ATTEMPTS_MAX = 64;

export interface WindowOutcome {
  readonly map: WindowMap;
  readonly stats: WindowStats;
  readonly note: string | undefined;
  readonly keeper: CheckpointKeeper;
}

/** The stats of the fact that counts: another worker's, when it was first. */
export async function finishWindow(
  context: WindowContext,
  transfer: BackupTransfer,
  outcome: WindowOutcome,
  signal: AbortSignal,
): Promise<TransferStats> {
  const { repository, counts } = context;
  const { jobId, lun, window } = transfer;
  const { map, stats, keeper } = outcome;
  const part = windowPart(lun, window.index);
  await keeper.saveUnits(signal);
  const plan = map.plan();
  let written: WrittenLeaves | undefined;
  if (plan.leaves.length > 0) {
    const refs: UnitRef[] = [];
    for (const name of plan.units) refs.push(await resolveUnit(context, map, name, signal));
    const plaintext = encodeLeaves(leafObject(map.geometry, plan.leaves, refs));
    written = await writeLeaves(repository, jobId, part, plaintext, signal);
    stats.storedBytes += written.storedBytes;
  }
  const now = statsNow(stats, counts);
  const fact = await writeWindowFact(
    repository,
    jobId,
    {
      version: 1,
      kind: 'BACKUP',
      lun,
      index: window.index,
      start: window.start,
      end: window.end,
      diskBytes: transfer.diskBytes,
      // The fact itself is one write more.
      stats: { ...now, storeWrites: now.storeWrites + 1 },
      ...(outcome.note === undefined ? {} : { note: outcome.note }),
      refs: refsOf(plan.shared, written && { object: written.object, digest: written.digest }),
      packs: keeper.storedPacks,
    },
    signal,
  );
  return fact.stats;
}

/** Sizes of a pack: known from the parent's leaves, or from the index once the pack is stored, whoever writes it. */
async function resolveUnit(
  context: WindowContext,
  map: WindowMap,
  name: string,
  signal: AbortSignal,
): Promise<UnitRef> {
  const { units } = context.index.index;
  const number = units.numberOf(name);
  if (number !== undefined) return await units.whenStored(number, signal);
  const known = map.knownUnit(name);
  if (!known) throw new AppError('manifest.corrupt', `nobody knows pack ${name}`, { context: { unit: name } });
  return known;
}

interface WrittenLeaves {
  readonly object: string;
  readonly digest: string;
  readonly storedBytes: number;
}

/** Takes the next free name: an attempt that was broken off may have left leaves that name other packs. */
async function writeLeaves(
  repository: Repository,
  sessionId: string,
  part: string,
  plaintext: Buffer,
  signal: AbortSignal,
): Promise<WrittenLeaves> {
  for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
    const object = leavesKey(sessionId, part, attempt);
    const key = tenantPrefix(repository.tenant) + object;
    const put = await putSealedOnce(repository, 'data', { kind: 'leaves', key }, plaintext, signal);
    if (put.written) return { object, digest: digestOf(put.stored), storedBytes: put.stored.length };
  }
  throw new AppError('store.conflict', `window ${part} of session ${sessionId} has too many attempts`);
}
