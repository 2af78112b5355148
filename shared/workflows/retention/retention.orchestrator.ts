/**
 * What no rule keeps expires; what nothing needs is deleted.
 *
 *   1. review    points given up before: taken back by somebody, or gone
 *   2. expire    VM by VM, what the rules of their policies let go; to be undone for two weeks
 *   3. condemn   the collector's list (docs/concurrency.md, C1 to C3), or the cycle that was under way
 *   4. wait      in durable timers, for sessions that began before the list; silent ones are fenced
 *   5. delete    the fixed set, its parts side by side; the cycle closes when the store lists none of it any more
 *
 * Nothing has to be undone: each step reads where things stand, so a run that ends anywhere is gone on with by the next one,
 * and two runs at once do what one does.
 */
import type { OrchestrationContext } from 'durable-functions';
import { leaseMs } from '../../collector/context';
import type { Waited } from '../../collector/wait';
import { call, callAll, type Failure, failureOf, pause, type Steps } from '../durable';
import {
  type Collection,
  closeCollection,
  condemnUnits,
  deleteUnits,
  endRetention,
  expirePoints,
  fenceSilent,
  fixDeletes,
  lookForSessions,
  type RetentionEnd,
  type RetentionInput,
  reviewExpired,
} from './contracts';

/** Parts of the delete set that are deleted side by side: each is a listing's page or more. */
const PARTS_AT_ONCE = 8;
const LOOK_MS = 60_000;
/** Sessions that go on for hours are looked at less often. */
const SLOW_LOOK_MS = 300_000;
const QUICK_LOOKS = 20;

export function* retentionRun(context: OrchestrationContext): Steps<RetentionEnd> {
  const { trigger, allowance } = context.df.getInput<RetentionInput>();
  const sum = { vms: 0, expired: 0, held: 0, returned: 0, gone: 0 };
  let collection: Collection | undefined;
  let failure: Failure | undefined;
  try {
    yield* review(context, sum);
    let after: string | undefined;
    do {
      const page = yield* call(context, expirePoints, after === undefined ? {} : { after });
      sum.vms += page.vms;
      sum.expired += page.expired;
      sum.held += page.held;
      after = page.next;
    } while (after !== undefined);
    collection = yield* collect(context, allowance);
    yield* review(context, sum);
  } catch (error) {
    failure = failureOf(error);
  }
  const end: RetentionEnd = {
    runId: context.df.instanceId,
    trigger,
    ...sum,
    ...(collection === undefined ? {} : { collection }),
    ...(failure === undefined ? {} : { failure: { code: failure.code, message: failure.message } }),
  };
  yield* call(context, endRetention, end);
  return end;
}

function* review(context: OrchestrationContext, sum: { returned: number; gone: number }): Steps<void> {
  const reviewed = yield* call(context, reviewExpired, null);
  sum.returned += reviewed.returned;
  sum.gone += reviewed.gone;
}

function* collect(context: OrchestrationContext, allowance: RetentionInput['allowance']): Steps<Collection> {
  const { kind, ...begun } = yield* call(context, condemnUnits, allowance === undefined ? {} : { allowance });
  if (kind === 'stopped') return { outcome: 'asks', ...begun, fenced: [] };
  if (kind === 'nothing' || kind === 'not-now') return { outcome: kind, ...begun, fenced: [] };
  const fenced = kind === 'published' ? yield* waitForSessions(context) : [];
  const { parts } = yield* call(context, fixDeletes, null);
  const deleted = { units: 0, bytes: 0 };
  for (let from = 0; from < parts; from += PARTS_AT_ONCE) {
    const some = Array.from({ length: Math.min(PARTS_AT_ONCE, parts - from) }, (_, index) => ({ part: from + index }));
    for (const { units, bytes } of yield* callAll(context, deleteUnits, some)) {
      deleted.units += units;
      deleted.bytes += bytes;
    }
  }
  const { closed } = yield* call(context, closeCollection, null);
  return { outcome: closed ? 'closed' : 'open', ...begun, deleted, fenced };
}

/** Until no session of an earlier epoch is open. One whose register stands still for the lease time is fenced. */
function* waitForSessions(context: OrchestrationContext): Steps<string[]> {
  const since = new Map<string, { readonly etag: string; readonly atMs: number }>();
  const fenced: string[] = [];
  for (let look = 0; ; look++) {
    const open = yield* call(context, lookForSessions, null);
    if (open.length === 0) return fenced;
    const nowMs = context.df.currentUtcDateTime.getTime();
    const silent = (session: Waited): boolean => {
      const known = since.get(session.sessionId);
      if (known?.etag !== session.etag) since.set(session.sessionId, { etag: session.etag, atMs: nowMs });
      return nowMs - (since.get(session.sessionId)?.atMs ?? nowMs) >= leaseMs;
    };
    const suspects = open.filter(silent);
    if (suspects.length > 0) fenced.push(...(yield* call(context, fenceSilent, { suspects })));
    else yield pause(context, look < QUICK_LOOKS ? LOOK_MS : SLOW_LOOK_MS);
  }
}
