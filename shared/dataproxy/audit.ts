/**
 * Change hints are claims. Blocks that the hints call unchanged are read again, a random few of all and those that the
 * rolling cursor has come to, and held against what the parent point's manifest says of them. A writer may not read packs
 * back, so the comparison is by id: the index tells where the block with this id lies, and that must be the place that the
 * manifest names.
 */
import type { ComputePool } from '../blockstore/compute-pool';
import type { Repository } from '../blockstore/repository';
import { RunSampler } from '../blockstore/sample';
import type { Memory } from '../blockstore/shared-buffers';
import type { TenantIndex } from '../blockstore/tenant-index';
import type { WindowMap } from '../blockstore/window-map';
import { idBytes } from '../format/block-id';
import { type ByteRange, mergeRanges, splitRange } from '../model/byte-range';
import { limits } from '../model/limits';
import { inOrder } from './in-order';
import type { DiskReader } from './ports';
import { readHashed } from './read-hashed';

const READS_AT_ONCE = 4;

export interface AuditContext {
  readonly repository: Repository;
  readonly pool: ComputePool;
  readonly index: TenantIndex;
  readonly memory: Memory;
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

/** `gaps`: what is unlisted, of which a sample is taken. `due`: offsets of blocks that are read in any case. */
export async function auditUnlisted(
  context: AuditContext,
  what: { readonly gaps: readonly ByteRange[]; readonly due: readonly number[] },
  random: () => number,
  signal: AbortSignal,
): Promise<AuditResult> {
  const { blockBytes } = limits;
  const { window } = context;
  const sampler = new RunSampler<number>(limits.auditBlocksPerWindow, random);
  for (const gap of what.gaps) {
    sampler.add(Math.ceil((gap.end - gap.start) / blockBytes), (position) => gap.start + position * blockBytes);
  }
  const blocks = [...what.due, ...sampler.taken].map((start) => ({
    start,
    end: Math.min(window.end, start + blockBytes),
  }));
  const reads = mergeRanges(blocks).flatMap((range) => [...splitRange(range, limits.readBytesMax)]);
  let readBytes = 0;
  let unknownBlocks = 0;
  const read = (range: ByteRange, inner: AbortSignal) => readHashed(context, range, inner);
  for await (const { item, result } of inOrder(reads, READS_AT_ONCE, signal, read, (left) => left.release())) {
    result.release();
    readBytes += item.end - item.start;
    const first = (item.start - window.start) / blockBytes;
    for (let position = 0; position < result.zero.length; position++) {
      const id = result.ids.subarray(position * idBytes, (position + 1) * idBytes);
      const same = await compare(context, first + position, result.zero[position] === 1 ? undefined : id, signal);
      if (same === false) return { verdict: 'mismatch', readBytes, unknownBlocks };
      if (same === undefined) unknownBlocks++;
    }
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
