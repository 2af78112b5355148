/**
 * The janitor: what exists is reconciled with what was recorded. It acts only on intents of jobs that have ended or whose
 * orchestration is gone, and deletes a snapshot only when it is ours by recorded id *and* by tag *and* by place, and no base.
 * Every act is idempotent; whatever fails stays recorded and is tried at the next round.
 */
import { abortSession } from '../../blockstore/session';
import type { Intent } from '../../catalog/intents';
import { parseArmId, resourceKey } from '../../model/ids';
import type { Job } from '../../model/job';
import { jobTag, type WorkflowDependencies } from '../dependencies';
import { failureOf, type OrchestrationClient } from '../durable';

/** A job between its record and its orchestration looks lost for a moment. */
const startGraceMs = 5 * 60_000;

export interface JanitorReport {
  readonly lostJobs: number;
  readonly closed: number;
  readonly failed: number;
}

export function createJanitor(deps: WorkflowDependencies, orchestrations: OrchestrationClient) {
  const { catalog, compute, clock, logger, settings } = deps;

  const works = async (job: Job | undefined, jobId: string): Promise<boolean> => {
    if (job && job.status === 'running' && clock.now() - Date.parse(job.createdAt) < startGraceMs) return true;
    return orchestrations.isRunning(jobId);
  };

  const closeSnapshot = async (intent: Intent): Promise<void> => {
    const snapshot = await compute.getSnapshot(intent.resourceId);
    if (snapshot.state === 'gone') return;
    const base = snapshot.sourceDiskId ? await catalog.bases.read(resourceKey(snapshot.sourceDiskId)) : undefined;
    const isBase = base?.snapshotId.toLowerCase() === intent.resourceId.toLowerCase();
    const isOurs = snapshot.tags[jobTag] === intent.jobId;
    const isInPlace =
      parseArmId(intent.resourceId).resourceGroup.toLowerCase() === settings.snapshotGroup.toLowerCase();
    if (isBase) return;
    if (!isOurs || !isInPlace) {
      logger.warn('a recorded snapshot is not ours any more and is left alone', {
        jobId: intent.jobId,
        ours: isOurs,
        inPlace: isInPlace,
      });
      return;
    }
    await compute.deleteSnapshot(intent.resourceId);
  };

  const act = async (intent: Intent): Promise<void> => {
    switch (intent.kind) {
      case 'snapshot':
        return closeSnapshot(intent);
      case 'access':
        return compute.revokeSnapshotAccess(intent.resourceId);
      case 'upload-disk':
        return compute.discardUploadDisk(intent.resourceId, intent.jobId);
      case 'session': {
        const repository = await deps.openRepository({
          role: 'writer',
          tenant: settings.tenant,
          sessionId: intent.jobId,
        });
        await abortSession(repository, intent.jobId);
        return;
      }
      case 'fleet':
        // The fleet entity forgets a job by its release; an ended job has released, or the entity's next user will.
        return;
    }
  };

  return {
    reconcile: async (): Promise<JanitorReport> => {
      let lostJobs = 0;
      let closed = 0;
      let failed = 0;
      let cursor: string | undefined;
      do {
        const page = await catalog.jobs.list({
          status: 'running',
          limit: 200,
          ...(cursor === undefined ? {} : { cursor }),
        });
        for (const job of page.items) {
          if (await works(job, job.id)) continue;
          lostJobs += 1;
          await catalog.jobs.update(job.id, (current) => ({
            ...current,
            status: 'failed',
            phase: 'ended',
            endedAt: new Date(clock.now()).toISOString(),
            error: {
              code: 'job.stalled',
              message: 'the orchestration of this job is gone (terminated or purged); start it again',
            },
          }));
          if (job.kind === 'backup') await catalog.leases.release(resourceKey(job.vmId), job.id);
        }
        cursor = page.nextCursor;
      } while (cursor !== undefined);

      for (const intent of await catalog.intents.list()) {
        if (await works(await catalog.jobs.read(intent.jobId), intent.jobId)) continue;
        try {
          await act(intent);
          await catalog.intents.close(intent.jobId, intent.kind, intent.resourceId);
          closed += 1;
        } catch (error) {
          failed += 1;
          logger.warn('the janitor will try again', {
            jobId: intent.jobId,
            kind: intent.kind,
            code: failureOf(error).code,
          });
        }
      }
      return { lostJobs, closed, failed };
    },
  };
}
