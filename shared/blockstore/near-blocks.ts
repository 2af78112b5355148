/**
 * Blocks of the index segments that were hit last. Data repeats in the order in which it was stored, so when one block of a
 * segment turns up, its neighbours are about to. Only needed where the whole index does not fit in memory.
 */
import { idBytes } from '../format/block-id';
import type { SegmentUnit } from '../format/index-segment';

export interface NearBlock {
  /** Name of the unit. */
  readonly unit: string;
  readonly slot: number;
}

/** Twelve bytes tell blocks apart, as in the index itself. */
const PREFIX_BYTES = 12;
const prefixOf = (id: Buffer): string => id.toString('latin1', 0, PREFIX_BYTES);

export class NearBlocks {
  /** By segment number; the one used longest ago is first. */
  private readonly segments = new Map<number, ReadonlyMap<string, NearBlock>>();

  constructor(private readonly segmentsMax: number) {}

  has(segment: number): boolean {
    return this.segments.has(segment);
  }

  add(segment: number, units: readonly SegmentUnit[]): void {
    const blocks = new Map<string, NearBlock>();
    for (const { unit, ids } of units) {
      for (let slot = 0; slot * idBytes < ids.length; slot++) {
        blocks.set(prefixOf(ids.subarray(slot * idBytes)), { unit, slot });
      }
    }
    this.segments.set(segment, blocks);
    for (const oldest of this.segments.keys()) {
      if (this.segments.size <= this.segmentsMax) break;
      this.segments.delete(oldest);
    }
  }

  find(id: Buffer): NearBlock | undefined {
    const prefix = prefixOf(id);
    for (const [segment, blocks] of [...this.segments].reverse()) {
      const found = blocks.get(prefix);
      if (!found) continue;
      this.segments.delete(segment);
      this.segments.set(segment, blocks);
      return found;
    }
    return undefined;
  }
}
