/**
 * The backup job of one VM.
 *
 *   1. begin      the VM and its disks are read and vetted; what cannot be backed up is refused by name
 *   2. snapshot   one incremental snapshot a disk                         undo: delete them
 *   3. prepare    session in the repository; full or incremental per disk undo: fence the session
 *   4. transfer   windows through the region's data proxies               undo: release the fleet
 *   5. publish    the restore point becomes visible, by compare-and-swap
 *   6. verify     from the store, not from memory
 *   7. adopt      only now the new snapshot becomes the base and the previous one is deleted
 *
 * Whatever happens, the end is the same: SAS revoked, snapshots that are no base deleted, fleet released, job closed.
 * A cancel is a flag that each step looks at; after step 5 the point stays, and is not adopted.
 */
import type { OrchestrationContext } from 'durable-functions';
import { attempt, call, callAll, callSub, type Failure, failureOf, type Steps } from '../durable';
import { releaseFleet } from '../fleet.orchestrator';
import { type TransferInput, transferInstanceId, transferOrchestrator } from '../transfer/contracts';
import {
  abandonSession,
  adoptPoint,
  type BackupJobInput,
  type BackupScope,
  type BackupTransferPlan,
  beginBackup,
  endAccess,
  endJob,
  enterPhase,
  type JobEnd,
  prepareTransfer,
  publishPoint,
  removeSnapshot,
  snapshotOrchestrator,
  verifyPoint,
} from './contracts';

export function* backupJob(context: OrchestrationContext): Steps<JobEnd> {
  const jobId = context.df.instanceId;
  const input = context.df.getInput<BackupJobInput>();
  let scope: BackupScope | undefined;
  let prepared: BackupTransferPlan | undefined;
  let adopted = false;
  let failure: Failure | undefined;
  const notes: string[] = [];

  try {
    scope = yield* call(context, beginBackup, { ...input, jobId });
    yield* call(context, enterPhase, { jobId, phase: 'snapshotting' });
    yield* callSub(context, snapshotOrchestrator, `${jobId}-snapshot`, { scope, vmId: input.vmId });

    yield* call(context, enterPhase, { jobId, phase: 'preparing' });
    prepared = yield* call(context, prepareTransfer, { scope });
    for (const [lun, reason] of Object.entries(prepared.fullReasons)) notes.push(`disk ${lun} read in full: ${reason}`);

    yield* call(context, enterPhase, { jobId, phase: 'transferring' });
    const transfer: TransferInput = { plan: prepared.plan, pollMs: scope.pollMs, stallMs: scope.stallMs };
    yield* callSub(context, transferOrchestrator, transferInstanceId(jobId), transfer);

    yield* call(context, enterPhase, { jobId, phase: 'publishing' });
    const point = yield* call(context, publishPoint, { scope, input, prepared });
    notes.push(...point.notes);

    yield* call(context, enterPhase, { jobId, phase: 'verifying' });
    const verified = yield* call(context, verifyPoint, { jobId, vmKey: scope.vmKey, pointId: point.pointId });

    yield* call(context, enterPhase, { jobId, phase: 'finishing' });
    yield* call(context, adoptPoint, { scope, pointId: point.pointId, verified });
    adopted = true;
  } catch (error) {
    failure = failureOf(error);
  }

  if (scope) yield* cleanUp(context, { scope, prepared, adopted, notes });
  const end: JobEnd = {
    jobId,
    status: failure === undefined ? 'succeeded' : failure.code === 'job.canceled' ? 'canceled' : 'failed',
    ...(failure === undefined ? {} : { failure: { code: failure.code, message: failure.message } }),
    notes,
  };
  yield* call(context, endJob, scope ? { ...end, vmKey: scope.vmKey } : end);
  return end;
}

interface CleanUp {
  readonly scope: BackupScope;
  readonly prepared: BackupTransferPlan | undefined;
  readonly adopted: boolean;
  readonly notes: string[];
}

/** Fence first, so that no proxy asks for access again; then the proxies; then access and snapshots. */
function* cleanUp(context: OrchestrationContext, { scope, prepared, adopted, notes }: CleanUp): Steps<void> {
  const { jobId } = scope;
  if (!adopted)
    yield* attempt(notes, 'fencing the session', call(context, abandonSession, { jobId, vmKey: scope.vmKey }));
  yield* attempt(notes, 'releasing the fleet', releaseFleet(context, scope.region, jobId));

  const fresh = scope.disks.map((disk) => ({ jobId, snapshotId: disk.snapshotId }));
  const bases = (prepared?.bases ?? []).map((base) => ({ jobId, ...base }));
  yield* attempt(notes, 'revoking access', callAll(context, endAccess, adopted ? fresh : bases));
  yield* attempt(notes, 'deleting snapshots', callAll(context, removeSnapshot, adopted ? bases : fresh));
}
