/** Who gets what, for the data plane: what a data proxy needs, wherever it runs. */
import { randomBytes } from 'node:crypto';
import { createStoreAccess, type StoreAccessOptions } from '../aws/store-access';
import { createAzureCredential, createTokenProvider } from '../azure/credential';
import { createDiskAccess } from '../azure/disk-access';
import type { StorageConnection } from '../azure/storage-call';
import { createTransferEvents } from '../azure/transfer-queue';
import { type Clock, systemClock } from '../base/clock';
import type { Logger } from '../base/logger';
import type { LockExtender, StoreRole, VersionStore } from '../blockstore/object-store';
import { openRepository, type Repository } from '../blockstore/repository';
import type { TransferEvents } from '../dataproxy/ports';
import { createTransferHandler, type TransferHandler } from '../dataproxy/transfer-handler';
import { AppError } from '../model/errors';
import type { Settings } from './config';
import { createTenantKeySource } from './key-source';
import { keyWrappers } from './key-wrappers';

export interface RepositoryRequest {
  readonly role: StoreRole;
  readonly tenant: string;
  readonly sessionId: string;
}

export interface Foundation {
  readonly credential: ReturnType<typeof createAzureCredential>;
  readonly queues: StorageConnection;
  readonly tables: StorageConnection;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly openRepository: (request: RepositoryRequest) => Promise<Repository>;
  readonly locks: (request: { readonly tenant: string; readonly sessionId: string }) => LockExtender;
  /** The data bucket by versions, with the collector's rights. */
  readonly openVersions: (request: Omit<RepositoryRequest, 'role'>) => VersionStore;
}

/** Each needs some 150 MiB, and two keep two cores busy while the other waits for the network. */
export const windowsAtATime = 2;

/** Repositories kept open; each is a credential and some derived keys, so a few dozen cost nothing. */
const repositoriesMax = 32;

/** What both planes stand on: identity, storage, repository. */
export function composeFoundation(settings: Settings, logger: Logger): Foundation {
  const credential = createAzureCredential({ clientId: settings.BLOCKFERRY_IDENTITY_CLIENT_ID });
  const stores = createStoreAccess(storeAccessOptions(settings, credential));
  const keys = createTenantKeySource({
    wrappers: keyWrappers(settings, credential),
    pinnedCheck: settings.BLOCKFERRY_ROOT_KEY_CHECK,
    randomBytes,
    clock: systemClock,
    logger,
  });
  const open = new Map<string, Promise<Repository>>();
  return {
    credential,
    queues: storageConnection(settings, settings.BLOCKFERRY_QUEUE_ENDPOINT, credential),
    tables: storageConnection(settings, settings.BLOCKFERRY_TABLE_ENDPOINT, credential),
    clock: systemClock,
    logger,
    locks: stores.locks,
    openVersions: (request) => stores.versions(request),
    openRepository: (request) => {
      // A message names a tenant; only the one this app is configured for exists.
      if (request.tenant !== settings.BLOCKFERRY_TENANT) {
        throw new AppError('request.not-found', `tenant ${request.tenant} is not served by this app`);
      }
      const key = `${request.role}/${request.tenant}/${request.sessionId}`;
      const known = open.get(key);
      if (known) return known;
      const pair = stores.open(request);
      const opening = openRepository({
        stores: pair,
        tenant: request.tenant,
        keys: keys.through(pair, request.role),
        clock: systemClock,
        logger,
      });
      open.set(key, opening);
      for (const oldest of open.keys()) {
        if (open.size <= repositoriesMax) break;
        open.delete(oldest);
      }
      // A failed opening is not remembered: the next call tries again.
      opening.catch(() => open.delete(key));
      return opening;
    },
  };
}

/** Each token of the identity that AWS trusts with the role, so that a stolen token does one thing. */
function tokensByRole(
  settings: Settings,
  credential: Foundation['credential'],
): StoreAccessOptions['webIdentityToken'] {
  const audience = settings.BLOCKFERRY_AWS_AUDIENCE;
  const of = (clientId: string | undefined) =>
    createTokenProvider(clientId === undefined ? credential : createAzureCredential({ clientId }), audience);
  const own = of(undefined);
  const others: Partial<Record<StoreRole, () => Promise<string>>> = {
    collector: of(settings.BLOCKFERRY_COLLECTOR_CLIENT_ID),
    keeper: of(settings.BLOCKFERRY_KEEPER_CLIENT_ID),
  };
  return (role) => (others[role] ?? own)();
}

/** Where the buckets are and who may ask for them. */
export const storeAccessOptions = (settings: Settings, credential: Foundation['credential']): StoreAccessOptions => ({
  region: settings.AWS_REGION,
  endpoint: settings.AWS_ENDPOINT_URL,
  webIdentityToken: tokensByRole(settings, credential),
  roles: {
    writer: settings.BLOCKFERRY_WRITER_ROLE_ARN,
    reader: settings.BLOCKFERRY_READER_ROLE_ARN,
    collector: settings.BLOCKFERRY_COLLECTOR_ROLE_ARN,
    keeper: settings.BLOCKFERRY_KEEPER_ROLE_ARN,
    catalogue: settings.BLOCKFERRY_CATALOGUE_ROLE_ARN,
  },
  dataBucket: settings.BLOCKFERRY_DATA_BUCKET,
  controlBucket: settings.BLOCKFERRY_CONTROL_BUCKET,
  // The roles live in the account that owns the buckets: a bucket of the same name in foreign hands is refused.
  accountId: /:iam::(\d{12}):/.exec(settings.BLOCKFERRY_WRITER_ROLE_ARN)?.[1],
});

export interface DataPlane {
  readonly handle: TransferHandler;
  readonly events: TransferEvents;
  /** Ends the sockets. */
  close(): Promise<void>;
}

export function composeDataPlane(settings: Settings, foundation: Foundation): DataPlane {
  const { clock, logger } = foundation;
  const disks = createDiskAccess({
    credential: foundation.credential,
    armEndpoint: settings.BLOCKFERRY_ARM_ENDPOINT,
    armAudience: settings.BLOCKFERRY_ARM_AUDIENCE,
    pollMs: settings.BLOCKFERRY_POLL_MS,
  });
  const events = createTransferEvents({
    connection: foundation.queues,
    onFailure: () => logger.warn('a progress report could not be sent; the facts are in the store'),
  });
  const handle = createTransferHandler({
    access: disks,
    openRepository: foundation.openRepository,
    events,
    clock,
    logger,
    imageDirectory: settings.BLOCKFERRY_IMAGE_DIRECTORY,
    concurrency: windowsAtATime,
  });
  return {
    handle,
    events,
    close: () => disks.close(),
  };
}

/** A connection string wins: it is what the embedded stack has. `config.invalid` was thrown earlier when both are missing. */
function storageConnection(
  settings: Settings,
  endpoint: string | undefined,
  credential: Foundation['credential'],
): StorageConnection {
  const connectionString = settings.BLOCKFERRY_STORAGE_CONNECTION;
  return connectionString === undefined ? { endpoint: endpoint ?? '', credential } : { connectionString };
}
