import { z } from 'zod';
import { defineCommand } from '../command';
import { keyFields, keyLine, withKeys } from '../key-command';

export const keyStatusCommand = defineCommand({
  name: 'key status',
  summary: 'what wraps the root key, and that the settings open it',
  description:
    'With the settings of the function app in the environment, like all commands on keys; docs/keys.md says when to use which.',
  examples: [{ run: 'blockferry key status', does: 'opens the root key to prove that it can' }],
  lines: { key: keyLine.extend({ envelopes: z.array(z.string()) }) },
  run: async ({ out, environment, logger }) => {
    const status = await withKeys({ environment, logger }, (keys) => keys.status());
    const item = { ...status, wraps: [...status.wraps], envelopes: [...status.envelopes] };
    out.record('key', item, (row) => [...keyFields(row), ['envelopes', row.envelopes.join('; ')]]);
    return undefined;
  },
});
