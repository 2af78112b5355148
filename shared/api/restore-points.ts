/** Restore points: lists and single ones, in chosen fields. */
import { z } from 'zod';
import { type PointRecord, standingSchema, verificationSchema } from '../catalog/points';
import { pointIdSchema, sameResource } from '../model/ids';
import { consistencySchema } from '../model/restore-point';
import { transferStatsSchema } from '../model/transfer';
import { planPolicyRetention } from '../workflows/retention/plan';
import { type Caller, inScope } from './caller';
import type { ApiDependencies } from './dependencies';
import { json } from './http';
import { pageOf, pageReply } from './page-reply';
import { notFound } from './problem';
import { pageParameters, vmIdParameter } from './query';
import { defineRoute } from './route';
import { lunSchema, pointIdParameter, readers, sampleVmId } from './schemas';

const pointViewSchema = z
  .strictObject({
    id: pointIdSchema,
    vmId: z.string(),
    vmName: z.string(),
    region: z.string(),
    createdAt: z.string(),
    policy: z.string().optional(),
    jobId: z.string(),
    consistency: consistencySchema,
    skewMs: z.number(),
    excludedLuns: z.array(z.number().int()),
    disks: z.array(
      z.strictObject({
        lun: lunSchema,
        sizeBytes: z.number(),
        mode: z.enum(['full', 'incremental']),
        fullReason: z.string().optional(),
        snapshotTakenAt: z.string(),
        stats: transferStatsSchema,
      }),
    ),
    verifiedAt: z.string().optional(),
    verification: verificationSchema,
    keepReasons: z.array(z.string()).optional().meta({
      description: 'Why its policy keeps it; empty: the policy lets it go. Only in the list of one VM.',
    }),
    hold: standingSchema.shape.hold.meta({ description: "It ends by no rule and by nobody's hand." }),
    expiry: standingSchema.shape.expiry.meta({ description: 'It is given up; the collector takes its data later.' }),
  })
  .meta({ id: 'RestorePoint' });
type PointView = z.output<typeof pointViewSchema>;

export const listPoints = defineRoute({
  name: 'listPoints',
  method: 'GET',
  path: 'restore-points',
  area: 'Restore points',
  roles: readers,
  scope: 'vm',
  mutates: false,
  summary: 'Restore points, newest first',
  description: 'A page may be shorter than `limit` although more follow: only a missing `nextLink` is the end.',
  query: { ...pageParameters, vmId: vmIdParameter.optional() },
  replies: { 200: { description: 'A page of restore points', schema: pageOf(pointViewSchema) } },
  example: { query: { vmId: sampleVmId } },
  handler: async ({ request, caller, query }, deps) => {
    const page = await deps.catalog.points.page(query);
    const reasons = query.vmId === undefined ? undefined : await keepReasons(deps, query.vmId);
    const visible = page.items.filter(({ point }) => inScope(caller, point.machine.id));
    const items = visible.map((record) => {
      const keepReasons = reasons?.get(record.point.id);
      return keepReasons === undefined ? pointView(record) : { ...pointView(record), keepReasons: [...keepReasons] };
    });
    return pageReply(request, items, page.nextCursor);
  },
});

export const getPoint = defineRoute({
  name: 'getPoint',
  method: 'GET',
  path: 'restore-points/{id}',
  area: 'Restore points',
  roles: readers,
  scope: 'vm',
  mutates: false,
  summary: 'One restore point',
  params: pointIdParameter,
  query: { vmId: vmIdParameter.optional() },
  replies: { 200: { description: 'The restore point', schema: pointViewSchema } },
  example: { params: { id: 'p-b-20261122-020000-0011aabb' } },
  handler: async ({ caller, params, query: { vmId } }, deps) => {
    const record = await findPoint(deps, caller, params.id);
    if (vmId !== undefined && !sameResource(vmId, record.point.machine.id)) throw notFound(NO_POINT);
    return json(200, pointView(record));
  },
});

/**
 * Why each point of a VM stays, by its policy as it is now: no reason when the policy lets it go. Points of no policy, or of
 * one that is gone, are not in the map: nothing expires them.
 */
async function keepReasons(
  { catalog, clock }: Pick<ApiDependencies, 'catalog' | 'clock'>,
  vmId: string,
): Promise<Map<string, readonly string[]>> {
  const reasons = new Map<string, readonly string[]>();
  const records = await catalog.points.list({ vmId });
  for (const name of new Set(records.flatMap(({ point }) => point.policy ?? []))) {
    const stored = await catalog.policies.read(name);
    if (!stored) continue;
    const plan = planPolicyRetention(stored.policy, records, clock.now());
    for (const { id, reasons: why } of plan.keep) reasons.set(id, why);
    for (const id of plan.expire) reasons.set(id, []);
  }
  return reasons;
}

const NO_POINT = 'no such restore point';

/** 404 for an unknown id, and for a point of a VM out of the caller's scope. */
export async function findPoint(
  { catalog }: Pick<ApiDependencies, 'catalog'>,
  caller: Pick<Caller, 'scopes'>,
  pointId: string,
): Promise<PointRecord> {
  const record = await catalog.points.read(pointId);
  if (!record || !inScope(caller, record.point.machine.id)) throw notFound(NO_POINT);
  return record;
}

/** Field by field: keys and digests of the store are no caller's business. */
function pointView({ point, verification, standing }: PointRecord): PointView {
  return {
    id: point.id,
    vmId: point.machine.id,
    vmName: point.machine.name,
    region: point.machine.region,
    createdAt: point.createdAt,
    ...(point.policy === undefined ? {} : { policy: point.policy }),
    jobId: point.jobId,
    consistency: point.consistency,
    skewMs: point.skewMs,
    excludedLuns: point.excludedLuns,
    disks: point.disks.map(({ lun, sizeBytes, mode, fullReason, snapshotTakenAt, stats }) => ({
      lun,
      sizeBytes,
      mode,
      ...(fullReason === undefined ? {} : { fullReason }),
      snapshotTakenAt,
      stats,
    })),
    ...(verification.verifiedAt === undefined ? {} : { verifiedAt: verification.verifiedAt }),
    verification,
    ...(standing.hold === undefined ? {} : { hold: standing.hold }),
    ...(standing.expiry === undefined ? {} : { expiry: standing.expiry }),
  };
}
