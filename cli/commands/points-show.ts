import { defineCommand } from '../command';
import { pointFields, pointLine } from '../lines/point';
import { text } from '../option-values';

export const pointsShowCommand = defineCommand({
  name: 'points show',
  summary: 'one restore point in full',
  examples: [
    {
      run: 'blockferry points show p-b-20260301-020000-8f1a6c527d0e4b3c',
      does: 'its disks, what they cost, how far it is verified',
    },
  ],
  reach: ['api'],
  arguments: { point: { usage: '<point>', says: 'id of the restore point', value: text, complete: 'point' } },
  lines: { point: pointLine },
  run: async ({ args, out, api, nowMs }) => {
    const point = await (await api()).get(`/restore-points/${encodeURIComponent(args.point)}`, pointLine);
    out.record('point', point, (row) => pointFields(row, nowMs()));
    return undefined;
  },
});
