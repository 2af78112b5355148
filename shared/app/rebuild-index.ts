/** Writes the block index of the configured tenant anew from the packs, for a store whose index segments are lost. */
import type { Logger } from '../base/logger';
import { type Rebuilt, rebuildSegments } from '../blockstore/rebuild-index';
import { TenantIndex } from '../blockstore/tenant-index';
import { composeFoundation } from './compose-data-plane';
import { loadSettings } from './config';

export async function rebuildTenantIndex(
  environment: Readonly<Record<string, string | undefined>>,
  logger: Logger,
  signal: AbortSignal,
): Promise<Rebuilt> {
  const settings = loadSettings(environment);
  const { openRepository, clock } = composeFoundation(settings, logger);
  const tenant = settings.BLOCKFERRY_TENANT;
  const sessionId = `rebuilt-${clock.now()}`;
  const reader = await openRepository({ role: 'reader', tenant, sessionId });
  const writer = await openRepository({ role: 'writer', tenant, sessionId });
  return rebuildSegments(reader, writer, new TenantIndex(), sessionId, signal);
}
