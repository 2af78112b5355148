/**
 * Change hints are claims. A few blocks that the hints call unchanged are read again and held against what the parent
 * point's manifest says of them. A writer may not read packs back, so the comparison is by id: the index tells where the
 * block with this id lies, and that must be the place that the manifest names.
 */
import type { ComputePool } from '../blockstore/compute-pool';
import type { Repository } from '../blockstore/repository';
import { RunSampler } from '../blockstore/sample';
import type { TenantIndex } from '../blockstore/tenant-index';
import type { WindowMap } from '../blockstore/window-map';
import type { ByteRange } from '../model/byte-range';
import { limits } from '../model/limits';
import { inOrder } from './in-order';
import type { DiskReader } from './ports';

const READS_AT_ONCE = 4;

export interface AuditContext {
  readonly repository: Repository;
  readonly pool: ComputePool;
  readonly index: TenantIndex;
  readonly reader: DiskReader;
  readonly map: WindowMap;
  readonly window: ByteRange;
}

export interface AuditResult {
  readonly verdict: 'matches' | 'mismatch';
  readonly readBytes: number;
  /** Blocks of which no index segment knows what they should be: they prove nothing either way. */
  readonly unknownBlocks: number;
}

export async function auditUnlisted(
  context: AuditContext,
  gaps: readonly ByteRange[],
  random: () => number,
  signal: AbortSignal,
): Promise<AuditResult> {
  const { blockBytes } = limits;
  const sampler = new RunSampler<number>(limits.auditBlocksPerWindow, random);
  for (const gap of gaps) {
    const first = gap.start / blockBytes;
    sampler.add(Math.ceil((gap.end - gap.start) / blockBytes), (position) => first + position);
  }
  const ranges = sampler.taken
    .sort((a, b) => a - b)
    .map((block) => ({ start: block * blockBytes, end: Math.min(context.window.end, (block + 1) * blockBytes) }));
  let readBytes = 0;
  let unknownBlocks = 0;
  const read = async (range: ByteRange, inner: AbortSignal) => {
    const bytes = await context.reader.read(range, inner);
    return await context.pool.run({ kind: 'hash', idKey: context.repository.keys.id, bytes, blockBytes });
  };
  for await (const { item, result } of inOrder(ranges, READS_AT_ONCE, signal, read)) {
    readBytes += item.end - item.start;
    const block = (item.start - context.window.start) / blockBytes;
    const same = await compare(context, block, result.zero[0] === 1 ? undefined : result.ids, signal);
    if (same === false) return { verdict: 'mismatch', readBytes, unknownBlocks };
    if (same === undefined) unknownBlocks++;
  }
  return { verdict: 'matches', readBytes, unknownBlocks };
}

/** `id` is undefined for a block of zeros. Result undefined: nobody knows. */
async function compare(
  context: AuditContext,
  block: number,
  id: Buffer | undefined,
  signal: AbortSignal,
): Promise<boolean | undefined> {
  const expected = context.map.at(block);
  if (expected === undefined || id === undefined) return expected === undefined && id === undefined;
  const { index } = context.index;
  const found = index.lookup(id);
  if (found && index.units.nameOf(found.unit) === expected.unit && found.slot === expected.slot) return true;
  // The same block may lie in two packs: only the id of the very slot decides.
  const there = await context.index.idAt(context.repository, expected.unit, expected.slot, signal);
  return there?.equals(id);
}
