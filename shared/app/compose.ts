/** Who gets what, for the function app. Everything is made once a process, at the first call that needs it. */
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import type { ApiDependencies } from '../api/dependencies';
import { createIdentify } from '../api/identify';
import { createRateLimiter } from '../api/rate-limit';
import { createCompute } from '../azure/compute';
import { createTokenVerifier } from '../azure/entra-tokens';
import { createScaleSetFleet } from '../azure/scale-set-fleet';
import { createTableRecordStore } from '../azure/table-record-store';
import { createTransferQueue } from '../azure/transfer-queue';
import { jsonLogger, type Logger, type LogLevel } from '../base/logger';
import { type Catalog, createCatalog } from '../catalog/catalog';
import { collectorDefaults } from '../collector/context';
import { transferOnce } from '../dataproxy/transfer-once';
import type { Transfer } from '../model/transfer';
import { createJobActivities } from '../workflows/backup/job-activities';
import { createPointActivities } from '../workflows/backup/point-activities';
import { createSnapshotActivities } from '../workflows/backup/snapshot-activities';
import type { WorkflowDependencies } from '../workflows/dependencies';
import type { OrchestrationClient } from '../workflows/durable';
import { createJanitor } from '../workflows/janitor/reconcile';
import { createJobStarter } from '../workflows/jobs';
import { createKeeperActivities } from '../workflows/keeper/activities';
import type { DataProxyFleet } from '../workflows/ports';
import { createRestoreActivities } from '../workflows/restore/activities';
import { createRetentionActivities } from '../workflows/retention/activities';
import { createRetentionStarter, type RetentionStarter } from '../workflows/retention/start';
import { createTransferActivities } from '../workflows/transfer/activities';
import { composeDataPlane, composeFoundation, type DataPlane, type Foundation } from './compose-data-plane';
import { loadSettings, processEnvironment, type Settings } from './config';
import { createImageFiles } from './image-files';
import { createProcessFleet } from './process-fleet';

export interface App {
  readonly catalog: Catalog;
  readonly fleet: DataProxyFleet;
  /** Whether the data bucket has locks that must not run out. */
  readonly keepsLocks: boolean;
  /** By contract name. Each takes the JSON input of its contract. */
  readonly activities: Readonly<Record<string, (input: never) => Promise<unknown>>>;
  readonly apiFor: (orchestrations: OrchestrationClient) => ApiDependencies;
  readonly janitorFor: (orchestrations: OrchestrationClient) => ReturnType<typeof createJanitor>;
  readonly retentionFor: (orchestrations: OrchestrationClient) => RetentionStarter;
  /** One window in this process: the function app as its own data proxy. Throws so that the queue delivers again. */
  readonly transferOnce: (transfer: Transfer, deliveries: number) => Promise<void>;
}

let composed: Promise<App> | undefined;

/** The app of this process. A failed assembly (a setting, an import) is tried again at the next call. */
export function composeApp(): Promise<App> {
  composed ??= assemble(loadSettings()).catch((error: unknown) => {
    composed = undefined;
    throw error;
  });
  return composed;
}

/** Below the functionTimeout of host.json: the window stops by itself and goes on in the next delivery. */
const transferDeadlineMs = 25 * 60_000;

const randomHex = (bytes: number): string => randomBytes(bytes).toString('hex');

async function assemble(settings: Settings): Promise<App> {
  const logger = jsonLogger(toHostLog, Date.now);
  const foundation = composeFoundation(settings, logger);
  const { clock } = foundation;
  const catalog = createCatalog(createTableRecordStore({ connection: foundation.tables }), clock);
  const arm = armOptions(settings, foundation);
  const compute = createCompute(arm);
  const deps: WorkflowDependencies = {
    catalog,
    compute,
    transfers: createTransferQueue({ connection: foundation.queues }),
    images: createImageFiles(settings.BLOCKFERRY_IMAGE_DIRECTORY),
    openRepository: foundation.openRepository,
    locks: foundation.locks,
    ...collectorOf(settings, foundation),
    clock,
    logger,
    randomHex,
    settings: {
      tenant: settings.BLOCKFERRY_TENANT,
      snapshotGroup: settings.BLOCKFERRY_SNAPSHOT_GROUP,
      windowBytes: settings.BLOCKFERRY_WINDOW_BYTES,
      pollMs: settings.BLOCKFERRY_POLL_MS,
      stallMs: settings.BLOCKFERRY_STALL_MS,
      lockDays: settings.BLOCKFERRY_LOCK_DAYS,
    },
  };
  const identify = identifyBy(settings);
  const limitRate = createRateLimiter(clock);
  const retentionFor = (orchestrations: OrchestrationClient): RetentionStarter =>
    createRetentionStarter({ canCollect: deps.openCollector !== undefined, orchestrations, clock, randomHex });
  let dataPlane: DataPlane | undefined;
  return {
    catalog,
    fleet: createFleet(settings, foundation, logger),
    keepsLocks: settings.BLOCKFERRY_LOCK_DAYS !== undefined,
    activities: {
      ...createJobActivities(deps),
      ...createSnapshotActivities(deps),
      ...createPointActivities(deps),
      ...createTransferActivities(deps),
      ...createRestoreActivities(deps),
      ...createKeeperActivities(deps),
      ...createRetentionActivities(deps),
    },
    apiFor: (orchestrations) => ({
      catalog,
      compute,
      subscriptions: settings.BLOCKFERRY_SUBSCRIPTIONS,
      identify,
      limitRate,
      audit: (entry) => {
        logger.info('audit', { ...entry });
        return Promise.resolve();
      },
      jobs: createJobStarter({
        catalog,
        orchestrations,
        clock,
        randomHex,
      }),
      retention: retentionFor(orchestrations),
      clock,
      logger,
    }),
    janitorFor: (orchestrations) => createJanitor(deps, orchestrations),
    retentionFor,
    transferOnce: (transfer, deliveries) => {
      dataPlane ??= composeDataPlane(settings, foundation);
      const { handle, events } = dataPlane;
      const signal = AbortSignal.timeout(transferDeadlineMs);
      return transferOnce({ handle, events, clock, logger, signal }, transfer, deliveries);
    },
  };
}

/** One session name for this process: the collector's work is told apart by its state in the store, not by sessions. */
function collectorOf(settings: Settings, foundation: Foundation): Pick<WorkflowDependencies, 'openCollector'> {
  if (settings.BLOCKFERRY_COLLECTOR_ROLE_ARN === undefined) return {};
  const scope = { tenant: settings.BLOCKFERRY_TENANT, sessionId: `collector-${randomHex(6)}` };
  return {
    openCollector: async (signal) => ({
      repository: await foundation.openRepository({ ...scope, role: 'collector' }),
      versions: foundation.openVersions(scope),
      settings: collectorDefaults,
      signal,
    }),
  };
}

function identifyBy(settings: Settings): ApiDependencies['identify'] {
  const { BLOCKFERRY_AUTH_TENANT: tenantId, BLOCKFERRY_AUTH_AUDIENCE: audience } = settings;
  return createIdentify({
    mode: settings.BLOCKFERRY_AUTH,
    scopes: settings.BLOCKFERRY_CALLER_SCOPES,
    ...(tenantId !== undefined && audience !== undefined
      ? {
          verifyToken: createTokenVerifier({
            authority: settings.BLOCKFERRY_AUTH_AUTHORITY,
            tenantId,
            audience,
            now: Date.now,
          }),
        }
      : {}),
  });
}

/** The Functions worker turns console lines into log entries of the same level. */
const toHostLog = (line: string, level: LogLevel): void => console[level](line.trimEnd());

const armOptions = (settings: Settings, foundation: Foundation) => ({
  credential: foundation.credential,
  armEndpoint: settings.BLOCKFERRY_ARM_ENDPOINT,
  armAudience: settings.BLOCKFERRY_ARM_AUDIENCE,
  pollMs: settings.BLOCKFERRY_POLL_MS,
});

/** Three ways to run the same worker loop; see docs/decisions/0004. */
function createFleet(settings: Settings, foundation: Foundation, logger: Logger): DataProxyFleet {
  switch (settings.BLOCKFERRY_FLEET) {
    case 'functions':
      // The platform launches and removes by the length of the queue.
      return { launch: () => Promise.resolve(), remove: () => Promise.resolve() };
    case 'scale-set':
      return createScaleSetFleet({
        ...armOptions(settings, foundation),
        scaleSets: Object.fromEntries(settings.BLOCKFERRY_SCALE_SETS),
      });
    case 'process':
      return createProcessFleet({
        mainFile: join(__dirname, 'data-proxy-main.js'),
        stateDirectory: settings.BLOCKFERRY_STATE_DIRECTORY ?? '',
        environment: processEnvironment(),
        logger,
      });
  }
}
