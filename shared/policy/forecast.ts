/** What a schedule and a retention rule would leave over the coming days. Pure. */
import type { RetentionRule } from '../model/policy';
import { type Keepable, type KeepReason, planRetention } from './retention';
import { nextSlotAt, type Schedule } from './schedule';

export interface ForecastDay {
  /** Days from now. */
  readonly day: number;
  readonly points: number;
}

export interface Forecast {
  readonly days: readonly ForecastDay[];
  /** Points that stand at the end, newest first. */
  readonly standing: readonly { readonly createdAt: string; readonly reasons: readonly KeepReason[] }[];
}

const DAY_MS = 86_400_000;
/** A slot a minute for a day is what a schedule may ask for; more is not looked at. */
const SLOTS_MAX = 20_000;

/** Every slot of the schedule gives a verified point, and the rule is applied each day after the last of them. */
export function forecastRetention(
  rule: RetentionRule,
  schedule: Schedule,
  { nowMs, days, points }: { readonly nowMs: number; readonly days: number; readonly points: readonly Keepable[] },
): Forecast {
  let standing: Keepable[] = [...points];
  const counts: ForecastDay[] = [];
  let slots = 0;
  let next = nextSlotAt(schedule, nowMs);
  for (let day = 1; day <= days; day++) {
    const endMs = nowMs + day * DAY_MS;
    for (; next !== undefined && next.getTime() <= endMs && slots < SLOTS_MAX; slots++) {
      const createdAt = next.toISOString();
      standing.push({ id: `slot-${createdAt}`, createdAt, verified: true });
      next = nextSlotAt(schedule, next.getTime());
    }
    const gone = new Set(planRetention(rule, standing, { nowMs: endMs, timeZone: schedule.timeZone }).expire);
    standing = standing.filter(({ id }) => !gone.has(id));
    counts.push({ day, points: standing.length });
  }
  const plan = planRetention(rule, standing, { nowMs: nowMs + days * DAY_MS, timeZone: schedule.timeZone });
  const at = new Map(standing.map(({ id, createdAt }) => [id, createdAt]));
  return {
    days: counts,
    standing: plan.keep
      .map(({ id, reasons }) => ({ createdAt: at.get(id) ?? '', reasons }))
      .toSorted((a, b) => (a.createdAt < b.createdAt ? 1 : -1)),
  };
}
