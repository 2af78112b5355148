/** How old a restore point may become by what its policy's schedule says. */
import { nextSlotAt, type Schedule } from './schedule';

/** A week of daily slots with its weekend. */
const SLOTS_SEEN = 8;

/** The longest gap among the next slots, in seconds: on weekdays only, that is the weekend. undefined without a schedule. */
export function expectedIntervalSeconds(
  { schedule }: { readonly schedule?: Schedule | undefined },
  nowMs: number,
): number | undefined {
  if (schedule === undefined) return undefined;
  let longest: number | undefined;
  let at = nextSlotAt(schedule, nowMs)?.getTime();
  for (let seen = 1; seen < SLOTS_SEEN && at !== undefined; seen += 1) {
    const next = nextSlotAt(schedule, at)?.getTime();
    if (next !== undefined) longest = Math.max(longest ?? 0, (next - at) / 1000);
    at = next;
  }
  return longest;
}
