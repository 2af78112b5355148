/** Retention: what a rule would keep, tried without doing it; runs that apply the rules and collect; how they ended. */
import { z } from 'zod';
import { retentionRunSchema } from '../catalog/retention-runs';
import { AppError } from '../model/errors';
import { policySchema, retentionSchema } from '../model/policy';
import { forecastRetention } from '../policy/forecast';
import { type Keepable, planRetention } from '../policy/retention';
import { inScope, requireRole } from './caller';
import { json } from './http';
import { seededJobId } from './idempotent';
import { scheduleErrors } from './policy-document';
import { badRequest, notFound } from './problem';
import { vmIdParameter } from './query';
import { defineRoute } from './route';
import { readers, sampleVmId } from './schemas';

const reasonsSchema = z.array(z.string());
const DAYS_MAX = 3660;

const simulationBodySchema = z.strictObject({
  retention: retentionSchema,
  /** Its points are judged, and the forecast goes on from them. */
  vmId: vmIdParameter.optional(),
  /** Only points that this policy made; absent: all of the VM. */
  policy: z.string().optional(),
  /** With it, the coming `days` are played through. */
  schedule: policySchema.shape.schedule,
  days: z.number().int().min(1).max(DAYS_MAX).default(365),
});

const simulationSchema = z
  .strictObject({
    points: z.array(z.strictObject({ id: z.string(), createdAt: z.string(), reasons: reasonsSchema })),
    forecast: z
      .strictObject({
        days: z.array(z.strictObject({ day: z.number().int(), points: z.number().int() })),
        standing: z.array(z.strictObject({ createdAt: z.string(), reasons: reasonsSchema })),
      })
      .optional(),
  })
  .meta({ id: 'RetentionSimulation' });

export const simulateRetention = defineRoute({
  name: 'simulateRetention',
  method: 'POST',
  path: 'retention-simulation',
  area: 'Retention',
  roles: readers,
  scope: 'vm',
  mutates: false,
  summary: 'What a retention rule would keep, of the points of a VM and over the coming days',
  description: 'Changes nothing. A point without a reason is one that the rule lets go.',
  body: simulationBodySchema,
  replies: { 200: { description: 'The verdict on each point, newest first', schema: simulationSchema } },
  example: { body: { retention: { keepDaily: 7, keepWeekly: 5 }, vmId: sampleVmId } },
  handler: async ({ caller, body }, { catalog, clock }) => {
    const { retention, vmId, policy, schedule, days } = body;
    if (vmId !== undefined && !inScope(caller, vmId)) throw notFound('no such VM');
    const records = vmId === undefined ? [] : await catalog.points.list({ vmId });
    const points: Keepable[] = records
      .filter(({ point }) => policy === undefined || point.policy === policy)
      .map(({ point, verification, standing }) => ({
        id: point.id,
        createdAt: point.createdAt,
        verified: verification.level !== 'none',
        held: standing.hold !== undefined,
      }));
    const nowMs = clock.now();
    const plan = planRetention(retention, points, { nowMs, timeZone: schedule?.timeZone });
    const kept = new Map(plan.keep.map(({ id, reasons }) => [id, reasons]));
    const wrong = scheduleErrors({ schedule });
    if (wrong.length > 0) throw badRequest('the schedule cannot be read', wrong);
    const forecast = schedule && forecastRetention(retention, schedule, { nowMs, days, points });
    return json(200, {
      points: points.map(({ id, createdAt }) => ({ id, createdAt, reasons: kept.get(id) ?? [] })),
      ...(forecast === undefined ? {} : { forecast }),
    });
  },
});

const runIdSchema = z.string().regex(/^g-[a-z0-9-]{1,80}$/, 'the id of a retention run');
const runViewSchema = z
  .strictObject({ ...retentionRunSchema.partial().shape, runId: z.string(), status: z.enum(['running', 'ended']) })
  .meta({ id: 'RetentionRun' });

export const listRetentionRuns = defineRoute({
  name: 'listRetentionRuns',
  method: 'GET',
  path: 'retention-runs',
  area: 'Retention',
  roles: readers,
  scope: 'installation',
  mutates: false,
  summary: 'How the last runs of retention and collector ended, newest first',
  replies: {
    200: { description: 'At most 20', schema: z.strictObject({ items: z.array(runViewSchema) }) },
  },
  handler: async (_call, { catalog }) => {
    const runs = await catalog.retentionRuns.list(20);
    return json(200, { items: runs.map((run) => ({ ...run, status: 'ended' as const })) });
  },
});

export const getRetentionRun = defineRoute({
  name: 'getRetentionRun',
  method: 'GET',
  path: 'retention-runs/{id}',
  area: 'Retention',
  roles: readers,
  scope: 'installation',
  mutates: false,
  summary: 'One run of retention and collector',
  params: { id: runIdSchema },
  replies: { 200: { description: 'The run', schema: runViewSchema } },
  example: { params: { id: 'g-20261127-0500-0011aabb' } },
  handler: async ({ params: { id } }, { catalog, retention }) => {
    const run = (await catalog.retentionRuns.list(Number.POSITIVE_INFINITY)).find(({ runId }) => runId === id);
    if (run) return json(200, { ...run, status: 'ended' });
    if (await retention.isRunning(id)) return json(200, { runId: id, status: 'running' });
    throw notFound('no such run');
  },
});

const runBodySchema = z.strictObject({
  /** What the collector may delete although it is more than a tenth: the figures of the run that asked. */
  allow: z
    .strictObject({
      units: z.number().int().min(0),
      bytes: z.number().int().min(0),
      acceptLoss: z.boolean().default(false).meta({
        description: 'Fewer objects or points than the last cycle left are taken for the truth.',
      }),
    })
    .optional(),
});

const startedRunSchema = z.strictObject({ runId: z.string(), status: z.literal('running') }).meta({ id: 'StartedRun' });

export const startRetentionRun = defineRoute({
  name: 'startRetentionRun',
  method: 'POST',
  path: 'retention-runs',
  area: 'Retention',
  roles: ['policy-admin', 'security-admin'],
  scope: 'installation',
  mutates: true,
  quotaPerHour: 12,
  summary: 'Apply every retention rule now, and delete what nothing needs',
  description:
    'Points that are given up can be had back for 14 days; until then nothing of them is deleted. `allow` needs the role security-admin.',
  body: runBodySchema,
  replies: {
    200: { description: 'Dry run: nothing is started', schema: z.strictObject({ dryRun: z.literal(true) }) },
    202: {
      description: 'The run works from now on. Look at `Location`.',
      schema: startedRunSchema,
      headers: { location: 'Path of the run', 'retry-after': 'Seconds' },
    },
  },
  example: { body: {} },
  handler: async ({ body, caller, dryRun, seed, countStart }, { retention }) => {
    if (body.allow) requireRole(caller, ['security-admin']);
    if (dryRun) return json(200, { dryRun: true });
    await countStart();
    const input = { trigger: 'request', ...(body.allow === undefined ? {} : { allowance: body.allow }) } as const;
    const started = await retention.start(input, seed === undefined ? undefined : seededJobId('g', seed));
    if (!started) {
      throw new AppError('request.conflict', 'this installation has no collector: set BLOCKFERRY_COLLECTOR_ROLE_ARN');
    }
    const headers = { location: `/api/retention-runs/${started.runId}`, 'retry-after': '10' };
    return json(202, { runId: started.runId, status: 'running' }, headers);
  },
});
