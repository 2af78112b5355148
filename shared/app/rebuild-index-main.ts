/** Writes the block index of the configured tenant anew from the packs, for a store whose index segments are lost. */
import { jsonLogger } from '../base/logger';
import { rebuildSegments } from '../blockstore/rebuild-index';
import { TenantIndex } from '../blockstore/tenant-index';
import { composeFoundation } from './compose-data-plane';
import { loadSettings } from './config';

async function main(): Promise<void> {
  const settings = loadSettings();
  const logger = jsonLogger((line) => process.stderr.write(line), Date.now);
  const { openRepository, clock } = composeFoundation(settings, logger);
  const tenant = settings.BLOCKFERRY_TENANT;
  const sessionId = `rebuilt-${clock.now()}`;
  const reader = await openRepository({ role: 'reader', tenant, sessionId });
  const writer = await openRepository({ role: 'writer', tenant, sessionId });
  const rebuilt = await rebuildSegments(reader, writer, new TenantIndex(), sessionId);
  process.stdout.write(`${JSON.stringify(rebuilt)}\n`);
}

main().then(
  () => process.exit(0),
  (error: unknown) => {
    process.stderr.write(`rebuild-index: ${error instanceof Error ? error.message : String(error)}\n`);
    process.exit(1);
  },
);
