/** Which restore points stay. Pure: the points and the rule go in, the verdict on each point comes out. */
import type { Policy } from '../model/policy';

export interface Keepable {
  readonly id: string;
  readonly createdAt: string;
  /** A point that was not verified never counts towards the kept ones: it must not push out a good one. */
  readonly verified: boolean;
}

export interface RetentionPlan {
  /** In the order given, with the reason. */
  readonly keep: readonly { readonly id: string; readonly reason: 'last' | 'newest' }[];
  readonly expire: readonly string[];
}

/**
 * Keeps the `keepLast` newest verified points. The newest point stays whatever it is: it may be the one being verified.
 * Each point of the input is in exactly one of the two lists. Points of one VM only.
 */
export function planRetention(rule: Policy['retention'], points: readonly Keepable[]): RetentionPlan {
  const newestFirst = points.toSorted(newerFirst);
  const kept = new Map<string, 'last' | 'newest'>();
  let counted = 0;
  for (const point of newestFirst) {
    if (!point.verified || counted >= rule.keepLast) continue;
    counted += 1;
    kept.set(point.id, 'last');
  }
  const newest = newestFirst[0];
  if (newest && !kept.has(newest.id)) kept.set(newest.id, 'newest');
  return {
    keep: points.flatMap(({ id }) => {
      const reason = kept.get(id);
      return reason === undefined ? [] : [{ id, reason }];
    }),
    expire: points.filter(({ id }) => !kept.has(id)).map(({ id }) => id),
  };
}

/** By time, and by id where two were made in one millisecond: the verdict must not depend on the order of the input. */
function newerFirst(a: Keepable, b: Keepable): number {
  return Date.parse(b.createdAt) - Date.parse(a.createdAt) || (a.id < b.id ? 1 : a.id > b.id ? -1 : 0);
}
