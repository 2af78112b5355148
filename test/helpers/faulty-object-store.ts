/** A store whose n-th call fails: before its effect, or after it (a lost reply). Every later call fails too: a crash. */
import type { ObjectStore, StorePair } from '../../shared/blockstore/object-store';
import { AppError } from '../../shared/model/errors';

export interface Fault {
  /** Number of the call, over both buckets, from 1. */
  readonly call: number;
  readonly when: 'before' | 'after';
}

export class FaultyStores {
  calls = 0;

  constructor(private readonly fault?: Fault) {}

  wrap(stores: StorePair): StorePair {
    return { data: this.faulty(stores.data), control: this.faulty(stores.control) };
  }

  private faulty(store: ObjectStore): ObjectStore {
    return {
      putOnce: (...args) => this.guard(() => store.putOnce(...args)),
      replace: (...args) => this.guard(() => store.replace(...args)),
      get: (...args) => this.guard(() => store.get(...args)),
      list: (...args) => this.guardList(() => store.list(...args)),
    };
  }

  private async guard<Result>(run: () => Promise<Result>): Promise<Result> {
    const call = ++this.calls;
    this.fail(call, 'before');
    const result = await run();
    this.fail(call, 'after');
    return result;
  }

  private async *guardList<Item>(run: () => AsyncIterable<Item>): AsyncIterable<Item> {
    this.fail(++this.calls, 'before');
    yield* run();
  }

  private fail(call: number, when: Fault['when']): void {
    if (!this.fault) return;
    if (call > this.fault.call || (call === this.fault.call && when === this.fault.when)) {
      throw new AppError('store.unavailable', `injected at call ${call}`, { retryable: true });
    }
  }
}
