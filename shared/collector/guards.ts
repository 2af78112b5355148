/** When a cycle stops and asks instead of deleting. Pure: what was seen goes in, the reasons to stop come out. */
import type { LastCycle } from '../format/collector-records';

export interface Tally {
  readonly units: number;
  readonly bytes: number;
}

export interface Seen {
  readonly listed: Tally;
  readonly condemned: Tally;
  /** Registers with a restore point, whatever became of it. */
  readonly points: number;
  /** Point records that no register knows: one of the buckets has lost something. */
  readonly strayRecords: readonly string[];
  readonly last: LastCycle | undefined;
}

/** What a person has allowed for one cycle, by the figures of the report that asked. */
export interface Allowance {
  readonly units: number;
  readonly bytes: number;
  /** Fewer points or units than the last cycle left are taken for the truth. */
  readonly acceptLoss?: boolean;
}

export type StopReason = 'share' | 'units-fell' | 'points-fell' | 'buckets-disagree';

export interface Stop {
  readonly reason: StopReason;
  /** What was seen, and what to do. */
  readonly message: string;
}

const STRAYS_SHOWN = 3;

export function reasonsToStop(seen: Seen, shareMax: number, allowance?: Allowance): Stop[] {
  const { listed, condemned, points, strayRecords, last } = seen;
  const stops: Stop[] = [];
  const allowed = allowance && condemned.units <= allowance.units && condemned.bytes <= allowance.bytes;
  const share = Math.max(shareOf(condemned.units, listed.units), shareOf(condemned.bytes, listed.bytes));
  if (share > shareMax && !allowed) {
    stops.push({
      reason: 'share',
      message: `${condemned.units} of ${listed.units} units (${condemned.bytes} of ${listed.bytes} bytes) would be deleted, more than ${shareMax * 100} %; if so many points were meant to expire, approve these figures`,
    });
  }
  if (last && listed.units < last.units && !allowance?.acceptLoss) {
    stops.push({
      reason: 'units-fell',
      message: `${listed.units} units are listed, the last cycle left ${last.units}: units have vanished, or the listing is not whole; verify the restore points`,
    });
  }
  if (last && points < last.points && !allowance?.acceptLoss) {
    stops.push({
      reason: 'points-fell',
      message: `${points} restore points have registers, the last cycle knew ${last.points}: the control bucket has lost some; rebuild it`,
    });
  }
  if (strayRecords.length > 0) {
    stops.push({
      reason: 'buckets-disagree',
      message: `${strayRecords.length} restore points have a record and no register (${strayRecords.slice(0, STRAYS_SHOWN).join(', ')}): the control bucket has lost objects; rebuild it`,
    });
  }
  return stops;
}

const shareOf = (part: number, whole: number): number => (part === 0 ? 0 : whole === 0 ? 1 : part / whole);
