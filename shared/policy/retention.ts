/**
 * Which restore points stay, and why. Pure: the points of one VM and the rule go in, the verdict on each point comes out.
 *
 * The rules are those of a grandfather-father-son scheme: of each of the newest `daily` days that have a point, the last point
 * stays; the same for hours, weeks, months, years; and the newest `last` points of all. A period without a point counts for
 * nothing, so backups that stop age nothing out, and asking again changes nothing: what is kept by the rules today was kept by
 * them on every day before. Distances are measured from the newest point, never from a clock.
 *
 * Only points that were verified count: one that cannot be restored must not push out one that can. Points that no policy
 * made are not given here at all: they end by hand.
 */
import type { RetentionRule } from '../model/policy';
import { type Period, periodKey, periods } from './calendar';

export interface Keepable {
  readonly id: string;
  /** ISO 8601, by the clock of the product when the point was committed. */
  readonly createdAt: string;
  readonly verified: boolean;
  /** On hold: stays whatever the rules say. */
  readonly held?: boolean;
}

/** `newest`: the newest point stays whatever it is. `doubt`: the times contradict the clock, so nothing is let go. */
export type KeepReason = 'hold' | 'last' | Period | 'within' | 'newest' | 'doubt';

export interface RetentionPlan {
  /** In the order given, with every reason there is. */
  readonly keep: readonly { readonly id: string; readonly reasons: readonly KeepReason[] }[];
  readonly expire: readonly string[];
}

const DAY_MS = 86_400_000;
/** Clocks of two machines may differ by so much. */
const CLOCK_SLACK_MS = 5 * 60_000;

const ruleNames: Readonly<Record<Period, Exclude<keyof RetentionRule, 'keepLast' | 'keepWithinDays' | 'timeZone'>>> = {
  hourly: 'keepHourly',
  daily: 'keepDaily',
  weekly: 'keepWeekly',
  monthly: 'keepMonthly',
  yearly: 'keepYearly',
};

/**
 * Each point of the input is in exactly one of the two lists. `timeZone` is where days begin, unless the rule names one. A
 * point from the future of `nowMs` (epoch ms) shows that some clock is or was wrong, and then everything stays.
 */
export function planRetention(
  rule: RetentionRule,
  points: readonly Keepable[],
  { nowMs, timeZone = 'UTC' }: { readonly nowMs: number; readonly timeZone?: string | undefined },
): RetentionPlan {
  const newestFirst = points.toSorted(newerFirst);
  const reasons = new Map<string, KeepReason[]>(points.map(({ id }) => [id, []]));
  const keep = (point: Keepable, reason: KeepReason): unknown => reasons.get(point.id)?.push(reason);
  const newest = newestFirst[0];
  const verified = newestFirst.filter((point) => point.verified);

  for (const point of newestFirst) if (point.held === true) keep(point, 'hold');
  for (const point of verified.slice(0, rule.keepLast ?? 0)) keep(point, 'last');
  for (const period of periods) {
    const zone = rule.timeZone ?? timeZone;
    for (const point of lastOfEach(period, rule[ruleNames[period]] ?? 0, verified, zone)) keep(point, period);
  }
  if (newest) {
    const floorMs = Date.parse(newest.createdAt) - (rule.keepWithinDays ?? 0) * DAY_MS;
    for (const point of verified) if (Date.parse(point.createdAt) > floorMs) keep(point, 'within');
    keep(newest, 'newest');
    if (Date.parse(newest.createdAt) > nowMs + CLOCK_SLACK_MS) for (const point of points) keep(point, 'doubt');
  }
  const kept = (id: string): readonly KeepReason[] => reasons.get(id) ?? [];
  return {
    keep: points.flatMap(({ id }) => (kept(id).length > 0 ? [{ id, reasons: kept(id) }] : [])),
    expire: points.filter(({ id }) => kept(id).length === 0).map(({ id }) => id),
  };
}

/** The newest point of each of the newest `count` periods that have one. */
function lastOfEach(period: Period, count: number, newestFirst: readonly Keepable[], timeZone: string): Keepable[] {
  const last = new Map<string, Keepable>();
  for (const point of newestFirst) {
    if (last.size >= count) break;
    const key = periodKey(period, Date.parse(point.createdAt), timeZone);
    if (!last.has(key)) last.set(key, point);
  }
  return [...last.values()];
}

/** By time, and by id where two were made in one millisecond: the verdict must not depend on the order of the input. */
function newerFirst(a: Keepable, b: Keepable): number {
  return Date.parse(b.createdAt) - Date.parse(a.createdAt) || (a.id < b.id ? 1 : a.id > b.id ? -1 : 0);
}
