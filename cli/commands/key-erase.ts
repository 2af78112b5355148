import { z } from 'zod';
import { defineCommand } from '../command';
import { withKeys } from '../key-command';

const needed = z.string({ error: 'is needed' });

export const keyEraseCommand = defineCommand({
  name: 'key erase',
  summary: 'end the tenant for ever: destroy every wrap of its root key in reach',
  description:
    'Two persons; docs/keys.md, "Crypto-erase". Every backup of the tenant becomes unreadable at once. Exit code 3 when something at\n' +
    'hand still opens an envelope that a lock keeps: the answer names it.',
  examples: [
    {
      run: 'blockferry key erase --confirm contoso --eraser-role arn:aws:iam::111122223333:role/blockferry-eraser',
      does: 'the name of the tenant once more',
    },
  ],
  options: {
    confirm: { flags: '--confirm <tenant>', says: 'name of the tenant', value: needed },
    eraserRole: { flags: '--eraser-role <arn>', says: 'role that may delete the envelopes', value: needed },
    purge: { flags: '--no-purge', says: 'leave the deleted Key Vault key recoverable', value: z.boolean() },
  },
  lines: {
    erase: z.object({
      tenant: z.string(),
      erased: z.boolean(),
      envelopesFound: z.number(),
      versionsDeleted: z.number(),
      envelopesKept: z.array(z.string()),
      vaultKeys: z.array(z.object({ keyId: z.string(), state: z.string(), endsAt: z.string().optional() })),
      stillOpens: z.array(z.string()),
      mustBeDestroyed: z.array(z.string()),
    }),
  },
  run: async ({ options, out, environment, logger }) => {
    const { confirm, eraserRole: eraserRoleArn, purge } = options;
    const report = await withKeys({ environment, logger }, (keys) => keys.erase({ confirm, eraserRoleArn, purge }));
    out.record('erase', structuredClone(report) as never, (row) => [
      ['tenant', row.tenant],
      ['erased', row.erased ? 'yes' : 'NO: a way in is left'],
      ['envelopes', `${row.envelopesFound} found, ${row.versionsDeleted} versions deleted`],
      ['kept by locks', row.envelopesKept.join(', ') || undefined],
      [
        'vault keys',
        row.vaultKeys.map(({ keyId, state, endsAt }) => `${keyId} ${state} ${endsAt ?? ''}`).join(', ') || undefined,
      ],
      ['still opens', row.stillOpens.join(', ') || undefined],
      ['for people to destroy', row.mustBeDestroyed.join(', ') || undefined],
    ]);
    return report.erased ? undefined : 'partial';
  },
});
