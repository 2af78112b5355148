import { defineCommand } from '../command';
import { keyFields, keyLine, withKeys } from '../key-command';

export const keyRotatePackKeyCommand = defineCommand({
  name: 'key rotate-pack-key',
  summary: 'next generation of the key that wraps the keys of new packs',
  examples: [{ run: 'blockferry key rotate-pack-key', does: 'old packs stay readable, nothing is written again' }],
  lines: { key: keyLine },
  run: async ({ out, environment, logger }) => {
    const key = await withKeys({ environment, logger }, (keys) => keys.rotatePackKey());
    out.record('key', { ...key, wraps: [...key.wraps] }, keyFields);
    return undefined;
  },
});
