/** Keeping locks by hand: what the timer does, at once and in one process. */
import { randomBytes } from 'node:crypto';
import { createStoreAccess } from '../aws/store-access';
import { createAzureCredential } from '../azure/credential';
import { systemClock } from '../base/clock';
import type { Logger } from '../base/logger';
import { openRepository } from '../blockstore/repository';
import { keepLocks } from '../collector/keep-locks';
import { AppError } from '../model/errors';
import { storeAccessOptions } from './compose-data-plane';
import type { Settings } from './config';
import { createTenantKeySource } from './key-source';
import { keyWrappers } from './key-wrappers';

const DAY_MS = 86_400_000;

/** One run under the keeper's role, when one is due or `force` says so. */
export async function extendLocks(
  settings: Settings,
  logger: Logger,
  { force, signal }: { readonly force: boolean; readonly signal: AbortSignal },
) {
  const days = settings.BLOCKFERRY_LOCK_DAYS;
  if (days === undefined) {
    throw new AppError('config.invalid', 'BLOCKFERRY_LOCK_DAYS is needed: the default retention of the data bucket');
  }
  const credential = createAzureCredential({ clientId: settings.BLOCKFERRY_IDENTITY_CLIENT_ID });
  const access = createStoreAccess(storeAccessOptions(settings, credential));
  const scope = { tenant: settings.BLOCKFERRY_TENANT, sessionId: `keep-${randomBytes(8).toString('hex')}` };
  const keys = createTenantKeySource({
    wrappers: keyWrappers(settings, credential),
    pinnedCheck: settings.BLOCKFERRY_ROOT_KEY_CHECK,
    randomBytes,
    clock: systemClock,
    logger,
  });
  try {
    const stores = access.open({ ...scope, role: 'keeper' });
    const repository = await openRepository({
      stores,
      tenant: scope.tenant,
      keys: keys.through(stores, 'keeper'),
      clock: systemClock,
      logger,
    });
    const { sessionId } = scope;
    const windowMs = days * DAY_MS;
    return await keepLocks({ repository, locks: access.locks(scope), sessionId, windowMs, signal }, { force });
  } finally {
    access.close();
  }
}
