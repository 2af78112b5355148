/** A policy, as GET /api/policies/{name} answers and as a `--json` line. */
import { z } from 'zod';
import type { Field } from '../output';
import type { Column } from '../table';
import { age } from '../text';

const schedule = z.looseObject({ cron: z.string().optional(), timeZone: z.string().optional() });

export const policyLine = z.object({
  name: z.string(),
  enabled: z.boolean(),
  include: z.looseObject({}),
  exclude: z.looseObject({}).optional(),
  excludeLuns: z.array(z.number()).optional(),
  schedule: schedule.optional(),
  retention: z.looseObject({}),
  nextSlotAt: z.string().optional(),
  lastRun: z
    .object({
      slot: z.string(),
      at: z.string(),
      selected: z.number(),
      started: z.number(),
      running: z.number(),
      skippedCount: z.number(),
    })
    .optional(),
});
export type PolicyLine = z.output<typeof policyLine>;

export const policyColumns = (nowMs: number): Column<PolicyLine>[] => [
  { title: 'POLICY', of: ({ name }) => name },
  { title: 'ENABLED', of: ({ enabled }) => (enabled ? 'yes' : 'no') },
  { title: 'SCHEDULE', of: scheduleOf },
  { title: 'NEXT', of: ({ nextSlotAt }) => (nextSlotAt === undefined ? undefined : age(nextSlotAt, nowMs)) },
  { title: 'LAST RUN', of: (policy) => lastRunOf(policy, nowMs) },
];

export const policyFields = (policy: PolicyLine, nowMs: number): Field[] => [
  ['policy', policy.name],
  ['enabled', policy.enabled ? 'yes' : 'no'],
  ['include', JSON.stringify(policy.include)],
  ['exclude', policy.exclude && JSON.stringify(policy.exclude)],
  ['left out', policy.excludeLuns && `LUN ${policy.excludeLuns.join(', ')}`],
  ['schedule', scheduleOf(policy)],
  ['next', policy.nextSlotAt && age(policy.nextSlotAt, nowMs)],
  ['last run', lastRunOf(policy, nowMs)],
  ['retention', JSON.stringify(policy.retention)],
];

const scheduleOf = ({ schedule: when }: PolicyLine): string | undefined => {
  if (when === undefined) return undefined;
  const { cron, timeZone, ...rest } = when;
  const rules = [cron, ...(Object.keys(rest).length > 0 ? [JSON.stringify(rest)] : [])].filter(Boolean).join(' ');
  return timeZone === undefined ? rules : `${rules} (${timeZone})`;
};

const lastRunOf = ({ lastRun }: PolicyLine, nowMs: number): string | undefined =>
  lastRun &&
  `${age(lastRun.at, nowMs)}: ${lastRun.started} of ${lastRun.selected} started` +
    (lastRun.skippedCount > 0 ? `, ${lastRun.skippedCount} skipped` : '');
