/**
 * Restores disks of one restore point to new managed disks or image files.
 *
 *   1. begin      the point is loaded from the store; names of the targets are fixed
 *   2. create     upload disks, empty                     undo: discard what this job made
 *   3. transfer   windows through the data proxies; every block's id is checked on the way
 *   4. finish     the disk becomes attachable, the image gets its final name: never before all bytes are there
 *
 * At the end, whatever happened: session released, fleet released, job closed.
 */
import type { OrchestrationContext } from 'durable-functions';
import { abandonSession, endJob, enterPhase, type JobEnd } from '../backup/contracts';
import { attempt, call, callAll, callSub, type Failure, failureOf, type Steps } from '../durable';
import { releaseFleet } from '../fleet.orchestrator';
import { type TransferInput, transferInstanceId, transferOrchestrator } from '../transfer/contracts';
import {
  beginRestore,
  createTarget,
  discardTarget,
  finishTarget,
  type RestoreJobInput,
  type RestoreScope,
} from './contracts';

export function* restoreJob(context: OrchestrationContext): Steps<JobEnd> {
  const jobId = context.df.instanceId;
  const input = context.df.getInput<RestoreJobInput>();
  let scope: RestoreScope | undefined;
  let failure: Failure | undefined;
  const notes: string[] = [];

  try {
    scope = yield* call(context, beginRestore, { ...input, jobId });
    const { plan } = scope;
    const parts = plan.disks.map((disk) => ({ jobId, plan, lun: disk.lun }));
    yield* call(context, enterPhase, { jobId, phase: 'preparing' });
    yield* callAll(context, createTarget, parts);

    yield* call(context, enterPhase, { jobId, phase: 'transferring' });
    const transfer: TransferInput = { plan, pollMs: scope.pollMs, stallMs: scope.stallMs };
    yield* callSub(context, transferOrchestrator, transferInstanceId(jobId), transfer);

    yield* call(context, enterPhase, { jobId, phase: 'finishing' });
    yield* callAll(context, finishTarget, parts);
  } catch (error) {
    failure = failureOf(error);
  }

  if (scope) {
    const { plan } = scope;
    yield* attempt(notes, 'releasing the session', call(context, abandonSession, { jobId, vmKey: plan.vmKey }));
    yield* attempt(notes, 'releasing the fleet', releaseFleet(context, plan.region, jobId));
    if (failure) {
      const parts = plan.disks.map((disk) => ({ jobId, plan, lun: disk.lun }));
      yield* attempt(notes, 'discarding targets', callAll(context, discardTarget, parts));
    }
  }
  const end: JobEnd = {
    jobId,
    status: failure === undefined ? 'succeeded' : failure.code === 'job.canceled' ? 'canceled' : 'failed',
    ...(failure === undefined ? {} : { failure: { code: failure.code, message: failure.message } }),
    notes,
  };
  yield* call(context, endJob, end);
  return end;
}
