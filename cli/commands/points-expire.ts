import { z } from 'zod';
import { whoAsks, withCollector } from '../collector-command';
import { defineCommand } from '../command';

const needed = z.string({ error: 'is needed' }).min(1).max(200);

export const pointsExpireCommand = defineCommand({
  name: 'points expire',
  summary: 'give a restore point up; can be undone for 14 days',
  description:
    'Its data stay until the collector runs after that time. A point on hold is refused. Who asked and why is kept for good.',
  examples: [
    {
      run: 'blockferry points expire p-1 --reason "VM decommissioned"',
      does: 'undo: blockferry points undo-expire p-1',
    },
  ],
  arguments: { point: { usage: '<point>', says: 'id of the restore point', value: z.string(), complete: 'point' } },
  options: { reason: { flags: '--reason <text>', says: 'why', value: needed } },
  lines: { expiry: z.object({ pointId: z.string(), outcome: z.string() }) },
  run: async ({ args, options, out, environment, logger }) => {
    const outcome = await withCollector({ environment, logger }, (collector) =>
      collector.expire(args.point, { by: whoAsks(), reason: options.reason }),
    );
    out.record('expiry', { pointId: args.point, outcome }, (row) => [[row.pointId, row.outcome]]);
    return undefined;
  },
});
