/** A run of retention and collector, as GET /api/retention-runs/{id} answers and as a `--json` line. */
import { z } from 'zod';
import type { Field } from '../output';
import { bytes, instant } from '../text';

const tally = z.object({ units: z.number(), bytes: z.number() });

export const retentionRunLine = z.object({
  runId: z.string(),
  status: z.enum(['running', 'ended']),
  trigger: z.string().optional(),
  endedAt: z.string().optional(),
  vms: z.number().optional(),
  expired: z.number().optional(),
  held: z.number().optional(),
  returned: z.number().optional(),
  gone: z.number().optional(),
  collection: z
    .object({
      outcome: z.string(),
      why: z.string().optional(),
      listed: tally.optional(),
      condemned: tally.optional(),
      locked: tally.optional(),
      livePoints: z.number().optional(),
      stops: z.array(z.object({ reason: z.string(), message: z.string() })),
      deleted: tally.optional(),
      fenced: z.array(z.string()),
    })
    .optional(),
  failure: z.object({ code: z.string(), message: z.string() }).optional(),
});
export type RetentionRunLine = z.output<typeof retentionRunLine>;

const said = (what: z.output<typeof tally> | undefined): string | undefined =>
  what === undefined ? undefined : `${what.units} objects, ${bytes(what.bytes)}`;

export const retentionRunFields = ({ collection, ...run }: RetentionRunLine): Field[] => [
  ['run', run.runId],
  ['ended', run.endedAt === undefined ? undefined : instant(run.endedAt)],
  ['failed', run.failure?.message],
  ['restore points', `${run.expired ?? 0} given up, ${run.held ?? 0} kept by a hold, ${run.gone ?? 0} gone for good`],
  [
    'collector',
    collection && (collection.why === undefined ? collection.outcome : `${collection.outcome}: ${collection.why}`),
  ],
  ['listed', said(collection?.listed)],
  ['not needed', said(collection?.condemned)],
  ['under a lock', said(collection?.locked)],
  ['deleted', said(collection?.deleted)],
  ['sessions ended', collection?.fenced.join(', ') || undefined],
  ...(collection?.stops ?? []).map(({ reason, message }): Field => [`asks (${reason})`, message]),
];
