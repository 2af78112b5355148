/** The function app: the product's activities and orchestrators on simulated ports, and the doors through which jobs are started. */
import { type Catalog, createCatalog } from '../../shared/catalog/catalog';
import { AppError } from '../../shared/model/errors';
import { limits } from '../../shared/model/limits';
import { backupJob } from '../../shared/workflows/backup/backup-job.orchestrator';
import { backupOrchestrator, snapshotOrchestrator } from '../../shared/workflows/backup/contracts';
import { createJobActivities } from '../../shared/workflows/backup/job-activities';
import { createPointActivities } from '../../shared/workflows/backup/point-activities';
import { snapshotMachine } from '../../shared/workflows/backup/snapshot.orchestrator';
import { createSnapshotActivities } from '../../shared/workflows/backup/snapshot-activities';
import type { WorkflowDependencies } from '../../shared/workflows/dependencies';
import type { OrchestrationClient } from '../../shared/workflows/durable';
import { createJanitor } from '../../shared/workflows/janitor/reconcile';
import { createJobStarter, type JobStarter } from '../../shared/workflows/jobs';
import { createRestoreActivities } from '../../shared/workflows/restore/activities';
import { restoreOrchestrator } from '../../shared/workflows/restore/contracts';
import { restoreJob } from '../../shared/workflows/restore/restore-job.orchestrator';
import { createTransferActivities } from '../../shared/workflows/transfer/activities';
import { transferOrchestrator } from '../../shared/workflows/transfer/contracts';
import { transferWindows } from '../../shared/workflows/transfer/transfer.orchestrator';
import { SNAPSHOT_GROUP } from '../cloud/azure';
import type { World } from '../world';
import { createCompute, createRecords } from './ports';
import { createProcess, type SimProcess, TENANT } from './process';

export const orchestrators = {
  [backupOrchestrator]: backupJob,
  [snapshotOrchestrator]: snapshotMachine,
  [transferOrchestrator]: transferWindows,
  [restoreOrchestrator]: restoreJob,
};

export interface ControlPlane {
  readonly process: SimProcess;
  readonly deps: WorkflowDependencies;
  readonly catalog: Catalog;
  readonly starter: JobStarter;
  readonly janitor: ReturnType<typeof createJanitor>;
}

export function startControlPlane(world: World, name: string): ControlPlane {
  const process = createProcess(world, name);
  const { actor, clock, logger } = process;
  const catalog = createCatalog(createRecords(world, process), clock);
  const deps: WorkflowDependencies = {
    catalog,
    compute: createCompute(world, process),
    transfers: {
      send: (_region, transfers) =>
        world.io.request({
          actor,
          label: 'queue send',
          faults: ['lost-reply', 'unreachable', 'doubled-message', 'doubled-message'],
          failure: () => new AppError('cloud.unavailable', 'the queue does not answer', { retryable: true }),
          effect: (fault) => {
            for (const transfer of transfers) world.queue.send(JSON.stringify(transfer));
            if (fault === 'doubled-message')
              for (const transfer of transfers) world.queue.send(JSON.stringify(transfer));
          },
        }),
    },
    images: { finish: async () => undefined, discard: async () => undefined },
    openRepository: process.openRepository,
    locks: () => ({ extendLock: async () => undefined }),
    clock,
    logger,
    randomHex: (bytes) => process.randomBytes(bytes).toString('hex'),
    settings: {
      tenant: TENANT,
      snapshotGroup: SNAPSHOT_GROUP,
      windowBytes: limits.windowBytesDefault,
      pollMs: 15_000,
      stallMs: 10 * 60_000,
    },
  };
  const orchestrations: OrchestrationClient = {
    start: (orchestrator, instanceId, input) =>
      world.io.turn(actor, `start ${instanceId}`).then(() => world.durable.start(orchestrator, instanceId, input)),
    raise: async (instanceId, event) => world.durable.raise(instanceId, event),
    isRunning: (instanceId) => world.io.turn(actor, 'is it running').then(() => world.durable.isRunning(instanceId)),
    signal: async () => undefined,
  };
  world.durable.adopt(process, {
    ...createJobActivities(deps),
    ...createSnapshotActivities(deps),
    ...createPointActivities(deps),
    ...createTransferActivities(deps),
    ...createRestoreActivities(deps),
  });
  const randomHex = (bytes: number): string => process.randomBytes(bytes).toString('hex');
  return {
    process,
    deps,
    catalog,
    starter: createJobStarter({ catalog, orchestrations, clock, randomHex }),
    janitor: createJanitor(deps, orchestrations),
  };
}
