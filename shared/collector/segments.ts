/**
 * Index segments that name packs of the delete set: what they say of other packs is written anew, and they count for nothing
 * from the close of the cycle on. Under an object lock they stay for a while, so the state names them until they are gone.
 */
import { readCycleList, readListParts } from '../blockstore/collector-state';
import type { KeySet } from '../blockstore/key-set';
import { getSealed, putSealedOnce, signalOption } from '../blockstore/repository';
import { decodeSegment, encodeSegment } from '../format/index-segment';
import type { ObjectRef } from '../format/records';
import { cyclePrefix, digestOf, segmentKey, segmentPrefix, tenantPrefix } from '../format/store-keys';
import type { ListedUnit } from '../format/unit-list';
import { isAppError } from '../model/errors';
import type { CollectorContext } from './context';
import { ListWriter } from './list-writer';

export interface SegmentsReport {
  readonly replaced: number;
  readonly rewritten: number;
  /** Replaced ones that could be deleted: no lock was on them any more. */
  readonly deleted: number;
}

export interface ReplacedSegments {
  readonly report: SegmentsReport;
  /** The list for the state; undefined when no replaced segment is left. */
  readonly list: ObjectRef | undefined;
}

/** Safe to repeat: the same survivors go under the same name. */
export async function replaceSegments(
  context: CollectorContext,
  cycle: { readonly epoch: number; readonly name: string; readonly replaced: ObjectRef | undefined },
  dead: KeySet,
): Promise<ReplacedSegments> {
  const { repository, versions, signal } = context;
  const tenant = tenantPrefix(repository.tenant);
  const before = await replacedBefore(context, cycle.replaced);
  const attempt = repository.randomBytes(8).toString('hex');
  const writer = new ListWriter(
    context,
    `${cyclePrefix(repository.tenant, cycle.epoch, cycle.name)}replaced-${attempt}-`,
  );
  let [replaced, rewritten, deleted] = [0, 0, 0];
  // Read first: what is written below must not be listed in the same breath.
  const listed: ListedUnit[] = [];
  for await (const version of versions.listVersions(segmentPrefix(repository.tenant), signalOption(signal))) {
    const { versionId, sizeBytes, key } = version;
    listed.push({ key: key.slice(tenant.length), versionId, sizeBytes });
  }
  for (const segment of listed) {
    if (!before.has(segment.key)) {
      const survivors = await survivorsOf(context, tenant + segment.key, dead);
      if (survivors === 'all') continue;
      if (survivors.length > 0) {
        const part = digestOf(Buffer.from(segment.key)).slice(0, 32);
        const key = segmentKey(repository.tenant, cycle.epoch, `gc-${cycle.name}`, part, 0);
        await putSealedOnce(repository, 'data', { kind: 'segment', key }, encodeSegment(survivors), signal);
        rewritten++;
      }
      replaced++;
    }
    const outcome = await versions.deleteVersion(tenant + segment.key, segment.versionId, signalOption(signal));
    if (outcome === 'deleted') deleted++;
    else await writer.add(segment);
  }
  const report = { replaced, rewritten, deleted };
  if (writer.tally.units === 0) return { report, list: undefined };
  return { report, list: await writer.finish({ purpose: 'replaced', epoch: cycle.epoch }) };
}

async function replacedBefore(context: CollectorContext, ref: ObjectRef | undefined): Promise<Set<string>> {
  const keys = new Set<string>();
  if (ref === undefined) return keys;
  const list = await readCycleList(context.repository, ref, 'replaced', context.signal);
  for await (const part of readListParts(context.repository, list, context.signal)) {
    for (const { key } of part) keys.add(key);
  }
  return keys;
}

/** What is left of a segment without the dead. A damaged one is as good as one that names only dead packs. */
async function survivorsOf(
  { repository, signal }: CollectorContext,
  key: string,
  dead: KeySet,
): Promise<'all' | ReturnType<typeof decodeSegment>> {
  try {
    const { plaintext } = await getSealed(repository, 'data', { kind: 'segment', key }, { signal });
    const units = decodeSegment(plaintext, key);
    const alive = units.filter(({ unit }) => !dead.has(Buffer.from(unit, 'hex')));
    return alive.length === units.length ? 'all' : alive;
  } catch (error) {
    if (!isAppError(error, 'manifest.corrupt')) throw error;
    repository.logger.warn('an index segment cannot be read and is replaced by nothing', { object: key });
    return [];
  }
}
