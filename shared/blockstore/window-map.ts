/**
 * Where each block of a window lies: a unit number of this map (0 = zeros) and a slot, 6 bytes a block in typed arrays. Holds
 * the parent point's state beside the new one, so that leaves which end up equal are shared instead of written again,
 * whatever was read.
 */
import { assert } from '../base/assert';
import type { Leaf, LeafObject, LeafRun } from '../format/manifest-leaves';
import { joinRefs, type LeafRefRun } from '../format/manifest-root';
import type { UnitRef } from '../format/unit-table';
import type { ByteRange } from '../model/byte-range';

export interface Geometry {
  readonly diskBytes: number;
  readonly blockBytes: number;
  readonly leafBytes: number;
}

export const leafBlocksOf = (geometry: Geometry): number => geometry.leafBytes / geometry.blockBytes;

/** Leaves that a window touches: [first, first + count). A window starts at a leaf. */
export function leavesOf(window: ByteRange, leafBytes: number): { readonly first: number; readonly count: number } {
  assert(window.start % leafBytes === 0, `window at ${window.start} does not start at a leaf`);
  return { first: window.start / leafBytes, count: Math.ceil((window.end - window.start) / leafBytes) };
}

interface BaseLeaf {
  readonly ref: LeafRefRun;
  readonly blockCount: number;
}

export class WindowMap {
  readonly blockCount: number;
  readonly firstLeaf: number;
  readonly leafCount: number;
  private readonly leafBlocks: number;
  private readonly names: string[] = [''];
  private readonly numbers = new Map<string, number>();
  private readonly unitAt: Uint32Array;
  private readonly slotAt: Uint16Array;
  private readonly baseUnitAt: Uint32Array;
  private readonly baseSlotAt: Uint16Array;
  private readonly baseLeaves = new Map<number, BaseLeaf>();
  /** Sizes known from parent leaves, by name. */
  private readonly known = new Map<string, UnitRef>();

  constructor(
    window: ByteRange,
    readonly geometry: Geometry,
  ) {
    const { first, count } = leavesOf(window, geometry.leafBytes);
    this.firstLeaf = first;
    this.leafCount = count;
    this.leafBlocks = leafBlocksOf(geometry);
    this.blockCount = Math.ceil((window.end - window.start) / geometry.blockBytes);
    this.unitAt = new Uint32Array(this.blockCount);
    this.slotAt = new Uint16Array(this.blockCount);
    this.baseUnitAt = new Uint32Array(this.blockCount);
    this.baseSlotAt = new Uint16Array(this.blockCount);
  }

  /** Takes one leaf of the parent point over, as state and as base. `ref` names it in one run of count 1. */
  loadBase(leaf: Leaf, units: readonly UnitRef[], ref: LeafRefRun): void {
    this.baseLeaves.set(leaf.index, { ref, blockCount: leaf.blockCount });
    let block = (leaf.index - this.firstLeaf) * this.leafBlocks;
    for (const run of leaf.runs) {
      const unit = run.data && units[run.data.unit];
      const number = unit ? this.unitNumber(unit.unit) : 0;
      if (unit) this.known.set(unit.unit, unit);
      for (let index = 0; index < run.count && block < this.blockCount; index++, block++) {
        this.baseUnitAt[block] = number;
        this.baseSlotAt[block] = run.data ? run.data.slot + index : 0;
      }
    }
    const from = (leaf.index - this.firstLeaf) * this.leafBlocks;
    this.unitAt.set(this.baseUnitAt.subarray(from, block), from);
    this.slotAt.set(this.baseSlotAt.subarray(from, block), from);
  }

  /** A zero leaf of the parent point: there is nothing to load, and the state is zeros already. */
  noteZeroBase(leafIndex: number): void {
    this.baseLeaves.set(leafIndex, { ref: { count: 1 }, blockCount: this.blocksOf(leafIndex) });
  }

  /** Forgets the state, not the base: before a full read, in which whatever is not listed is zeros. */
  clear(): void {
    this.unitAt.fill(0);
    this.slotAt.fill(0);
  }

  setZero(block: number): void {
    this.unitAt[block] = 0;
    this.slotAt[block] = 0;
  }

  set(block: number, unit: string, slot: number): void {
    this.unitAt[block] = this.unitNumber(unit);
    this.slotAt[block] = slot;
  }

  /** undefined: zeros. Block counted from the window's start. */
  at(block: number): { readonly unit: string; readonly slot: number } | undefined {
    const number = this.unitAt[block] ?? 0;
    return number === 0 ? undefined : { unit: this.names[number] ?? '', slot: this.slotAt[block] ?? 0 };
  }

  /** Sizes of a unit that the parent's leaves name. */
  knownUnit(name: string): UnitRef | undefined {
    return this.known.get(name);
  }

  /** How many blocks from the start, at most `blocks`, lie in units that are settled; zeros always do. */
  settledBlocks(blocks: number, isSettled: (unit: string) => boolean): number {
    const settled = this.names.map((name) => name === '' || isSettled(name));
    for (let block = 0; block < blocks; block++) if (!settled[this.unitAt[block] ?? 0]) return block;
    return blocks;
  }

  /** The state of the first `blocks` blocks as leaves; the rest of the last leaf counts as zeros. */
  leavesUpTo(blocks: number): { readonly leaves: readonly Leaf[]; readonly units: readonly string[] } {
    const units: string[] = [];
    const local = new Map<number, number>();
    const leaves = Array.from({ length: Math.ceil(blocks / this.leafBlocks) }, (_, at) => {
      const index = this.firstLeaf + at;
      return { index, blockCount: this.blocksOf(index), runs: this.runs(index, local, units, blocks) };
    });
    return { leaves, units };
  }

  /** Takes over the state of the first `blocks` blocks from what `leavesUpTo` gave to another proxy. */
  resume(object: LeafObject, blocks: number): void {
    for (const unit of object.units) this.known.set(unit.unit, unit);
    for (const leaf of object.leaves) {
      let block = (leaf.index - this.firstLeaf) * this.leafBlocks;
      for (const run of leaf.runs) {
        const unit = run.data && object.units[run.data.unit];
        for (let step = 0; step < run.count && block < blocks; step++, block++) {
          if (unit && run.data) this.set(block, unit.unit, run.data.slot + step);
          else this.setZero(block);
        }
      }
    }
  }

  /** Leaves that must be written, with the units they name, and how every leaf of the window is to be referred to. */
  plan(): {
    readonly leaves: readonly Leaf[];
    readonly units: readonly string[];
    readonly shared: readonly (LeafRefRun | undefined)[];
  } {
    const leaves: Leaf[] = [];
    const units: string[] = [];
    const local = new Map<number, number>();
    const shared: (LeafRefRun | undefined)[] = [];
    for (let index = 0; index < this.leafCount; index++) {
      const leaf = this.firstLeaf + index;
      const base = this.baseLeaves.get(leaf);
      if (base && base.blockCount === this.blocksOf(leaf) && this.equalsBase(leaf)) shared.push(base.ref);
      else if (this.isZeroLeaf(leaf)) shared.push({ count: 1 });
      else {
        shared.push(undefined);
        leaves.push({ index: leaf, blockCount: this.blocksOf(leaf), runs: this.runs(leaf, local, units) });
      }
    }
    return { leaves, units, shared };
  }

  private runs(leaf: number, local: Map<number, number>, units: string[], upTo = this.blockCount): LeafRun[] {
    const { from, to } = this.span(leaf);
    const runs: LeafRun[] = [];
    const unitOf = (block: number): number => (block < upTo ? (this.unitAt[block] ?? 0) : 0);
    for (let block = from; block < to; ) {
      const number = unitOf(block);
      const slot = this.slotAt[block] ?? 0;
      let end = block + 1;
      while (end < to && unitOf(end) === number && (number === 0 || this.slotAt[end] === slot + end - block)) end++;
      runs.push(
        number === 0
          ? { count: end - block }
          : { count: end - block, data: { unit: this.local(number, local, units), slot } },
      );
      block = end;
    }
    return runs;
  }

  private local(number: number, local: Map<number, number>, units: string[]): number {
    const known = local.get(number);
    if (known !== undefined) return known;
    const fresh = units.push(this.names[number] ?? '') - 1;
    local.set(number, fresh);
    return fresh;
  }

  private equalsBase(leaf: number): boolean {
    const { from, to } = this.span(leaf);
    return (
      bytesOf(this.unitAt.subarray(from, to)).equals(bytesOf(this.baseUnitAt.subarray(from, to))) &&
      bytesOf(this.slotAt.subarray(from, to)).equals(bytesOf(this.baseSlotAt.subarray(from, to)))
    );
  }

  private isZeroLeaf(leaf: number): boolean {
    const { from, to } = this.span(leaf);
    return this.unitAt.subarray(from, to).every((number) => number === 0);
  }

  private blocksOf(leaf: number): number {
    const { from, to } = this.span(leaf);
    return to - from;
  }

  private span(leaf: number): { readonly from: number; readonly to: number } {
    const from = (leaf - this.firstLeaf) * this.leafBlocks;
    return { from, to: Math.min(this.blockCount, from + this.leafBlocks) };
  }

  private unitNumber(name: string): number {
    const known = this.numbers.get(name);
    if (known !== undefined) return known;
    const number = this.names.push(name) - 1;
    this.numbers.set(name, number);
    return number;
  }
}

/** Refs of a window's leaves: shared ones as they are, written ones by their ordinal in the new object. */
export function refsOf(
  shared: readonly (LeafRefRun | undefined)[],
  written: { readonly object: string; readonly digest: string } | undefined,
): LeafRefRun[] {
  let ordinal = 0;
  return joinRefs(
    shared.map((ref) => {
      if (ref) return ref;
      assert(written, 'a written leaf is in a written object');
      return { count: 1, at: { ...written, ordinal: ordinal++ } };
    }),
  );
}

export const leafObject = (geometry: Geometry, leaves: readonly Leaf[], units: readonly UnitRef[]): LeafObject => ({
  blockBytes: geometry.blockBytes,
  leafBlocks: leafBlocksOf(geometry),
  units,
  leaves,
});

const bytesOf = (array: Uint32Array | Uint16Array): Buffer =>
  Buffer.from(array.buffer, array.byteOffset, array.byteLength);
