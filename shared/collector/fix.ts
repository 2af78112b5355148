/**
 * C5: the second mark, and the set that will be deleted, fixed by compare-and-swap. Whoever wakes up late deletes members of a
 * set that was fixed, and nothing else ever.
 */
import { readCycleList, readListParts, requireCollectorState, swapCollectorState } from '../blockstore/collector-state';
import { cyclePrefix } from '../format/store-keys';
import { AppError } from '../model/errors';
import type { CollectorContext } from './context';
import type { Tally } from './guards';
import { ListWriter } from './list-writer';
import { Marker } from './mark';
import { ReachableSet } from './reachable';
import { readPublished } from './registers';
import { openSessions } from './wait';

export interface FixReport {
  /** Points committed since the first mark. */
  readonly newPoints: number;
  readonly deleteSet: Tally;
  /** Condemned, and in use again. */
  readonly rescued: number;
}

/** `undefined`: there is nothing to fix any more, or another collector has done it. Sessions must have been waited for. */
export async function fixDeleteSet(context: CollectorContext): Promise<FixReport | undefined> {
  const { repository, signal } = context;
  const held = await requireCollectorState(repository, signal);
  const { state } = held;
  const { condemned, cycle = '' } = state;
  if (state.phase !== 'SWEEP' || condemned === undefined) return undefined;
  const open = await openSessions(context);
  if (open.length > 0) {
    throw new AppError('store.conflict', `${open.length} sessions of an earlier epoch are open; wait for them`, {
      retryable: true,
    });
  }
  const list = await readCycleList(repository, condemned, 'condemned', signal);
  const { reachable, newPoints } = await markSince(context, new Set([...(list.marked ?? []), ...(list.gone ?? [])]));
  // A name of its own for each attempt: two collectors at this step may come to different sets, and one of them counts.
  const attempt = repository.randomBytes(8).toString('hex');
  const writer = new ListWriter(context, `${cyclePrefix(repository.tenant, state.epoch, cycle)}delete-${attempt}-`);
  for await (const part of readListParts(repository, list, signal)) {
    for (const unit of part) if (!reachable.has(unit.key)) await writer.add(unit);
  }
  const deleteSet = await writer.finish({ purpose: 'delete', epoch: state.epoch });
  const { version: _version, nonce: _nonce, ...rest } = state;
  const fixed = await swapCollectorState(repository, held, { ...rest, phase: 'DELETE', deleteSet }, signal);
  if (!fixed) return undefined;
  return { newPoints, deleteSet: writer.tally, rescued: list.units - writer.tally.units };
}

/**
 * What points refer to that the first mark did not know, whatever has become of them since. Those it knew as roots have
 * nothing on the list; those it knew to be gone are what the list is for.
 */
async function markSince(
  context: CollectorContext,
  known: ReadonlySet<string>,
): Promise<{ readonly reachable: ReachableSet; readonly newPoints: number }> {
  const reachable = new ReachableSet(context.repository.randomBytes(16));
  const marker = new Marker(context, reachable);
  let newPoints = 0;
  for await (const { sessionId, register } of readPublished(context)) {
    if (known.has(sessionId)) continue;
    await marker.markPoint(register);
    newPoints++;
  }
  return { reachable, newPoints };
}
