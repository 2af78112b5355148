/** A policy's retention on the points that the catalog knows of one VM. Pure. */
import type { PointRecord } from '../../catalog/points';
import type { Policy } from '../../model/policy';
import { planRetention, type RetentionPlan } from '../../policy/retention';

/** Points that another policy made, or none, are left out: each policy counts its own. */
export function planPolicyRetention(
  policy: Pick<Policy, 'name' | 'retention' | 'schedule'>,
  records: readonly PointRecord[],
  nowMs: number,
): RetentionPlan {
  const points = records
    .filter(({ point }) => point.policy === policy.name)
    .map(({ point, verification, standing }) => ({
      id: point.id,
      createdAt: point.createdAt,
      verified: verification.level !== 'none',
      held: standing.hold !== undefined,
    }));
  return planRetention(policy.retention, points, { nowMs, timeZone: policy.schedule?.timeZone });
}
