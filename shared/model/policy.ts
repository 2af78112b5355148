/** A policy: which VMs, when, how long kept. The schema is the one judge, for files, HTTP bodies and stored records. */
import { z } from 'zod';
import { policyNameSchema, regionSchema } from './ids';
import { limits } from './limits';

/** An IANA time zone that this runtime knows. */
const timeZoneSchema = z
  .string()
  .min(1)
  .max(64)
  .refine(
    (timeZone) => {
      try {
        return new Intl.DateTimeFormat('en-US', { timeZone }) !== undefined;
      } catch {
        return false;
      }
    },
    { message: 'is no IANA time zone' },
  );

export const tagRuleSchema = z.strictObject({
  tag: z.string().min(1).max(512),
  /** Absent: the tag's mere presence selects. Values compare with case, as ARM keeps it. */
  value: z.string().max(256).optional(),
});

export const selectorSchema = z.strictObject({
  tags: z.array(tagRuleSchema).max(50).optional(),
  resourceGroups: z.array(z.string().min(1).max(90)).max(1000).optional(),
  subscriptions: z.array(z.uuid()).max(1000).optional(),
  vmIds: z.array(z.string().max(1000)).max(1000).optional(),
  regions: z.array(regionSchema).max(100).optional(),
});

const kept = z.number().int().min(0).max(9999).optional();

/** How long points stay: `shared/policy/retention.ts` says how the rules work together. What any rule keeps stays. */
export const retentionSchema = z
  .strictObject({
    /** Newest points. */
    keepLast: kept,
    /** The last point of each of so many hours, days, ... that have one. */
    keepHourly: kept,
    keepDaily: kept,
    keepWeekly: kept,
    keepMonthly: kept,
    keepYearly: kept,
    /** Floor: all points of so many days before the newest one, however many there are. */
    keepWithinDays: z.number().int().min(0).max(36_500).optional(),
    /** IANA name of where days begin; absent: that of the schedule, else UTC. */
    timeZone: timeZoneSchema.optional(),
  })
  .refine(({ timeZone: _, ...rules }) => Object.values(rules).some((count) => (count ?? 0) !== 0), {
    message: 'keeps nothing: at least one of the rules must be 1 or more',
  });
export type RetentionRule = z.infer<typeof retentionSchema>;

export const policySchema = z.strictObject({
  name: policyNameSchema,
  enabled: z.boolean().default(true),
  /** All given fields must match (and); within a field any entry (or). Nothing given selects nothing. */
  include: selectorSchema,
  exclude: selectorSchema.optional(),
  /** Data disks by LUN that are left out; the point then says so. */
  excludeLuns: z.array(z.number().int().min(0).max(63)).max(64).optional(),
  schedule: z
    .strictObject({
      /** NCRONTAB with six fields: second minute hour day month weekday. */
      cron: z.string().min(1).max(100),
      timeZone: z.string().min(1).max(64).default('UTC'),
    })
    .optional(),
  /** zstd level of new data, 1 (fast) to 19 (small); absent: the product's default. */
  zstdLevel: z.number().int().min(1).max(limits.zstdLevelMax).optional(),
  retention: retentionSchema.default({ keepLast: 30 }),
});

export type Selector = z.infer<typeof selectorSchema>;
export type Policy = z.infer<typeof policySchema>;
