/**
 * The block index in memory: id -> (unit, slot), in typed arrays because a Map ends at 2^24 entries, which is 1 TiB.
 *
 * Open addressing over 18 bytes an entry: 12 bytes of the id, unit number + 1 (0 = free), slot. At the load it is sized for
 * that is 21 bytes a block. 96 bits of a keyed hash: with 10^10 blocks the chance that any look-up ever hits a stranger is
 * below 10^-8, and nobody without the key can look for one.
 *
 * A unit may be *pending*: its blocks are claimed by a pack that is not stored yet. Other windows may refer to them, and must
 * wait for the unit before they state so. A unit that failed is *dead*: its blocks count as unknown.
 */
import { assert } from '../base/assert';
import { idBytes } from '../format/block-id';
import type { UnitRef } from '../format/unit-table';
import { UnitNumbers } from './unit-numbers';

const WORDS = 4;
const LOAD_MAX = 0.86;
const GROWTH = 1.4;
const CAPACITY_MIN = 4096;
/** A location is unit * SLOTS + slot: exact in a double for 2^32 units. */
const SLOTS = 65_536;

export interface Location {
  readonly unit: number;
  readonly slot: number;
}

export class DedupIndex {
  readonly units = new UnitNumbers();
  private capacity: number;
  private entries: Uint32Array;
  private slots: Uint16Array;
  private used = 0;

  constructor(expectedBlocks = 0) {
    this.capacity = Math.max(CAPACITY_MIN, Math.ceil(expectedBlocks / LOAD_MAX));
    this.entries = new Uint32Array(this.capacity * WORDS);
    this.slots = new Uint16Array(this.capacity);
  }

  get blockCount(): number {
    return this.used;
  }

  get memoryBytes(): number {
    return this.entries.byteLength + this.slots.byteLength;
  }

  /** Where the block with this id lies or will lie; undefined when it is unknown or its unit died. */
  lookup(id: Buffer): Location | undefined {
    const at = this.find(id);
    const unit = (this.entries[at * WORDS + 3] ?? 0) - 1;
    if (unit < 0 || this.units.stateOf(unit) === 'dead') return undefined;
    return { unit, slot: this.slots[at] ?? 0 };
  }

  /** States that the block lies at this place. A living entry stays as it is: the first copy is the one that is used. */
  claim(id: Buffer, location: Location): void {
    assert(location.slot >= 0 && location.slot < SLOTS, `slot ${location.slot} does not fit`);
    if (this.used + 1 > this.capacity * LOAD_MAX) this.grow(Math.ceil(this.capacity * GROWTH));
    const at = this.find(id);
    const held = (this.entries[at * WORDS + 3] ?? 0) - 1;
    if (held >= 0 && this.units.stateOf(held) !== 'dead') return;
    if (held < 0) this.used++;
    for (let word = 0; word < WORDS - 1; word++) this.entries[at * WORDS + word] = id.readUInt32LE(word * 4);
    this.entries[at * WORDS + 3] = location.unit + 1;
    this.slots[at] = location.slot;
  }

  /** Takes over a stored unit from an index segment. `ids` in slot order; `keep` tells which of them are worth the memory. */
  addStored(ref: UnitRef, ids: Buffer, segment: number, keep?: (id: Buffer) => boolean): void {
    const { unit, isNew } = this.units.addStored(ref, segment);
    if (!isNew) return;
    const count = ids.length / idBytes;
    for (let slot = 0; slot < count; slot++) {
      const id = ids.subarray(slot * idBytes, (slot + 1) * idBytes);
      if (!keep || keep(id)) this.claim(id, { unit, slot });
    }
  }

  /** Makes room at once for so many blocks more, so that loading does not grow step by step. */
  reserve(blocks: number): void {
    const wanted = Math.ceil((this.used + blocks) / LOAD_MAX);
    if (wanted > this.capacity) this.grow(wanted);
  }

  /** The entry of this id, or the free one where it would go. */
  private find(id: Buffer): number {
    const first = id.readUInt32LE(0);
    const second = id.readUInt32LE(4);
    const third = id.readUInt32LE(8);
    let at = Math.floor((first / 2 ** 32) * this.capacity);
    for (;;) {
      const base = at * WORDS;
      if (this.entries[base + 3] === 0) return at;
      if (this.entries[base] === first && this.entries[base + 1] === second && this.entries[base + 2] === third) {
        return at;
      }
      at = at + 1 === this.capacity ? 0 : at + 1;
    }
  }

  private grow(capacity: number): void {
    const { entries, slots } = this;
    const oldCapacity = this.capacity;
    this.capacity = capacity;
    this.entries = new Uint32Array(capacity * WORDS);
    this.slots = new Uint16Array(capacity);
    for (let old = 0; old < oldCapacity; old++) {
      const base = old * WORDS;
      if (entries[base + 3] === 0) continue;
      let at = Math.floor(((entries[base] ?? 0) / 2 ** 32) * capacity);
      while (this.entries[at * WORDS + 3] !== 0) at = at + 1 === capacity ? 0 : at + 1;
      for (let word = 0; word < WORDS; word++) this.entries[at * WORDS + word] = entries[base + word] ?? 0;
      this.slots[at] = slots[old] ?? 0;
    }
  }
}
