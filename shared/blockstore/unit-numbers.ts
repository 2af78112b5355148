/**
 * Units by number. A number is valid in one process; names and sizes are what is stored. A unit is pending from the moment
 * that blocks are promised to it until its pack is stored or has failed.
 */
import { assert } from '../base/assert';
import type { UnitRef } from '../format/unit-table';
import { AppError } from '../model/errors';

export type UnitState = 'pending' | 'stored' | 'dead';

interface Unit {
  readonly name: string;
  state: UnitState;
  sizeBytes: number;
  tailBytes: number;
  /** Number of the index segment that names it, -1 when none does. */
  segment: number;
  settled: Promise<void> | undefined;
  settle: (() => void) | undefined;
}

export class UnitNumbers {
  private readonly units: Unit[] = [];
  private readonly numbers = new Map<string, number>();

  addPending(name: string): number {
    const { promise, resolve } = Promise.withResolvers<void>();
    return this.add({
      name,
      state: 'pending',
      sizeBytes: 0,
      tailBytes: 0,
      segment: -1,
      settled: promise,
      settle: resolve,
    });
  }

  addStored(ref: UnitRef, segment: number): { readonly unit: number; readonly isNew: boolean } {
    const known = this.numbers.get(ref.unit);
    if (known !== undefined) {
      this.at(known).segment = segment;
      return { unit: known, isNew: false };
    }
    const { unit: name, sizeBytes, tailBytes } = ref;
    const unit = this.add({
      name,
      state: 'stored',
      sizeBytes,
      tailBytes,
      segment,
      settled: undefined,
      settle: undefined,
    });
    return { unit, isNew: true };
  }

  /** The pack is in the store. */
  stored(number: number, sizes: { readonly sizeBytes: number; readonly tailBytes: number }): void {
    const unit = this.at(number);
    unit.sizeBytes = sizes.sizeBytes;
    unit.tailBytes = sizes.tailBytes;
    this.end(unit, 'stored');
  }

  /** The pack will never be in the store under this name. Does nothing once it is stored. */
  died(number: number): void {
    const unit = this.at(number);
    if (unit.state === 'pending') this.end(unit, 'dead');
  }

  stateOf(number: number): UnitState {
    return this.at(number).state;
  }

  segmentOf(name: string): number {
    const number = this.numbers.get(name);
    return number === undefined ? -1 : this.at(number).segment;
  }

  /** Waits until the unit is stored. `store.unavailable`, retryable, when its writer failed: the caller starts over. */
  async whenStored(number: number, signal: AbortSignal): Promise<UnitRef> {
    const unit = this.at(number);
    if (unit.settled) await abortable(unit.settled, signal);
    if (unit.state !== 'stored') {
      throw new AppError('store.unavailable', `pack ${unit.name}, written by another window, did not reach the store`, {
        retryable: true,
        context: { unit: unit.name },
      });
    }
    return { unit: unit.name, sizeBytes: unit.sizeBytes, tailBytes: unit.tailBytes };
  }

  /** Name and sizes of a unit that is stored, undefined of any other. */
  storedRef(number: number): UnitRef | undefined {
    const { name, state, sizeBytes, tailBytes } = this.at(number);
    return state === 'stored' ? { unit: name, sizeBytes, tailBytes } : undefined;
  }

  numberOf(name: string): number | undefined {
    return this.numbers.get(name);
  }

  nameOf(number: number): string {
    return this.at(number).name;
  }

  private add(unit: Unit): number {
    const number = this.units.push(unit) - 1;
    this.numbers.set(unit.name, number);
    return number;
  }

  private end(unit: Unit, state: UnitState): void {
    unit.state = state;
    unit.settle?.();
    unit.settle = undefined;
    unit.settled = undefined;
  }

  private at(number: number): Unit {
    const unit = this.units[number];
    assert(unit, `no unit ${number}`);
    return unit;
  }
}

async function abortable(promise: Promise<void>, signal: AbortSignal): Promise<void> {
  signal.throwIfAborted();
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  const onAbort = (): void => reject(signal.reason);
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    await Promise.race([promise, aborted]);
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}
