/** Restore points: lists and single ones, in chosen fields. */
import type { PointRecord } from '../catalog/points';
import { pointIdSchema, sameResource } from '../model/ids';
import type { ApiDependencies } from './dependencies';
import { type ApiRequest, type ApiResponse, json, routeParameter } from './http';
import { notFound } from './problem';
import { cursorOf, pageParameters, readQuery, vmIdParameter } from './query';

export async function listPoints(request: ApiRequest, deps: ApiDependencies): Promise<ApiResponse> {
  const query = readQuery(request, { ...pageParameters, vmId: vmIdParameter.optional() });
  const page = await deps.catalog.points.page(query);
  const items = page.items.map(pointView);
  return json(200, page.nextCursor === undefined ? { items } : { items, nextCursor: cursorOf(page.nextCursor) });
}

export async function getPoint(request: ApiRequest, deps: ApiDependencies): Promise<ApiResponse> {
  const { vmId } = readQuery(request, { vmId: vmIdParameter.optional() });
  const record = await findPoint(deps, routeParameter(request, 'id'));
  if (vmId !== undefined && !sameResource(vmId, record.point.machine.id)) throw notFound(NO_POINT);
  return json(200, pointView(record));
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
