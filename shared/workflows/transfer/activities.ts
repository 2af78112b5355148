/** Sending windows and looking at their facts. */
import { beatSession } from '../../blockstore/session';
import { sessionBeatMs } from '../../blockstore/session-watch';
import { listFinishedWindowNames, listFinishedWindows } from '../../blockstore/window-facts';
import { addStats, emptyStats, planWindows, type Transfer } from '../../model/transfer';
import type { WorkflowDependencies } from '../dependencies';
import { throwIfCanceled } from '../jobs';
import type { TransferCheck, TransferDisk, TransferPlan } from './contracts';

/** Sessions whose last beat is remembered. */
const BEATS_MAX = 10_000;

const windowKey = (lun: TransferDisk['lun'], index: number): string => `${lun}/${index}`;

export function createTransferActivities(deps: WorkflowDependencies) {
  const { catalog } = deps;

  const repositoryOf = (plan: TransferPlan) =>
    deps.openRepository({
      role: plan.disks[0]?.work.kind === 'restore' ? 'reader' : 'writer',
      tenant: plan.tenant,
      sessionId: plan.jobId,
    });

  /**
   * While no data proxy has the session in hand (none has booted, the queue is long) nobody else says that it is alive. What an
   * instance of the app remembers of it is a matter of requests, not of right: another instance looks anew.
   */
  const beats = new Map<string, { readonly etag: string; readonly atMs: number }>();
  const keepAlive = async (plan: TransferPlan): Promise<void> => {
    const nowMs = deps.clock.monotonicMs();
    const last = beats.get(plan.jobId);
    if (last && nowMs - last.atMs < sessionBeatMs) return;
    const etag = await beatSession(await repositoryOf(plan), plan.jobId, last?.etag);
    beats.delete(plan.jobId);
    beats.set(plan.jobId, { etag, atMs: nowMs });
    const [oldest] = beats.keys();
    if (beats.size > BEATS_MAX && oldest !== undefined) beats.delete(oldest);
  };

  /** One LIST, whatever the number of windows. */
  const finishedWindows = async (plan: TransferPlan) => listFinishedWindowNames(await repositoryOf(plan), plan.jobId);

  return {
    /** Sends what is not yet a fact. Repeating sends again; the data plane answers a second delivery with the fact. */
    sendTransfers: async ({ plan }: { plan: TransferPlan }): Promise<{ sent: number }> => {
      await throwIfCanceled(catalog, plan.jobId);
      const done = new Set((await finishedWindows(plan)).map((window) => windowKey(window.lun, window.index)));
      const transfers = plan.disks.flatMap((disk) =>
        planWindows(disk.diskBytes, plan.windowBytes)
          .filter((window) => !done.has(windowKey(disk.lun, window.index)))
          .map((window) => transferOf(plan, disk, window)),
      );
      await deps.transfers.send(plan.region, transfers);
      return { sent: transfers.length };
    },

    checkTransfers: async ({ plan }: { plan: TransferPlan }): Promise<TransferCheck> => {
      await throwIfCanceled(catalog, plan.jobId);
      await keepAlive(plan);
      const finished = await finishedWindows(plan);
      const windowsTotal = plan.disks.reduce(
        (sum, disk) => sum + planWindows(disk.diskBytes, plan.windowBytes).length,
        0,
      );
      if (finished.length >= windowsTotal) {
        // The facts are exact; what the proxies reported on the way were hints.
        const facts = await listFinishedWindows(await repositoryOf(plan), plan.jobId);
        const stats = facts.map((fact) => fact.stats).reduce(addStats, emptyStats);
        await catalog.jobs.update(plan.jobId, (job) => ({ ...job, stats }));
        return { windowsDone: finished.length, windowsTotal, bytesSeen: 0 };
      }
      const progress = await catalog.jobs.progress(plan.jobId);
      const done = new Set(finished.map((window) => windowKey(window.lun, window.index)));
      // A window that failed once and succeeded later is a fact; only one that nobody tries again ends the job.
      const failed = progress.windows.find(
        (window) => window.failure?.retryable === false && !done.has(windowKey(window.lun, window.windowIndex)),
      );
      const check = {
        windowsDone: finished.length,
        windowsTotal,
        bytesSeen: progress.stats.readBytes + progress.stats.zeroBytes + finished.length,
      };
      return failed
        ? {
            ...check,
            failure: {
              code: failed.failure?.code ?? 'internal',
              message: failed.failure?.message ?? 'a window failed',
            },
          }
        : check;
    },
  };
}

function transferOf(plan: TransferPlan, disk: TransferDisk, window: Transfer['window']): Transfer {
  const { work } = disk;
  const base = {
    version: 1,
    tenant: plan.tenant,
    region: plan.region,
    jobId: plan.jobId,
    vmKey: plan.vmKey,
    lun: disk.lun,
    diskBytes: disk.diskBytes,
    window,
  } as const;
  if (work.kind === 'restore') return { kind: 'restore', ...base, pointId: work.pointId, target: work.target };
  return {
    kind: 'backup',
    ...base,
    snapshotId: work.snapshotId,
    ...(plan.zstdLevel === undefined ? {} : { zstdLevel: plan.zstdLevel }),
    ...(work.base ? { base: work.base } : {}),
  };
}
