/** What a person does about the end of restore points, under the collector's role. Each can be repeated. */
import { randomBytes } from 'node:crypto';
import { createStoreAccess } from '../aws/store-access';
import { createAzureCredential } from '../azure/credential';
import { systemClock } from '../base/clock';
import type { Logger } from '../base/logger';
import { expirePoint, holdPoint, releaseHold, undoExpiry } from '../blockstore/expiry';
import { openRepository } from '../blockstore/repository';
import { type CollectorSettings, collectorDefaults } from '../collector/context';
import type { Allowance } from '../collector/guards';
import { type CycleReport, runCycle } from '../collector/run-cycle';
import { storeAccessOptions } from './compose-data-plane';
import type { Settings } from './config';
import { createTenantKeySource } from './key-source';
import { keyWrappers } from './key-wrappers';

export interface CycleRequest {
  readonly dryRun: boolean;
  readonly allowance?: Allowance | undefined;
  /** For tests and for a tenant that is being wound up; the defaults are the safe ones. */
  readonly settings?: Partial<CollectorSettings> | undefined;
  readonly signal?: AbortSignal;
}

/** Who asks, and why: both stay in the register for good. */
export interface Asked {
  readonly by: string;
  readonly reason: string;
}

export async function createCollectorCommands(settings: Settings, logger: Logger) {
  const credential = createAzureCredential({ clientId: settings.BLOCKFERRY_IDENTITY_CLIENT_ID });
  const access = createStoreAccess(storeAccessOptions(settings, credential));
  const tenant = settings.BLOCKFERRY_TENANT;
  const scope = { tenant, sessionId: `collector-${randomBytes(6).toString('hex')}` };
  const keys = createTenantKeySource({
    wrappers: keyWrappers(settings, credential),
    pinnedCheck: settings.BLOCKFERRY_ROOT_KEY_CHECK,
    randomBytes,
    clock: systemClock,
    logger,
  });
  const stores = access.open({ ...scope, role: 'collector' });
  const repository = await openRepository({
    stores,
    tenant,
    keys: keys.through(stores, 'collector'),
    clock: systemClock,
    logger,
  });
  return {
    runCycle: ({ dryRun, allowance, settings: change, signal }: CycleRequest): Promise<CycleReport> =>
      runCycle(
        {
          repository,
          versions: access.versions(scope),
          settings: { ...collectorDefaults, ...change },
          ...(signal === undefined ? {} : { signal }),
        },
        { dryRun, ...(allowance === undefined ? {} : { allowance }) },
      ),
    expire: (pointId: string, asked: Asked) => expirePoint(repository, pointId, asked),
    undo: (pointId: string) => undoExpiry(repository, pointId),
    hold: (pointId: string, asked: Asked) => holdPoint(repository, pointId, asked),
    release: (pointId: string) => releaseHold(repository, pointId),
    close: () => access.close(),
  };
}
