/** Where the blocks of a disk lie: its leaves, loaded when asked for, with the run of any block found by halving. */
import { checkedLeaf, loadLeafObject } from '../blockstore/disk-manifest';
import type { Repository } from '../blockstore/repository';
import type { Leaf, LeafObject } from '../format/manifest-leaves';
import type { DiskRoot } from '../format/manifest-root';
import type { UnitRef } from '../format/unit-table';
import { MIB } from '../model/limits';
import { LoadingCache } from './loading-cache';

/** Blocks [start, end) of the disk: zeros, or consecutive slots of one pack. */
export interface BlockRun {
  readonly start: number;
  readonly end: number;
  readonly data?: { readonly unit: UnitRef; readonly slot: number };
}

/** Decoded leaves kept; dense ones of 8 GiB take about 1 MiB, fragmented ones up to 20. */
const LEAVES_WEIGHT_MAX = 64 * MIB;
const RUN_WEIGHT = 96;
const UNIT_WEIGHT = 160;

export type LeafCache = LoadingCache<LeafObject>;

export const createLeafCache = (): LeafCache =>
  new LoadingCache({
    weightMax: LEAVES_WEIGHT_MAX,
    weigh: ({ leaves, units }) =>
      units.length * UNIT_WEIGHT + leaves.reduce((sum, { runs }) => sum + (1 + runs.length) * RUN_WEIGHT, 0),
  });

export class LeafMap {
  /** First leaf of each run of the root. */
  private readonly firstLeaves: Float64Array;
  /** First block of each run of a leaf, counted in the leaf; made when the leaf is first searched. */
  private readonly firstBlocks = new WeakMap<Leaf, Uint32Array>();

  constructor(
    private readonly repository: Repository,
    readonly root: DiskRoot,
    private readonly cache: LeafCache,
  ) {
    this.firstLeaves = firstsOf(Float64Array, root.refs);
  }

  /** The runs that cover blocks [start, end), cut to it, in order. */
  async runs(start: number, end: number): Promise<BlockRun[]> {
    const leafBlocks = this.root.leafBytes / this.root.blockBytes;
    const runs: BlockRun[] = [];
    for (let block = start; block < end; ) {
      const index = Math.floor(block / leafBlocks);
      const first = index * leafBlocks;
      const until = Math.min(end, first + leafBlocks);
      const placed = await this.leaf(index);
      if (placed) this.collect(placed, first, block, until, runs);
      else runs.push({ start: block, end: until });
      block = until;
    }
    return runs;
  }

  /** Names the leaf by where it lies; undefined: zeros, or behind the disk. */
  leafName(index: number): string | undefined {
    const run = lastAtMost(this.firstLeaves, index);
    const at = index * this.root.leafBytes < this.root.diskBytes ? this.root.refs[run]?.at : undefined;
    return at && `${at.digest}/${at.ordinal + index - (this.firstLeaves[run] ?? 0)}`;
  }

  private collect(placed: PlacedLeaf, first: number, start: number, end: number, runs: BlockRun[]): void {
    const { leaf, units } = placed;
    const firsts = this.firstBlocks.get(leaf) ?? firstsOf(Uint32Array, leaf.runs);
    this.firstBlocks.set(leaf, firsts);
    for (let at = lastAtMost(firsts, start - first); at < leaf.runs.length; at++) {
      const run = leaf.runs[at];
      const runStart = first + (firsts[at] ?? 0);
      if (!run || runStart >= end) return;
      const from = Math.max(start, runStart);
      const until = Math.min(end, runStart + run.count);
      const unit = run.data && units[run.data.unit];
      runs.push({
        start: from,
        end: until,
        ...(run.data && unit ? { data: { unit, slot: run.data.slot + from - runStart } } : {}),
      });
    }
  }

  /** undefined: the leaf is all zeros. */
  private async leaf(index: number): Promise<PlacedLeaf | undefined> {
    const run = lastAtMost(this.firstLeaves, index);
    const at = this.root.refs[run]?.at;
    if (!at) return undefined;
    const object = await this.cache.get(`${at.object} ${at.digest}`, () => loadLeafObject(this.repository, at));
    const ordinal = at.ordinal + index - (this.firstLeaves[run] ?? 0);
    return { leaf: checkedLeaf(this.root, object, at.object, ordinal, index), units: object.units };
  }
}

interface PlacedLeaf {
  readonly leaf: Leaf;
  readonly units: readonly UnitRef[];
}

function firstsOf<Numbers extends Float64Array | Uint32Array>(
  type: new (length: number) => Numbers,
  runs: readonly { readonly count: number }[],
): Numbers {
  const firsts = new type(runs.length);
  let first = 0;
  runs.forEach(({ count }, at) => {
    firsts[at] = first;
    first += count;
  });
  return firsts;
}

/** Index of the last entry that is at most `value`; entries ascend from 0. */
function lastAtMost(firsts: Float64Array | Uint32Array, value: number): number {
  let low = 0;
  let high = firsts.length - 1;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if ((firsts[middle] ?? 0) <= value) low = middle;
    else high = middle - 1;
  }
  return low;
}
