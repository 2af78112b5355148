/**
 * The janitor: what exists is reconciled with what was recorded. It acts only on intents of jobs that have ended or whose
 * orchestration is gone, and deletes a snapshot only when it is ours by recorded id *and* by tag *and* by place, and no base.
 * Every act is idempotent; whatever fails stays recorded and is tried at the next round.
 */
import type { Intent, IntentKind } from '../../catalog/intents';
import { parseArmId, resourceKey } from '../../model/ids';
import type { Job } from '../../model/job';
import { createPointActivities } from '../backup/point-activities';
import { jobTag, type WorkflowDependencies } from '../dependencies';
import { failureOf, type OrchestrationClient } from '../durable';
import { fleetEntity } from '../fleet.orchestrator';

/** As a job cleans up itself: the fence first, or a data proxy would ask again for what is being taken away. */
const order: readonly IntentKind[] = ['session', 'fleet', 'access', 'snapshot', 'upload-disk'];

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

  const { abandonSession } = createPointActivities(deps);

  /** False while it is the base of its disk: the intent stands until it is one no more. */
  const closeSnapshot = async (intent: Intent): Promise<boolean> => {
    const snapshot = await compute.getSnapshot(intent.resourceId);
    if (snapshot.state === 'gone') return true;
    const base = snapshot.sourceDiskId ? await catalog.bases.read(resourceKey(snapshot.sourceDiskId)) : undefined;
    const isBase = base?.snapshotId.toLowerCase() === intent.resourceId.toLowerCase();
    const isOurs = snapshot.tags[jobTag] === intent.jobId;
    const isInPlace =
      parseArmId(intent.resourceId).resourceGroup.toLowerCase() === settings.snapshotGroup.toLowerCase();
    if (isBase) return false;
    if (!isOurs || !isInPlace) {
      logger.warn('a recorded snapshot is not ours any more and is left alone', {
        jobId: intent.jobId,
        ours: isOurs,
        inPlace: isInPlace,
      });
      return true;
    }
    await compute.deleteSnapshot(intent.resourceId);
    return true;
  };

  /** Whether the intent can be struck out. */
  const act = async (intent: Intent, job: Job | undefined): Promise<boolean> => {
    switch (intent.kind) {
      case 'session':
        // A point that was committed before its job was lost is put into the catalog, unverified: it is there to restore from.
        await abandonSession({ jobId: intent.jobId, vmKey: resourceKey(job?.vmId ?? '') });
        return true;
      case 'fleet':
        await orchestrations.signal({ name: fleetEntity, key: intent.resourceId }, 'release', intent.jobId);
        return true;
      case 'access':
        await compute.revokeSnapshotAccess(intent.resourceId);
        return true;
      case 'snapshot':
        return closeSnapshot(intent);
      case 'upload-disk':
        await compute.discardUploadDisk(intent.resourceId, intent.jobId);
        return true;
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
          // Its own release never came: without this one the region's proxies would run, and cost, for ever.
          await orchestrations.signal({ name: fleetEntity, key: job.region }, 'release', job.id);
          if (job.kind === 'backup') await catalog.leases.release(resourceKey(job.vmId), job.id);
          // Last: until then the job is found again, should anything before it fail.
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
        }
        cursor = page.nextCursor;
      } while (cursor !== undefined);

      const intents = (await catalog.intents.list()).sort((a, b) => order.indexOf(a.kind) - order.indexOf(b.kind));
      for (const intent of intents) {
        const job = await catalog.jobs.read(intent.jobId);
        if (await works(job, intent.jobId)) continue;
        try {
          if (!(await act(intent, job))) continue;
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
