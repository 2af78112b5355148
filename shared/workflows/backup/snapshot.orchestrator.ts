/**
 * Snapshot orchestration: asks Azure for a snapshot of each disk, all at once to keep the skew small, and waits durably
 * until each is usable (Premium SSD v2 and Ultra copy in the background for minutes to hours). The parent deletes them
 * again when anything fails, here or later.
 */
import type { OrchestrationContext } from 'durable-functions';
import { call, callAll, failureOf, type Outcome, pause, type Steps } from '../durable';
import { type BackupScope, checkSnapshots, requestSnapshot } from './contracts';

/** With the longest pause of a minute: two days, more than a background copy takes. */
const roundsMax = 2880;

export function* snapshotMachine(context: OrchestrationContext): Steps<Outcome<null>> {
  const { scope, vmId, round = 0 } = context.df.getInput<{ scope: BackupScope; vmId: string; round?: number }>();
  try {
    if (round === 0) {
      yield* callAll(
        context,
        requestSnapshot,
        scope.disks.map((disk) => ({ jobId: scope.jobId, region: scope.region, vmId, disk })),
      );
    }
    for (let step = 0; step < 50; step++) {
      const check = yield* call(context, checkSnapshots, { jobId: scope.jobId, disks: scope.disks });
      if (check.pending === 0) return { ok: true, value: null };
      if (round + step >= roundsMax) {
        return {
          ok: false,
          failure: {
            code: 'snapshot.not-ready',
            message: `${check.pending} snapshots of job ${scope.jobId} are still copying after ${roundsMax} looks; the next run tries again`,
            retryable: false,
          },
        };
      }
      yield pause(context, Math.min(60_000, scope.pollMs * 1.5 ** Math.min(step, 8)));
    }
    context.df.continueAsNew({ scope, vmId, round: round + 50 });
    return { ok: true, value: null };
  } catch (error) {
    return { ok: false, failure: failureOf(error) };
  }
}
