import { z } from 'zod';
import { defineCommand } from '../command';

export const indexRebuildCommand = defineCommand({
  name: 'index rebuild',
  summary: 'write the block index of the tenant anew from the packs',
  description:
    'For a store whose index segments are lost. Reads the directory of every pack and writes new segments; nothing is deleted. With the\n' +
    'settings of the function app in the environment.',
  examples: [{ run: 'blockferry index rebuild', does: 'and say how many blocks are known again' }],
  lines: { rebuilt: z.object({ units: z.number(), blocks: z.number(), unreadable: z.number() }) },
  run: async ({ out, environment, logger, signal }) => {
    const app = require('../../shared/app/rebuild-index') as typeof import('../../shared/app/rebuild-index');
    const rebuilt = await app.rebuildTenantIndex(environment, logger, signal);
    out.line(
      'rebuilt',
      rebuilt,
      ({ units, blocks, unreadable }) => `${blocks} blocks in ${units} packs; ${unreadable} packs cannot be read`,
    );
    return rebuilt.unreadable > 0 ? 'partial' : undefined;
  },
});
