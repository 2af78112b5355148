import { z } from 'zod';
import { defineCommand } from '../command';

export const versionCommand = defineCommand({
  name: 'version',
  summary: 'version of this command line and of the Node that runs it',
  examples: [
    { run: 'blockferry version', does: 'one line' },
    { run: 'blockferry version --json', does: 'for scripts' },
  ],
  lines: { version: z.object({ blockferry: z.string(), node: z.string(), platform: z.string() }) },
  run: async ({ out, program }) => {
    const item = {
      blockferry: program.version,
      node: process.versions.node,
      platform: `${process.platform}-${process.arch}`,
    };
    out.line('version', item, (row) => `blockferry ${row.blockferry} (node ${row.node}, ${row.platform})`);
    return undefined;
  },
});
