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
import type { ObjectRef } from '../format/records';
import { tenantPrefix } from '../format/store-keys';
import type { ListedUnit } from '../format/unit-list';
import { nowOf, withoutQuiet } from './condemn';
import type { CollectorContext } from './context';
import type { Tally } from './guards';
import { type ReplacedSegments, replaceSegments, type SegmentsReport } from './segments';

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

/** All three parts, one after the other. `undefined`: no cycle is at this step (any more). */
export async function deleteFixed(context: CollectorContext): Promise<DeleteReport | undefined> {
  const left = await leaveIndex(context);
  if (left === undefined) return undefined;
  const deleted = { units: 0, bytes: 0 };
  for (let part = 0; part < left.parts; part++) {
    const tally = await deletePart(context, part);
    if (tally === undefined) return undefined;
    deleted.units += tally.units;
    deleted.bytes += tally.bytes;
  }
  const closing = await closeDelete(context);
  return closing && { deleted, segments: left.segments, ...closing };
}

/** C6, first: dead packs leave the index. Safe to repeat; what an earlier try has deleted is not counted again. */
export async function leaveIndex(
  context: CollectorContext,
): Promise<{ readonly parts: number; readonly segments: SegmentsReport } | undefined> {
  const fixed = await readFixed(context);
  if (!fixed) return undefined;
  const { report } = await replaceDead(context, fixed);
  return { parts: fixed.list.parts.length, segments: report };
}

/** C6, second: the members of one part, only after `leaveIndex`. Parts may be done side by side, and again. */
export async function deletePart(context: CollectorContext, part: number): Promise<Tally | undefined> {
  const fixed = await readFixed(context);
  if (!fixed) return undefined;
  const list = partOf(fixed.list, part);
  return await deleteMembers(context, list, fixed.held);
}

/** C7: closes the cycle when the store lists no member any more. Safe to repeat. */
export async function closeDelete(
  context: CollectorContext,
): Promise<Pick<DeleteReport, 'left' | 'closed'> | undefined> {
  const fixed = await readFixed(context);
  if (!fixed) return undefined;
  const { held, list, condemned } = fixed;
  const segments = await replaceDead(context, fixed);
  const left = await countLeft(context, list);
  const first = await readCycleList(context.repository, condemned, 'condemned', context.signal);
  const closed = left === 0 && (await close(context, held, first, list, segments.list));
  return { left, closed };
}

interface Fixed {
  readonly held: HeldCollectorState;
  readonly list: CycleList;
  readonly cycle: string;
  readonly condemned: ObjectRef;
}

async function readFixed({ repository, signal }: CollectorContext): Promise<Fixed | undefined> {
  const held = await requireCollectorState(repository, signal);
  const { phase, deleteSet, condemned, cycle } = held.state;
  if (phase !== 'DELETE' || !deleteSet || !condemned || cycle === undefined) return undefined;
  return { held, cycle, condemned, list: await readCycleList(repository, deleteSet, 'delete', signal) };
}

async function replaceDead(context: CollectorContext, { held, list, cycle }: Fixed): Promise<ReplacedSegments> {
  const { epoch, replaced } = held.state;
  return await replaceSegments(context, { epoch, name: cycle, replaced }, await packsOf(context, list));
}

const partOf = (list: CycleList, part: number): CycleList => ({ ...list, parts: list.parts.slice(part, part + 1) });

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
