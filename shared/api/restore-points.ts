/** Restore points: lists and single ones, in chosen fields. */
import type { PointRecord } from '../catalog/points';
import { pointIdSchema, sameResource } from '../model/ids';
import { planRetention } from '../policy/retention';
import type { ApiDependencies } from './dependencies';
import { type ApiRequest, type ApiResponse, json, routeParameter } from './http';
import { notFound } from './problem';
import { cursorOf, pageParameters, readQuery, vmIdParameter } from './query';

export async function listPoints(request: ApiRequest, deps: ApiDependencies): Promise<ApiResponse> {
  const query = readQuery(request, { ...pageParameters, vmId: vmIdParameter.optional() });
  const page = await deps.catalog.points.page(query);
  const reasons = query.vmId === undefined ? undefined : await keepReasons(deps, query.vmId);
  const items = page.items.map((record) => {
    const keepReason = reasons?.get(record.point.id);
    return keepReason === undefined ? pointView(record) : { ...pointView(record), keepReason };
  });
  return json(200, page.nextCursor === undefined ? { items } : { items, nextCursor: cursorOf(page.nextCursor) });
}

export async function getPoint(request: ApiRequest, deps: ApiDependencies): Promise<ApiResponse> {
  const { vmId } = readQuery(request, { vmId: vmIdParameter.optional() });
  const record = await findPoint(deps, routeParameter(request, 'id'));
  if (vmId !== undefined && !sameResource(vmId, record.point.machine.id)) throw notFound(NO_POINT);
  return json(200, pointView(record));
}

/**
 * Why each point of a VM stays, by its policy as it is now: null when the policy would let it go (nothing is removed yet).
 * Points of no policy, or of one that is gone, are not in the map: nothing expires them.
 */
async function keepReasons(
  { catalog }: Pick<ApiDependencies, 'catalog'>,
  vmId: string,
): Promise<Map<string, string | null>> {
  const reasons = new Map<string, string | null>();
  const records = await catalog.points.list({ vmId });
  for (const name of new Set(records.flatMap(({ point }) => point.policy ?? []))) {
    const stored = await catalog.policies.read(name);
    if (!stored) continue;
    const points = records
      .filter(({ point }) => point.policy === name)
      .map(({ point, verification }) => ({
        id: point.id,
        createdAt: point.createdAt,
        verified: verification.level !== 'none',
      }));
    const plan = planRetention(stored.policy.retention, points);
    for (const { id, reason } of plan.keep) reasons.set(id, reason);
    for (const id of plan.expire) reasons.set(id, null);
  }
  return reasons;
}

const NO_POINT = 'no such restore point';

/** 404 for an unknown id, and for a text that cannot be one. */
export async function findPoint({ catalog }: Pick<ApiDependencies, 'catalog'>, pointId: string): Promise<PointRecord> {
  const record = pointIdSchema.safeParse(pointId).success ? await catalog.points.read(pointId) : undefined;
  if (!record) throw notFound(NO_POINT);
  return record;
}

/** Field by field: keys and digests of the store are no caller's business. */
function pointView({ point, verification }: PointRecord) {
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
  };
}
