import { defineCommand } from '../command';
import { keyFields, keyLine, withKeys } from '../key-command';

export const keyCreateCommand = defineCommand({
  name: 'key create',
  summary: 'make the root key of a new tenant now, not at its first backup',
  description:
    'Put the `check` that it prints into BLOCKFERRY_ROOT_KEY_CHECK of every app of the tenant. Repeating it changes nothing.',
  examples: [{ run: 'blockferry key create', does: 'wrapped by what the settings name, in both buckets' }],
  lines: { key: keyLine },
  run: async ({ out, environment, logger }) => {
    const key = await withKeys({ environment, logger }, (keys) => keys.create());
    out.record('key', { ...key, wraps: [...key.wraps] }, keyFields);
    return undefined;
  },
});
