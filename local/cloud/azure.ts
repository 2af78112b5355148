/** The Azure side put together: ARM, the disks' data plane and the identity service over one database. */
import { join } from 'node:path';
import { OPERATION_SCHEMA, OperationStore } from './arm/operation-store';
import { RESOURCE_SCHEMA, ResourceStore } from './arm/resource-store';
import { ScaleSetProcesses } from './arm/scale-set-processes';
import { createArmService } from './arm/service';
import { SNAPSHOT_SCHEMA } from './arm/snapshots';
import type { ArmWorld } from './arm/world';
import { registerAzureControl } from './control-azure';
import { ACCESS_SCHEMA, AccessStore } from './disks/access-store';
import { createDiskService } from './disks/service';
import { STATS_SCHEMA, TransferStatsStore } from './disks/transfer-stats';
import { VOLUME_SCHEMA, VolumeStore } from './disks/volume-store';
import { createIdentityService, type IdentityService } from './identity/service';
import { createKeyVaultService } from './keyvault/service';
import { type Behaviour, DEFAULT_BEHAVIOUR } from './kit/behaviour';
import { Database } from './kit/database';
import { listen } from './kit/listen';
import type { CloudContext } from './kit/service';
import { listenAgain, type Ports } from './ports';
import { applySeed, type CloudSeed, SEED_SCHEMA } from './seed';
import { loadCertificate, type SelfStateFile } from './state';

export interface AzureSide {
  readonly world: ArmWorld;
  readonly identity: IdentityService;
  readonly endpoints: {
    /** `https://localhost:PORT` */
    readonly arm: string;
    readonly disk: string;
    /** The managed-identity endpoint: IDENTITY_ENDPOINT. */
    readonly identity: string;
    /** IDENTITY_HEADER. */
    readonly identityHeader: string;
    readonly keyVault: string;
  };
  readonly caFile: string;
  close(): Promise<void>;
}

export interface AzureOptions {
  readonly seed: CloudSeed;
  /** Relative image paths of the seed start here. */
  readonly seedDirectory: string;
  readonly state: SelfStateFile;
  readonly ports: Ports;
}

/** Resolves when all three services listen and the seed is applied. */
export async function startAzure(context: CloudContext, options: AzureOptions): Promise<AzureSide> {
  const { seed, state, ports } = options;
  const directory = join(context.stateDirectory, 'azure');
  const schemas = [
    VOLUME_SCHEMA,
    ACCESS_SCHEMA,
    STATS_SCHEMA,
    RESOURCE_SCHEMA,
    OPERATION_SCHEMA,
    SNAPSHOT_SCHEMA,
    SEED_SCHEMA,
  ];
  const database = new Database(join(directory, 'azure.db'), schemas.join('\n'));
  const behaviour: Behaviour = { ...DEFAULT_BEHAVIOUR };
  Object.assign(behaviour, JSON.parse(JSON.stringify(seed.behaviour)));
  const origins = { arm: '', disk: '', identity: '', keyVault: '' };
  const resources = new ResourceStore(database);
  const scaleSets = new ScaleSetProcesses(resources, join(directory, 'instances'));
  const world: ArmWorld = {
    database,
    resources,
    operations: new OperationStore(database),
    volumes: new VolumeStore(database, join(directory, 'layers')),
    accesses: new AccessStore(database, context.now),
    behaviour,
    random: context.random,
    now: context.now,
    dataOrigin: () => origins.disk,
    onScaleSetChanged: () => scaleSets.reconcile(),
  };
  const stats = new TransferStatsStore(database);
  const identity = createIdentityService(context, {
    tenantId: seed.tenantId,
    identities: seed.identities,
    clients: seed.clients,
    behaviour,
    origin: () => origins.identity,
  });
  const disk = createDiskService(context, {
    volumes: world.volumes,
    accesses: world.accesses,
    stats,
    describe: (target) => {
      const resource = resources.get(target);
      if (resource === undefined) return undefined;
      const isDisk = /\/disks\/[^/]+$/.test(target);
      return { familyId: isDisk ? undefined : resource.state.familyId, createdAt: resource.state.createdAt };
    },
    pageListMax: () => behaviour.pageListMax,
  });
  const arm = createArmService({
    world,
    subscriptions: seed.subscriptions,
    verifyToken: (token) => identity.verifyArmToken(token),
    origin: () => origins.arm,
  });
  const certificate = await loadCertificate(context.stateDirectory);
  await applySeed(world, seed, options.seedDirectory);

  const identityListener = await listenAgain(state, 'identity', ports.identity, (port) =>
    listen(identity, context, { port }),
  );
  origins.identity = `http://127.0.0.1:${identityListener.port}`;
  const diskListener = await listenAgain(state, 'disk', ports.disk, (port) => listen(disk, context, { port }));
  origins.disk = `http://127.0.0.1:${diskListener.port}`;
  const armListener = await listenAgain(state, 'arm', ports.arm, (port) =>
    listen(arm, context, { port, tls: certificate }),
  );
  origins.arm = `https://localhost:${armListener.port}`;
  const keyVault = await createKeyVaultService(context, {
    seed: seed.keyVault,
    tenantId: seed.tenantId,
    origin: () => origins.keyVault,
    verifyToken: identity.verifyTokenFor,
  });
  const keyVaultListener = await listenAgain(state, 'keyvault', ports.keyvault, (port) =>
    listen(keyVault, context, { port, tls: certificate }),
  );
  origins.keyVault = `https://localhost:${keyVaultListener.port}`;
  registerAzureControl(context.registerControl, { world, stats, scaleSets });
  scaleSets.reconcile();

  return {
    world,
    identity,
    endpoints: {
      arm: origins.arm,
      disk: origins.disk,
      identity: `${origins.identity}/msi/token`,
      identityHeader: identity.identityHeader,
      keyVault: origins.keyVault,
    },
    caFile: certificate.caFile,
    async close() {
      await Promise.all([armListener, diskListener, identityListener, keyVaultListener].map((one) => one.close()));
      await keyVault.close();
      await scaleSets.close();
      database.close();
    },
  };
}
