import { z } from 'zod';
import { defineCommand } from '../command';
import { keyFields, keyLine, withKeys } from '../key-command';

export const keyRecoverCommand = defineCommand({
  name: 'key recover',
  summary: 'the wrapping key is lost: open with the escrow key, wrap under what the settings name now',
  examples: [
    {
      run: 'blockferry key recover --escrow-private-key escrow-private.pem',
      does: 'on a trusted machine, the file decrypted for this one command',
    },
  ],
  options: {
    escrowPrivateKey: {
      flags: '--escrow-private-key <file>',
      says: 'private half of the escrow key (PEM)',
      value: z.string({ error: 'is needed' }),
      complete: 'file',
    },
  },
  lines: { key: keyLine },
  run: async ({ options, out, environment, logger }) => {
    const key = await withKeys({ environment, logger }, (keys) => keys.recover(options.escrowPrivateKey));
    out.record('key', { ...key, wraps: [...key.wraps] }, keyFields);
    return undefined;
  },
});
