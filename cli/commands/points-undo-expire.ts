import { z } from 'zod';
import { withCollector } from '../collector-command';
import { defineCommand } from '../command';

export const pointsUndoExpireCommand = defineCommand({
  name: 'points undo-expire',
  summary: 'take an expired restore point back, while its time to undo lasts',
  examples: [{ run: 'blockferry points undo-expire p-1', does: 'it is a restore point like before' }],
  arguments: { point: { usage: '<point>', says: 'id of the restore point', value: z.string(), complete: 'point' } },
  lines: { expiry: z.object({ pointId: z.string(), outcome: z.string() }) },
  run: async ({ args, out, environment, logger }) => {
    const outcome = await withCollector({ environment, logger }, (collector) => collector.undo(args.point));
    out.record('expiry', { pointId: args.point, outcome }, (row) => [[row.pointId, row.outcome]]);
    return undefined;
  },
});
