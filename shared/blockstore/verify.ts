/**
 * Verification of a restore point from the store alone, level *sample*: what it proves, in this order.
 *
 *   every record, root and leaf of the point is there, authenticates, and covers its disk exactly once;
 *   every pack that they name is listed with its size;
 *   some blocks, chosen at random over all disks, decrypt, decompress and hash to their ids.
 */
import { boundedMap } from '../base/bounded-map';
import type { UnitRef } from '../format/unit-table';
import { AppError } from '../model/errors';
import type { Lun } from '../model/machine';
import type { RestorePoint } from '../model/restore-point';
import { inlinePool } from './compute-pool';
import { damageReport } from './damage-report';
import { leafBlockCount, loadRoot, readLeaves } from './disk-manifest';
import { openPack, planFrameReads, readFrames } from './pack-reader';
import { loadRestorePoint } from './points';
import { located, type Repository } from './repository';
import { RunSampler, seededRandom } from './sample';
import { requireUnits } from './units-present';

const PACKS_AT_ONCE = 4;
/** Restore points that an error names; the report has them all. */
const POINTS_SHOWN = 5;

export interface VerifyRequest {
  readonly vmKey: string;
  readonly pointId: string;
  readonly sampleBlocks: number;
  /** Same seed, same sample. */
  readonly seed: string;
}

export interface Verification {
  readonly level: 'sample';
  /** Packs that the point refers to. */
  readonly packs: number;
  /** Objects that the store listed while they were looked for. */
  readonly unitsListed: number;
  readonly sampledBlocks: number;
  readonly bytesRead: number;
}

interface Sampled {
  readonly unit: UnitRef;
  readonly slot: number;
  readonly lun: Lun;
  /** Position on the disk. */
  readonly block: number;
  /** Bytes it must have: the last block of a disk may be short. */
  readonly bytes: number;
}

/**
 * Throws a typed error that names object, disk and block: `manifest.corrupt`, `manifest.incomplete`, `pack.corrupt`,
 * `block.corrupt`; where a pack is damaged or gone, also the restore points of the VM that need it.
 */
export async function verifyRestorePoint(
  repository: Repository,
  request: VerifyRequest,
  signal?: AbortSignal,
): Promise<Verification> {
  try {
    return await verify(repository, request, signal);
  } catch (error) {
    throw signal?.aborted ? error : await withReach(repository, request.vmKey, error, signal);
  }
}

/** The same error, with the points that share the damage. What cannot be found out is left unsaid. */
async function withReach(
  repository: Repository,
  vmKey: string,
  error: unknown,
  signal?: AbortSignal,
): Promise<unknown> {
  const unit = error instanceof AppError ? error.context['unit'] : undefined;
  if (!(error instanceof AppError) || error.retryable || typeof unit !== 'string') return error;
  try {
    const report = await damageReport(repository, unit, vmKey, signal);
    const blocks = report.points.flatMap(({ disks }) => disks).reduce((sum, disk) => sum + disk.blocks, 0);
    const names = report.points.map(({ pointId }) => pointId);
    const shown = names.length > POINTS_SHOWN ? [...names.slice(0, POINTS_SHOWN), '...'] : names;
    return located(error, { points: names.length, blocks, affected: shown.join(' ') });
  } catch {
    return error;
  }
}

async function verify(repository: Repository, request: VerifyRequest, signal?: AbortSignal): Promise<Verification> {
  const point = await loadRestorePoint(repository, request.vmKey, request.pointId, signal);
  const units = new Map<string, UnitRef & { readonly lun: Lun }>();
  const sampler = new RunSampler<Sampled>(request.sampleBlocks, seededRandom(request.seed));
  for (const disk of point.disks) await walkDisk(repository, point, disk, units, sampler, signal);
  const unitsListed = await requireUnits(repository, units, signal);
  const byUnit = Map.groupBy(sampler.taken, ({ unit }) => unit.unit);
  const read = await boundedMap(byUnit.values(), PACKS_AT_ONCE, (blocks) => checkBlocks(repository, blocks, signal));
  return {
    level: 'sample',
    packs: units.size,
    unitsListed,
    sampledBlocks: sampler.taken.length,
    bytesRead: read.reduce((sum, bytes) => sum + bytes, 0),
  };
}

async function walkDisk(
  repository: Repository,
  point: RestorePoint,
  disk: RestorePoint['disks'][number],
  units: Map<string, UnitRef & { readonly lun: Lun }>,
  sampler: RunSampler<Sampled>,
  signal?: AbortSignal,
): Promise<void> {
  const { lun } = disk;
  const root = await loadRoot(repository, point, disk, signal).catch((error: unknown) => {
    throw located(error, { lun });
  });
  const leafCount = Math.ceil(root.diskBytes / root.leafBytes);
  let covered = 0;
  for await (const placed of readLeaves(repository, root, 0, leafCount, signal)) {
    let block = (placed.index * root.leafBytes) / root.blockBytes;
    covered += leafBlockCount(root, placed.index);
    for (const run of placed.leaf?.runs ?? []) {
      const unit = run.data && placed.units[run.data.unit];
      if (run.data && unit) {
        const known = units.get(unit.unit);
        if (known && (known.sizeBytes !== unit.sizeBytes || known.tailBytes !== unit.tailBytes)) {
          throw new AppError('manifest.corrupt', `the manifests disagree on pack ${unit.unit}`, { context: { lun } });
        }
        if (!known) units.set(unit.unit, { ...unit, lun });
        const { slot } = run.data;
        const first = block;
        sampler.add(run.count, (at) => ({
          unit,
          slot: slot + at,
          lun,
          block: first + at,
          bytes: Math.min(root.blockBytes, root.diskBytes - (first + at) * root.blockBytes),
        }));
      }
      block += run.count;
    }
  }
  if (covered !== Math.ceil(root.diskBytes / root.blockBytes)) {
    throw new AppError('manifest.corrupt', `the manifest of disk ${lun} covers ${covered} blocks`, {
      context: { lun },
    });
  }
}

async function checkBlocks(repository: Repository, blocks: readonly Sampled[], signal?: AbortSignal): Promise<number> {
  const [first] = blocks;
  if (!first) return 0;
  const at = { lun: first.lun, block: first.block };
  try {
    const pack = await openPack(repository, first.unit, signal);
    let bytes = 0;
    for (const read of planFrameReads(
      pack,
      blocks.map(({ slot }) => slot),
    )) {
      const opened = await readFrames(repository, inlinePool, pack, read, signal);
      bytes += read.end - read.start;
      for (const wanted of blocks) {
        const block = opened.get(wanted.slot);
        if (block && block.length !== wanted.bytes) {
          throw new AppError('block.corrupt', `slot ${wanted.slot} holds ${block.length} bytes, not ${wanted.bytes}`);
        }
      }
    }
    return bytes;
  } catch (error) {
    throw located(error, at);
  }
}
