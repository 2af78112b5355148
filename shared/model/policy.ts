/** A policy: which VMs, when, how long kept. The schema is the one judge, for files, HTTP bodies and stored records. */
import { z } from 'zod';
import { policyNameSchema, regionSchema } from './ids';
import { limits } from './limits';

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
  retention: z.strictObject({ keepLast: z.number().int().min(1).max(9999) }).default({ keepLast: 30 }),
});

export type Selector = z.infer<typeof selectorSchema>;
export type Policy = z.infer<typeof policySchema>;
