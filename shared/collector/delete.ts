/**
 * C6 and C7: dead packs leave the index, then each member of the fixed set is deleted by key and version id, and only when the
 * store lists none of them any more is the cycle closed. Safe to stop and repeat anywhere.
 */
import { boundedMap } from '../base/bounded-map';
import {
  type HeldCollectorState,
  readCycleList,
  readListParts,
  requireCollectorState,
  swapCollectorState,
} from '../blockstore/collector-state';
import { KeySet } from '../blockstore/key-set';
import { signalOption } from '../blockstore/repository';
import type { CycleList } from '../format/collector-records';
import { tenantPrefix } from '../format/store-keys';
import type { ListedUnit } from '../format/unit-list';
import { nowOf, withoutQuiet } from './condemn';
import type { CollectorContext } from './context';
import type { Tally } from './guards';
import { replaceSegments, type SegmentsReport } from './segments';

const DELETES_AT_ONCE = 16;
/** Deletes between two looks at the state: a control bucket that was lost stops a collector that is still at work. */
const DELETES_PER_LOOK = 1_000;

export interface DeleteReport {
  readonly deleted: Tally;
  readonly segments: SegmentsReport;
  /** Members that are still listed: under a lock, or a delete that came to nothing. */
  readonly left: number;
  readonly closed: boolean;
}

/** `undefined`: no cycle is at this step (any more). */
export async function deleteFixed(context: CollectorContext): Promise<DeleteReport | undefined> {
  const { repository, signal } = context;
  const held = await requireCollectorState(repository, signal);
  const { phase, deleteSet, condemned, cycle, epoch, replaced } = held.state;
  if (phase !== 'DELETE' || !deleteSet || !condemned || cycle === undefined) return undefined;
  const list = await readCycleList(repository, deleteSet, 'delete', signal);
  const segments = await replaceSegments(context, { epoch, name: cycle, replaced }, await packsOf(context, list));
  const deleted = await deleteMembers(context, list, held);
  if (deleted === undefined) return undefined;
  const left = await countLeft(context, list);
  const first = await readCycleList(repository, condemned, 'condemned', signal);
  const closed = left === 0 && (await close(context, held, first, list, segments.list));
  return { deleted, segments: segments.report, left, closed };
}

async function packsOf(context: CollectorContext, list: CycleList): Promise<KeySet> {
  const dead = new KeySet();
  for await (const part of readListParts(context.repository, list, context.signal)) {
    for (const { key } of part) {
      if (key.startsWith('u/')) dead.add(Buffer.from(key.slice(key.lastIndexOf('/') + 1), 'hex'));
    }
  }
  return dead;
}

async function deleteMembers(
  context: CollectorContext,
  list: CycleList,
  held: HeldCollectorState,
): Promise<Tally | undefined> {
  const { repository, versions, signal } = context;
  const tenant = tenantPrefix(repository.tenant);
  const deleted = { units: 0, bytes: 0 };
  for await (const part of readListParts(repository, list, signal)) {
    for (let from = 0; from < part.length; from += DELETES_PER_LOOK) {
      const now = await requireCollectorState(repository, signal);
      if (now.etag !== held.etag) return undefined;
      await boundedMap(part.slice(from, from + DELETES_PER_LOOK), DELETES_AT_ONCE, async (unit) => {
        const outcome = await versions.deleteVersion(tenant + unit.key, unit.versionId, signalOption(signal));
        if (outcome === 'locked') return;
        deleted.units++;
        deleted.bytes += unit.sizeBytes;
      });
    }
  }
  return deleted;
}

/** What the store lists is what there is, whatever the replies to the deletes were. */
async function countLeft(context: CollectorContext, list: CycleList): Promise<number> {
  const { repository, versions, signal } = context;
  const tenant = tenantPrefix(repository.tenant);
  let left = 0;
  for await (const part of readListParts(repository, list, signal)) {
    const members = new Set(part.map(nameOf));
    for (const folder of new Set(part.map(({ key }) => key.slice(0, key.lastIndexOf('/') + 1)))) {
      for await (const version of versions.listVersions(tenant + folder, signalOption(signal))) {
        if (members.has(nameOf({ ...version, key: version.key.slice(tenant.length) }))) left++;
      }
    }
  }
  return left;
}

const nameOf = ({ key, versionId }: Pick<ListedUnit, 'key' | 'versionId'>): string => `${key}\0${versionId}`;

async function close(
  context: CollectorContext,
  held: HeldCollectorState,
  condemned: CycleList,
  deleted: CycleList,
  replaced: HeldCollectorState['state']['replaced'],
): Promise<boolean> {
  const { replaced: _replaced, ...rest } = withoutQuiet(held.state);
  const last = {
    units: Math.max(0, (condemned.listed ?? 0) - deleted.units),
    points: (condemned.marked?.length ?? 0) + (condemned.gone?.length ?? 0),
    endedAt: nowOf(context),
  };
  const next = { ...rest, phase: 'IDLE', last, ...(replaced === undefined ? {} : { replaced }) } as const;
  return (await swapCollectorState(context.repository, held, next, context.signal)) !== undefined;
}
