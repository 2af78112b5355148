import { defineCommand } from '../command';
import { keyFields, keyLine, withKeys } from '../key-command';
import { optionalText } from '../option-values';

export const keyRewrapCommand = defineCommand({
  name: 'key rewrap',
  summary: 'wrap the root key anew: a rotated key, another key, an added escrow',
  examples: [
    { run: 'blockferry key rewrap', does: 'under the newest version of what the settings name' },
    {
      run: 'blockferry key rewrap --key-vault-key https://VAULT/keys/NAME',
      does: 'under another key; change the setting afterwards',
    },
  ],
  options: {
    keyFile: { flags: '--key-file <file>', says: 'wrap under this key file', value: optionalText, complete: 'file' },
    keyVaultKey: { flags: '--key-vault-key <id>', says: 'wrap under this Key Vault key', value: optionalText },
    escrowKey: {
      flags: '--escrow-key <file>',
      says: 'wrap under this public escrow key too',
      value: optionalText,
      complete: 'file',
    },
  },
  lines: { key: keyLine },
  run: async ({ options, out, environment, logger }) => {
    const key = await withKeys({ environment, logger }, (keys) => keys.rewrap(options));
    out.record('key', { ...key, wraps: [...key.wraps] }, keyFields);
    return undefined;
  },
});
