import type { z } from 'zod';
import { defineCommand } from '../command';
import { vmIdFor } from '../find-vm';
import { pointColumns, pointLine } from '../lines/point';
import { count, optionalText } from '../option-values';

export const pointsListCommand = defineCommand({
  name: 'points list',
  summary: 'restore points, newest first',
  examples: [
    { run: 'blockferry points list --vm web', does: 'with what keeps each' },
    {
      run: 'blockferry points list --json | jq -r \'select(.verification.level == "none").id\'',
      does: 'those not verified yet',
    },
  ],
  reach: ['api'],
  watchable: true,
  options: {
    vm: {
      flags: '--vm <name>',
      says: 'only of this virtual machine (name, or id when it is gone)',
      value: optionalText,
      complete: 'vm',
    },
    limit: { flags: '--limit <count>', says: 'at most so many (50)', value: count(50, 1_000_000) },
  },
  lines: { point: pointLine },
  run: async ({ options, out, api, nowMs }) => {
    const client = await api();
    const vmId = options.vm === undefined ? undefined : await vmIdFor(client, options.vm);
    const points: z.output<typeof pointLine>[] = [];
    for await (const point of client.pages('/restore-points', pointLine, {
      vmId,
      limit: Math.min(options.limit, 100),
    })) {
      points.push(point);
      if (points.length >= options.limit) break;
    }
    out.rows('point', points, pointColumns(nowMs()), 'no restore points yet; `blockferry backup run VM` makes one');
    return undefined;
  },
});
