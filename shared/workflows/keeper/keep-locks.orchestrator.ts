/**
 * Extends the locks of everything that restore points need, step by step. Started by a timer every hour; whether a run is due, the
 * state in the store decides, so that a start too many does nothing and one too few is made up an hour later.
 */
import type { OrchestrationContext } from 'durable-functions';
import { call, failureOf, type Outcome, type Steps } from '../durable';
import { beginKeeping, extendLocks, type KeeperInput } from './contracts';

export interface KeptLocks {
  readonly outcome: 'not-now' | 'kept' | 'superseded' | 'going-on';
  readonly extended: number;
  /** Objects that restore points need and that are not there. */
  readonly missing: number;
  /** Restore points that cannot be read: what they need is not locked. */
  readonly damaged: number;
}

/** Keeps the history short: a step takes minutes. */
const stepsPerGeneration = 20;

export function* keepLocks(context: OrchestrationContext): Steps<Outcome<KeptLocks>> {
  const input = context.df.getInput<KeeperInput>() ?? {};
  let { run, next, extended = 0, missing = 0 } = input;
  let damaged = next?.damaged ?? 0;
  const report = (outcome: KeptLocks['outcome']): Outcome<KeptLocks> => ({
    ok: true,
    value: { outcome, extended, missing, damaged },
  });
  try {
    if (run === undefined) {
      const begun = yield* call(context, beginKeeping, {});
      if (begun.kind === 'not-now') return report('not-now');
      run = begun.run;
    }
    for (let step = 0; step < stepsPerGeneration; step++) {
      const done = yield* call(context, extendLocks, { run, ...(next === undefined ? {} : { next }) });
      extended += done.extended;
      missing += done.missing;
      next = done.next;
      damaged = done.damaged;
      if (done.superseded) return report('superseded');
      if (next === undefined) return report('kept');
    }
    context.df.continueAsNew({ run, ...(next === undefined ? {} : { next }), extended, missing } satisfies KeeperInput);
    return report('going-on');
  } catch (error) {
    return { ok: false, failure: failureOf(error) };
  }
}
