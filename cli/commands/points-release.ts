import { z } from 'zod';
import { withCollector } from '../collector-command';
import { defineCommand } from '../command';

export const pointsReleaseCommand = defineCommand({
  name: 'points release',
  summary: 'end the hold on a restore point',
  examples: [{ run: 'blockferry points release p-1', does: 'it can expire again' }],
  arguments: { point: { usage: '<point>', says: 'id of the restore point', value: z.string(), complete: 'point' } },
  lines: { release: z.object({ pointId: z.string(), outcome: z.string() }) },
  run: async ({ args, out, environment, logger }) => {
    const outcome = await withCollector({ environment, logger }, (collector) => collector.release(args.point));
    out.record('release', { pointId: args.point, outcome }, (row) => [[row.pointId, row.outcome]]);
    return undefined;
  },
});
