import { z } from 'zod';
import { defineCommand } from '../command';

export const locksExtendCommand = defineCommand({
  name: 'locks extend',
  summary: 'lock anew, for the whole window, what restore points need',
  description:
    'What the function app does by itself once in each half window, under the role BLOCKFERRY_KEEPER_ROLE_ARN and with the settings of the \
function app. A lock is only ever lengthened. Exit code 13 when something that a restore point needs is missing or cannot be read: all else \
has been locked by then.',
  examples: [
    { run: 'blockferry locks extend', does: 'a run, when one is due' },
    { run: 'blockferry locks extend --force', does: 'a run now, for instance when an attack is suspected' },
  ],
  options: { force: { flags: '--force', says: 'also when none is due', value: z.boolean().optional() } },
  lines: {
    locks: z.object({
      outcome: z.enum(['kept', 'not-now', 'superseded']),
      why: z.string().optional(),
      extended: z.number(),
      missing: z.number(),
      damaged: z.number(),
      lockedUntil: z.string().optional(),
    }),
  },
  run: async ({ options, out, environment, logger, signal }) => {
    const { loadSettings } = require('../../shared/app/config') as typeof import('../../shared/app/config');
    const app = require('../../shared/app/keeper-commands') as typeof import('../../shared/app/keeper-commands');
    const kept = await app.extendLocks(loadSettings(environment), logger, { force: options.force === true, signal });
    out.record('locks', kept, (row) => [
      ['outcome', row.why === undefined ? row.outcome : `${row.outcome}: ${row.why}`],
      ['locked', row.extended === 0 ? undefined : `${row.extended} objects until ${row.lockedUntil}`],
      ['missing', row.missing === 0 ? undefined : `${row.missing} objects that restore points need`],
      ['not readable', row.damaged === 0 ? undefined : `${row.damaged} restore points`],
    ]);
    return kept.missing + kept.damaged > 0 ? 'damaged' : undefined;
  },
});
