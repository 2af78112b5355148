import { z } from 'zod';
import { withCollector } from '../collector-command';
import { defineCommand } from '../command';

const count = z.coerce.number().int().min(0).optional();

export const gcCommand = defineCommand({
  name: 'gc',
  summary: 'delete from the buckets what no restore point needs any more',
  description:
    'One cycle under the role BLOCKFERRY_COLLECTOR_ROLE_ARN, with the settings of the function app; docs/concurrency.md says how it stays \
safe beside running backups. A cycle that was broken off is gone on with. It stops and asks (exit code 5) when it would delete more than \
a tenth, or when objects or restore points have vanished since the last cycle: read the reasons, then repeat with the figures allowed. It \
waits up to 15 minutes for sessions that give no sign of life.',
  examples: [
    { run: 'blockferry gc --dry-run', does: 'the same report, nothing changed' },
    { run: 'blockferry gc', does: 'one whole cycle' },
    {
      run: 'blockferry gc --allow-units 120 --allow-bytes 6000000000',
      does: 'after it asked, and the figures were meant',
    },
  ],
  options: {
    dryRun: { flags: '--dry-run', says: 'report only', value: z.boolean().optional() },
    allowUnits: { flags: '--allow-units <n>', says: 'objects that this cycle may delete', value: count },
    allowBytes: { flags: '--allow-bytes <n>', says: 'bytes that this cycle may delete', value: count },
    acceptLoss: {
      flags: '--accept-loss',
      says: 'take fewer objects or points than the last cycle left for the truth',
      value: z.boolean().optional(),
    },
  },
  lines: {
    cycle: z.object({
      outcome: z.string(),
      listedUnits: z.number().optional(),
      condemnedUnits: z.number().optional(),
      condemnedBytes: z.number().optional(),
      lockedUnits: z.number().optional(),
      livePoints: z.number().optional(),
      fenced: z.array(z.string()),
      stops: z.array(z.object({ reason: z.string(), message: z.string() })),
      deleted: z.number().optional(),
      why: z.string().optional(),
    }),
  },
  run: async ({ options, out, environment, logger, signal }) => {
    const { allowUnits: units, allowBytes: bytes, acceptLoss } = options;
    const asked = units !== undefined || bytes !== undefined || acceptLoss === true;
    const allowance = asked ? { units: units ?? 0, bytes: bytes ?? 0, acceptLoss: acceptLoss === true } : undefined;
    const report = await withCollector({ environment, logger }, (collector) =>
      collector.runCycle({ dryRun: options.dryRun === true, allowance, signal }),
    );
    const { condemn } = report;
    out.record(
      'cycle',
      {
        outcome: report.outcome,
        listedUnits: condemn?.listed.units,
        condemnedUnits: condemn?.condemned.units,
        condemnedBytes: condemn?.condemned.bytes,
        lockedUnits: condemn?.locked.units,
        livePoints: condemn?.points.live,
        fenced: [...report.fenced],
        stops: report.stops.map(({ reason, message }) => ({ reason, message })),
        deleted: report.delete?.deleted.units,
        why: report.why,
      },
      (row) => [
        ['outcome', row.why === undefined ? row.outcome : `${row.outcome}: ${row.why}`],
        ['listed', row.listedUnits === undefined ? undefined : `${row.listedUnits} objects`],
        [
          'not needed',
          row.condemnedUnits === undefined ? undefined : `${row.condemnedUnits} objects, ${row.condemnedBytes} bytes`,
        ],
        ['under a lock', row.lockedUnits === undefined ? undefined : `${row.lockedUnits} objects`],
        ['restore points', row.livePoints === undefined ? undefined : String(row.livePoints)],
        ['sessions ended', row.fenced.join(', ') || undefined],
        ['deleted', row.deleted === undefined ? undefined : `${row.deleted} objects`],
        ...row.stops.map(({ reason, message }): [string, string] => [`asks (${reason})`, message]),
      ],
    );
    return report.stops.length > 0 ? 'attention' : undefined;
  },
});
