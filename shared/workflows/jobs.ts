/** Starting and canceling jobs: the same code for a policy's timer, an HTTP request and a local run. */

import type { Clock } from '../base/clock';
import type { Catalog } from '../catalog/catalog';
import { AppError } from '../model/errors';
import { resourceKey } from '../model/ids';
import type { Job } from '../model/job';
import type { Lun, Machine } from '../model/machine';
import type { Policy } from '../model/policy';
import type { RestorePoint } from '../model/restore-point';
import { type BackupJobInput, backupOrchestrator } from './backup/contracts';
import type { OrchestrationClient } from './durable';
import { type RestoreJobInput, type RestoreTarget, restoreOrchestrator } from './restore/contracts';
import { transferInstanceId } from './transfer/contracts';

export interface StartBackupRequest {
  readonly machine: Machine;
  readonly policy?: Policy;
  readonly excludeLuns?: readonly number[];
  readonly trigger: 'schedule' | 'request';
  /** Given: a second start with it is a no-op. Derived from policy, slot and VM by the scheduler. */
  readonly jobId?: string;
}

export interface StartRestoreRequest {
  readonly point: RestorePoint;
  readonly luns: readonly Lun[];
  readonly target: RestoreTarget;
  readonly jobId?: string;
}

export interface JobStarter {
  /** 'running' when the VM has a job under way: its id is returned and nothing is started. */
  startBackup(
    request: StartBackupRequest,
  ): Promise<{ readonly outcome: 'started' | 'running'; readonly jobId: string }>;
  startRestore(request: StartRestoreRequest): Promise<{ readonly jobId: string }>;
  /** 'ended' also when the job is past the point where it can be undone. */
  cancel(jobId: string): Promise<'requested' | 'ended' | 'unknown'>;
}

export interface JobStarterDependencies {
  readonly catalog: Catalog;
  readonly orchestrations: OrchestrationClient;
  readonly clock: Clock;
  /** Lower-case hex of that many bytes. */
  readonly randomHex: (bytes: number) => string;
}

export function createJobStarter(deps: JobStarterDependencies): JobStarter {
  const { catalog, orchestrations, clock } = deps;

  const newJobId = (prefix: 'b' | 'r'): string =>
    `${prefix}-${new Date(clock.now()).toISOString().slice(0, 19).replaceAll(/[-:]/g, '').replace('T', '-')}-${deps.randomHex(4)}`;

  /** A lease whose job has ended, or never came to life, is taken over; one that works is respected. */
  const acquireLease = async (vmKey: string, jobId: string): Promise<string> => {
    for (;;) {
      const lease = await catalog.leases.acquire(vmKey, jobId);
      if (lease.acquired) return jobId;
      const holder = await catalog.jobs.read(lease.holder);
      const running = holder?.status === 'running' && (await orchestrations.isRunning(lease.holder));
      // Between the lease and the start of its orchestration a job has no record and no instance yet: give it a minute.
      const since = holder?.status === 'running' ? holder.createdAt : holder === undefined ? lease.acquiredAt : '';
      const fresh = clock.now() - Date.parse(since) < 60_000;
      if (running || fresh) return lease.holder;
      await catalog.leases.takeOver(vmKey, jobId, lease.holder);
    }
  };

  const createJob = async (job: Job): Promise<void> => {
    if ((await catalog.jobs.read(job.id)) === undefined) await catalog.jobs.create(job);
  };

  return {
    startBackup: async (request) => {
      const jobId = request.jobId ?? newJobId('b');
      const vmKey = resourceKey(request.machine.id);
      const existing = await catalog.jobs.read(jobId);
      if (existing && existing.status !== 'running') return { outcome: 'started', jobId };
      const holder = await acquireLease(vmKey, jobId);
      if (holder !== jobId) return { outcome: 'running', jobId: holder };
      await createJob({
        id: jobId,
        kind: 'backup',
        vmId: request.machine.id,
        vmName: request.machine.name,
        region: request.machine.region,
        ...(request.policy ? { policy: request.policy.name } : {}),
        trigger: request.trigger,
        status: 'running',
        phase: 'queued',
        createdAt: new Date(clock.now()).toISOString(),
        cancelRequested: false,
        notes: [],
      });
      const input: BackupJobInput = {
        vmId: request.machine.id,
        ...(request.policy ? { policy: request.policy.name } : {}),
        ...(request.policy?.zstdLevel === undefined ? {} : { zstdLevel: request.policy.zstdLevel }),
        excludeLuns: [...new Set([...(request.excludeLuns ?? []), ...(request.policy?.excludeLuns ?? [])])],
      };
      await orchestrations.start(backupOrchestrator, jobId, input);
      return { outcome: 'started', jobId };
    },

    startRestore: async (request) => {
      const jobId = request.jobId ?? newJobId('r');
      const { point } = request;
      await createJob({
        id: jobId,
        kind: 'restore',
        vmId: point.machine.id,
        vmName: point.machine.name,
        region: request.target.kind === 'disk' && request.target.region ? request.target.region : point.machine.region,
        trigger: 'request',
        status: 'running',
        phase: 'queued',
        createdAt: new Date(clock.now()).toISOString(),
        cancelRequested: false,
        pointId: point.id,
        notes: [],
      });
      const input: RestoreJobInput = {
        vmKey: point.vmKey,
        pointId: point.id,
        luns: [...request.luns],
        target: request.target,
      };
      await orchestrations.start(restoreOrchestrator, jobId, input);
      return { jobId };
    },

    cancel: async (jobId) => {
      const job = await catalog.jobs.read(jobId);
      if (!job) return 'unknown';
      const asked = await catalog.jobs.update(jobId, (current) =>
        current.status !== 'running' || current.phase === 'finishing' || current.phase === 'ended'
          ? current
          : { ...current, cancelRequested: true },
      );
      if (!asked.cancelRequested || asked.status !== 'running') return 'ended';
      await orchestrations.raise(transferInstanceId(jobId), 'wake');
      return 'requested';
    },
  };
}

/** For activities: a canceled job stops at its next step. */
export async function throwIfCanceled(catalog: Catalog, jobId: string): Promise<void> {
  const job = await catalog.jobs.read(jobId);
  if (job?.cancelRequested) throw canceled(jobId);
}

export const canceled = (jobId: string): AppError =>
  new AppError('job.canceled', `job ${jobId} was canceled on request`);
