/** One disk's share of publishing: its windows' facts joined to one sequence of leaves, and those leaves checked. */
import { boundedMap } from '../base/bounded-map';
import type { LeafObject } from '../format/manifest-leaves';
import { joinRefs, type LeafRefRun, sliceRefs } from '../format/manifest-root';
import type { WindowFact } from '../format/records';
import { manifestPrefix } from '../format/store-keys';
import type { UnitRef } from '../format/unit-table';
import { AppError } from '../model/errors';
import { limits } from '../model/limits';
import { addStats, emptyStats, type TransferStats, type Window } from '../model/transfer';
import { checkedLeaf, loadLeafObject, loadRoot } from './disk-manifest';
import { loadRestorePoint } from './points';
import type { DraftDisk, PointDraft } from './publish';
import { located, type Repository } from './repository';
import { readWindowFact } from './window-facts';

const READS_AT_ONCE = 16;
const OBJECTS_AT_ONCE = 4;

export interface CollectedDisk {
  readonly refs: readonly LeafRefRun[];
  readonly stats: TransferStats;
  /** Why windows were read in full, each reason once. */
  readonly notes: readonly string[];
  /** Packs that the leaves name. */
  readonly units: readonly UnitRef[];
}

export async function collectDisk(
  repository: Repository,
  draft: PointDraft,
  disk: DraftDisk,
  signal?: AbortSignal,
): Promise<CollectedDisk> {
  requireCoverage(disk);
  const facts = await boundedMap(disk.windows, READS_AT_ONCE, (window) =>
    requireFact(repository, draft, disk, window, signal),
  );
  const refs = joinRefs(facts.flatMap((fact) => fact.refs));
  await requireInherited(repository, draft, disk, refs, signal);
  const units = await checkLeaves(repository, disk, refs, signal);
  return {
    refs,
    stats: facts.reduce((sum, fact) => addStats(sum, fact.stats), emptyStats),
    notes: [...new Set(facts.flatMap(({ note }) => (note === undefined ? [] : [note])))],
    units,
  };
}

/** The windows follow each other from 0 to the disk's end: each byte once. */
function requireCoverage(disk: DraftDisk): void {
  let end = 0;
  for (const window of disk.windows) {
    if (window.start !== end || window.end <= window.start || window.start % limits.leafBytes !== 0) break;
    end = window.end;
  }
  if (end !== disk.sizeBytes || disk.windows.at(-1)?.end !== disk.sizeBytes) {
    throw new AppError(
      'manifest.incomplete',
      `the windows of disk ${disk.lun} cover ${end} of ${disk.sizeBytes} bytes`,
      {
        context: { lun: disk.lun },
      },
    );
  }
}

async function requireFact(
  repository: Repository,
  draft: PointDraft,
  disk: DraftDisk,
  window: Window,
  signal?: AbortSignal,
): Promise<WindowFact> {
  const where = { lun: disk.lun, window: window.index };
  const fact = await readWindowFact(repository, draft.jobId, { lun: disk.lun, index: window.index }, signal);
  if (!fact) {
    throw new AppError('manifest.incomplete', `window ${window.index} of disk ${disk.lun} is not finished`, {
      context: where,
    });
  }
  const leaves = Math.ceil((window.end - window.start) / limits.leafBytes);
  const fits =
    fact.kind === 'BACKUP' &&
    fact.start === window.start &&
    fact.end === window.end &&
    fact.diskBytes === disk.sizeBytes &&
    fact.refs.reduce((sum, run) => sum + run.count, 0) === leaves;
  if (!fits) {
    throw new AppError(
      'manifest.corrupt',
      `window ${window.index} of disk ${disk.lun} is not the one that was asked for`,
      {
        context: where,
      },
    );
  }
  return fact;
}

/** Leaves of other sessions are right exactly where the parent's root has the same ones. */
async function requireInherited(
  repository: Repository,
  draft: PointDraft,
  disk: DraftDisk,
  refs: readonly LeafRefRun[],
  signal?: AbortSignal,
): Promise<void> {
  const own = manifestPrefix(draft.jobId);
  if (refs.every(({ at }) => at === undefined || at.object.startsWith(own))) return;
  if (disk.basePointId === undefined) {
    throw new AppError('manifest.incomplete', `disk ${disk.lun} takes over leaves, but no parent point is named`, {
      context: { lun: disk.lun },
    });
  }
  const parent = await loadRestorePoint(repository, draft.vmKey, disk.basePointId, signal);
  const parentDisk = parent.disks.find(({ lun }) => lun === disk.lun);
  const root = parentDisk && (await loadRoot(repository, parent, parentDisk, signal));
  let first = 0;
  for (const run of refs) {
    const inherited = run.at !== undefined && !run.at.object.startsWith(own);
    const there = inherited && root ? sliceRefs(root.refs, first, run.count) : [];
    if (inherited && JSON.stringify(joinRefs(there)) !== JSON.stringify([run])) {
      throw new AppError('manifest.corrupt', `disk ${disk.lun} takes over leaves that its parent point does not have`, {
        context: { lun: disk.lun, leaf: first },
      });
    }
    first += run.count;
  }
}

/** Reads every leaf object once, inherited ones too: right leaves in the right places, and the packs they name. */
async function checkLeaves(
  repository: Repository,
  disk: DraftDisk,
  refs: readonly LeafRefRun[],
  signal?: AbortSignal,
): Promise<UnitRef[]> {
  const geometry = {
    lun: disk.lun,
    diskBytes: disk.sizeBytes,
    blockBytes: limits.blockBytes,
    leafBytes: limits.leafBytes,
  };
  const runsOf = new Map<string, { readonly digest: string; readonly runs: [first: number, run: LeafRefRun][] }>();
  let first = 0;
  for (const run of refs) {
    if (run.at) {
      const entry = runsOf.get(run.at.object) ?? { digest: run.at.digest, runs: [] };
      entry.runs.push([first, run]);
      runsOf.set(run.at.object, entry);
    }
    first += run.count;
  }
  const units = await boundedMap(runsOf, OBJECTS_AT_ONCE, async ([object, { digest, runs }]) => {
    let leaves: LeafObject;
    try {
      leaves = await loadLeafObject(repository, { object, digest }, signal);
    } catch (error) {
      throw located(error, { lun: disk.lun });
    }
    for (const [start, run] of runs) {
      for (let step = 0; step < run.count; step++) {
        checkedLeaf(geometry, leaves, object, (run.at?.ordinal ?? 0) + step, start + step);
      }
    }
    return leaves.units;
  });
  return units.flat();
}
