/**
 * Moves all windows of a job's disks through the region's data proxies.
 *
 *   1. the region's fleet is told that this job needs it                 (the parent releases it, whatever happens)
 *   2. one message a window goes to the region's queue                   (sending again is harmless)
 *   3. until every window is a fact in the store: sleep, or wake on a hint, and look
 *   4. no progress for `stallMs`: the fleet is launched and missing windows are sent again; after three times, give up
 *
 * It looks at facts, not at events: a lost or doubled event changes nothing. History stays short through continue-as-new.
 */
import type { OrchestrationContext } from 'durable-functions';
import { call, failureOf, type Outcome, pauseUntil, StepError, type Steps } from '../durable';
import { useFleet } from '../fleet.orchestrator';
import { checkTransfers, sendTransfers, type TransferInput, wakeEvent } from './contracts';

const roundsPerGeneration = 40;
const stallsMax = 3;

export function* transferWindows(context: OrchestrationContext): Steps<Outcome<null>> {
  const input = context.df.getInput<TransferInput>();
  try {
    if (!input.progress) {
      yield* useFleet(context, input.plan.region, input.plan.jobId);
      yield* call(context, sendTransfers, { plan: input.plan });
    }
    let progress = input.progress ?? { bytes: -1, sinceMs: nowMs(context), stalls: 0 };
    for (let round = 0; round < roundsPerGeneration; round++) {
      const check = yield* call(context, checkTransfers, { plan: input.plan });
      if (check.failure) throw stepError(check.failure.code, check.failure.message);
      if (check.windowsDone >= check.windowsTotal) return { ok: true, value: null };
      if (check.bytesSeen !== progress.bytes) {
        progress = { bytes: check.bytesSeen, sinceMs: nowMs(context), stalls: 0 };
      } else if (nowMs(context) - progress.sinceMs >= input.stallMs) {
        if (progress.stalls >= stallsMax) {
          throw stepError(
            'job.stalled',
            `no data proxy of region ${input.plan.region} made progress for ${((stallsMax + 1) * input.stallMs) / 1000} s: ` +
              'see the data proxy log and whether the fleet could be launched',
          );
        }
        progress = { bytes: progress.bytes, sinceMs: nowMs(context), stalls: progress.stalls + 1 };
        yield* useFleet(context, input.plan.region, input.plan.jobId);
        yield* call(context, sendTransfers, { plan: input.plan });
      }
      yield* pauseUntil(context, wakeEvent, input.pollMs);
    }
    context.df.continueAsNew({ ...input, progress } satisfies TransferInput);
    return { ok: true, value: null };
  } catch (error) {
    return { ok: false, failure: failureOf(error) };
  }
}

const nowMs = (context: OrchestrationContext): number => context.df.currentUtcDateTime.getTime();

function stepError(code: string, message: string): StepError {
  return new StepError({ code: code as StepError['failure']['code'], message, retryable: false });
}
