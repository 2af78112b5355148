/**
 * The embedded stack without its Functions host, and the product's control plane in this process: real clients, real stores,
 * real records. Only the data proxies are processes of their own, because they are what the drill kills.
 */
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import tls from 'node:tls';
import { CloudClient } from '../../local/demo/cloud-client';
import { findBuild } from '../../local/stack/layout';
import { baseEnvironment, sampleTenant } from '../../local/stack/settings';
import { type Stack, startStack } from '../../local/stack/stack';
import { composeDataPlane, composeFoundation, type DataPlane } from '../../shared/app/compose-data-plane';
import { loadSettings, type Settings } from '../../shared/app/config';
import { createImageFiles } from '../../shared/app/image-files';
import { createCompute } from '../../shared/azure/compute';
import { createTableRecordStore } from '../../shared/azure/table-record-store';
import { createTransferQueue } from '../../shared/azure/transfer-queue';
import { silentLogger } from '../../shared/base/logger';
import { listRestorePoints } from '../../shared/blockstore/points';
import type { Repository } from '../../shared/blockstore/repository';
import { createCatalog } from '../../shared/catalog/catalog';
import type { RestorePoint } from '../../shared/model/restore-point';
import { backupJob } from '../../shared/workflows/backup/backup-job.orchestrator';
import { backupOrchestrator, snapshotOrchestrator } from '../../shared/workflows/backup/contracts';
import { createJobActivities } from '../../shared/workflows/backup/job-activities';
import { createPointActivities } from '../../shared/workflows/backup/point-activities';
import { snapshotMachine } from '../../shared/workflows/backup/snapshot.orchestrator';
import { createSnapshotActivities } from '../../shared/workflows/backup/snapshot-activities';
import type { WorkflowDependencies } from '../../shared/workflows/dependencies';
import { createJobStarter } from '../../shared/workflows/jobs';
import { createRestoreActivities } from '../../shared/workflows/restore/activities';
import { restoreOrchestrator } from '../../shared/workflows/restore/contracts';
import { restoreJob } from '../../shared/workflows/restore/restore-job.orchestrator';
import { createTransferActivities } from '../../shared/workflows/transfer/activities';
import { type TransferInput, type TransferPlan, transferOrchestrator } from '../../shared/workflows/transfer/contracts';
import { localClient } from './durable';

export interface World {
  readonly stack: Stack;
  readonly cloud: CloudClient;
  readonly dist: string;
  /** For data proxies. */
  readonly environment: Readonly<Record<string, string>>;
  readonly deps: WorkflowDependencies;
  readonly transfers: ReturnType<typeof createTransferActivities>;
  readonly points: ReturnType<typeof createPointActivities>;
  readonly jobs: ReturnType<typeof createJobStarter>;
  readonly settings: Settings;
  /** Restore points of the VM that the store shows, and the repository to read them with. */
  visible(vmKey: string): Promise<{ readonly repository: Repository; readonly points: readonly RestorePoint[] }>;
  /** Resolves with the job's orchestration. */
  ended(jobId: string): Promise<unknown>;
  close(): Promise<readonly string[]>;
}

export interface WorldOptions {
  readonly state: string;
  readonly vms: readonly unknown[];
  readonly windowBytes: number;
  /** Moves the windows of a backup; those of a restore are moved in this process. */
  readonly moveBackup: (world: World, plan: TransferPlan) => Promise<void>;
}

export async function openWorld(options: WorldOptions): Promise<World> {
  const stack = await startStack({
    state: options.state,
    vms: options.vms,
    host: false,
    settings: {
      BLOCKFERRY_WINDOW_BYTES: String(options.windowBytes),
      BLOCKFERRY_POLL_MS: '100',
      BLOCKFERRY_LEASE_MS: '3000',
    },
  });
  tls.setDefaultCACertificates([...tls.getCACertificates('default'), readFileSync(stack.cloud.caFile, 'utf8')]);
  for (const name of ['IDENTITY_ENDPOINT', 'IDENTITY_HEADER']) process.env[name] = stack.settings[name];
  const settings = loadSettings(stack.settings);
  const foundation = composeFoundation(settings, silentLogger);
  const { clock } = foundation;
  const catalog = createCatalog(createTableRecordStore({ connection: foundation.tables }), clock);
  const queue = createTransferQueue({ connection: foundation.queues });
  const randomHex = (bytes: number): string => randomBytes(bytes).toString('hex');
  let dataPlane: DataPlane | undefined;
  const deps: WorkflowDependencies = {
    catalog,
    compute: createCompute({
      credential: foundation.credential,
      armEndpoint: settings.BLOCKFERRY_ARM_ENDPOINT,
      armAudience: settings.BLOCKFERRY_ARM_AUDIENCE,
      pollMs: 20,
    }),
    transfers: {
      send: async (region, transfers) => {
        if (transfers[0]?.kind !== 'restore') return queue.send(region, transfers);
        dataPlane ??= composeDataPlane(settings, foundation);
        for (const transfer of transfers) await dataPlane.handle(transfer, new AbortController().signal);
      },
    },
    images: createImageFiles(settings.BLOCKFERRY_IMAGE_DIRECTORY),
    openRepository: foundation.openRepository,
    locks: foundation.locks,
    clock,
    randomHex,
    logger: silentLogger,
    settings: {
      tenant: settings.BLOCKFERRY_TENANT,
      snapshotGroup: settings.BLOCKFERRY_SNAPSHOT_GROUP,
      windowBytes: settings.BLOCKFERRY_WINDOW_BYTES,
      pollMs: 20,
      stallMs: settings.BLOCKFERRY_STALL_MS,
    },
  };
  const transfers = createTransferActivities(deps);
  const points = createPointActivities(deps);
  const client = localClient({
    orchestrators: {
      [backupOrchestrator]: backupJob,
      [snapshotOrchestrator]: snapshotMachine,
      [restoreOrchestrator]: restoreJob,
    },
    instead: {
      [transferOrchestrator]: async ({ plan }: TransferInput) => {
        if (plan.disks.some(({ work }) => work.kind === 'restore')) await transfers.sendTransfers({ plan });
        else await options.moveBackup(world, plan);
        const { windowsDone, windowsTotal } = await transfers.checkTransfers({ plan });
        if (windowsDone < windowsTotal) throw new Error(`${windowsDone} of ${windowsTotal} windows are facts`);
      },
    },
    activities: {
      ...createJobActivities(deps),
      ...createSnapshotActivities(deps),
      ...createRestoreActivities(deps),
      ...points,
      ...transfers,
    },
    entity: () => Promise.resolve({ ok: true, value: null }),
  });
  const world: World = {
    stack,
    cloud: new CloudClient(stack.cloud),
    dist: findBuild().dist,
    environment: {
      ...baseEnvironment(process.pid, stack.id),
      ...stack.settings,
      BLOCKFERRY_REGION: sampleTenant.regions[0],
      NODE_COMPILE_CACHE: path.join(options.state, 'compiled'), // hundreds of starts of the same program
    },
    deps,
    transfers,
    points,
    jobs: createJobStarter({ catalog, orchestrations: client, clock, randomHex }),
    settings,
    visible: async (vmKey) => {
      const request = { role: 'reader', tenant: settings.BLOCKFERRY_TENANT, sessionId: 'drill' } as const;
      const repository = await foundation.openRepository(request);
      return { repository, points: await listRestorePoints(repository, vmKey) };
    },
    ended: client.ended,
    close: async () => {
      await dataPlane?.close();
      return stack.stop();
    },
  };
  return world;
}
