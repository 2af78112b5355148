import { z } from 'zod';
import { whoAsks, withCollector } from '../collector-command';
import { defineCommand } from '../command';

const needed = z.string({ error: 'is needed' }).min(1).max(200);

export const pointsHoldCommand = defineCommand({
  name: 'points hold',
  summary: "protect a restore point: it expires by no rule and by nobody's hand until it is released",
  examples: [
    { run: 'blockferry points hold p-1 --reason "legal case 12"', does: 'release: blockferry points release p-1' },
  ],
  arguments: { point: { usage: '<point>', says: 'id of the restore point', value: z.string(), complete: 'point' } },
  options: { reason: { flags: '--reason <text>', says: 'why', value: needed } },
  lines: { hold: z.object({ pointId: z.string(), by: z.string(), reason: z.string(), at: z.string() }) },
  run: async ({ args, options, out, environment, logger }) => {
    const hold = await withCollector({ environment, logger }, (collector) =>
      collector.hold(args.point, { by: whoAsks(), reason: options.reason }),
    );
    out.record('hold', { pointId: args.point, by: hold.by, reason: hold.reason, at: hold.at }, (row) => [
      [row.pointId, `on hold since ${row.at}`],
      ['by', row.by],
      ['reason', row.reason],
    ]);
    return undefined;
  },
});
