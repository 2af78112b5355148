/**
 * One status for each VM. It is green only when every reason to doubt has been looked at and found absent: a fact that is not
 * known counts against the VM, never for it. Pure; `test/observe` holds the table of states.
 */

/** Worst first: the status of a VM is that of its worst finding. */
export const vmStates = ['unprotected', 'at-risk', 'protected', 'excluded'] as const;
export type VmState = (typeof vmStates)[number];

export interface VmFacts {
  /** Enabled policies that select the VM. */
  readonly policies: readonly string[];
  /** By which rule the VM is left out on purpose. */
  readonly excludedBy?: string | undefined;
  /** Why it cannot be backed up, such as a disk of a kind that has no snapshots. */
  readonly obstacle?: string | undefined;
  /** The newest restore point; undefined: none. */
  readonly lastPointAt?: string | undefined;
  /** The newest one that was verified. */
  readonly lastVerifiedAt?: string | undefined;
  /** A verification that found damage, newer than the last good one. */
  readonly verificationFailed?: boolean | undefined;
  /** The newest point lacks disks that the VM has. */
  readonly partial?: boolean | undefined;
  /** The last job that ended did not succeed. */
  readonly lastJobFailed?: boolean | undefined;
  /** How old the newest point may be; undefined: no policy says when. */
  readonly rpoSeconds?: number | undefined;
  /** What is true of the whole installation and no VM can be better than; words for people. */
  readonly doubts: readonly string[];
  readonly nowMs: number;
}

export interface VmStatus {
  readonly state: VmState;
  /** Why, worst first; empty when protected. */
  readonly reasons: readonly string[];
  /** How much older the newest point is than it may be, in seconds; 0 when in time; undefined without point or target. */
  readonly rpoGapSeconds?: number | undefined;
}

/** Verification follows a backup within the same job: it may lag by what one more interval takes. */
const VERIFIED_INTERVALS = 2;
/** A job takes its time: a point is late only when it misses its interval by this much. */
const GRACE_SECONDS = 3600;

export function vmStatus(facts: VmFacts): VmStatus {
  const reasons: string[] = [];
  if (facts.excludedBy !== undefined && facts.policies.length === 0) {
    return { state: 'excluded', reasons: [`excluded by ${facts.excludedBy}`] };
  }
  if (facts.policies.length === 0) reasons.push('no enabled policy selects it');
  if (facts.obstacle !== undefined) reasons.push(facts.obstacle);
  const pointAge = ageSeconds(facts.lastPointAt, facts.nowMs);
  if (pointAge === undefined) reasons.push('it has no restore point');
  if (reasons.length > 0) return { state: 'unprotected', reasons };

  const gap = rpoGap(facts, pointAge);
  if (facts.rpoSeconds === undefined) reasons.push('its policies have no schedule');
  if (gap !== undefined && gap > 0) reasons.push(`its newest restore point is ${words(gap)} too old`);
  if (pointAge !== undefined && pointAge < 0)
    reasons.push('its newest restore point lies in the future: check the clock');
  if (facts.verificationFailed) reasons.push('its last verification found damage');
  const verifiedAge = ageSeconds(facts.lastVerifiedAt, facts.nowMs);
  if (verifiedAge === undefined) reasons.push('none of its restore points is verified');
  else if (facts.rpoSeconds !== undefined && verifiedAge > VERIFIED_INTERVALS * facts.rpoSeconds + GRACE_SECONDS) {
    reasons.push(`its newest verified restore point is ${words(verifiedAge)} old`);
  }
  if (facts.partial) reasons.push('its newest restore point lacks disks');
  if (facts.lastJobFailed) reasons.push('its last backup failed');
  reasons.push(...facts.doubts);
  const state = reasons.length > 0 ? 'at-risk' : 'protected';
  return gap === undefined ? { state, reasons } : { state, reasons, rpoGapSeconds: gap };
}

function rpoGap({ rpoSeconds }: VmFacts, pointAge: number | undefined): number | undefined {
  if (rpoSeconds === undefined || pointAge === undefined) return undefined;
  return Math.max(0, Math.round(pointAge - rpoSeconds - GRACE_SECONDS));
}

/** undefined for an instant that is absent, or none at all: what cannot be read is no evidence. */
function ageSeconds(instant: string | undefined, nowMs: number): number | undefined {
  const atMs = instant === undefined ? Number.NaN : Date.parse(instant);
  return Number.isNaN(atMs) ? undefined : (nowMs - atMs) / 1000;
}

function words(seconds: number): string {
  const hours = seconds / 3600;
  if (hours < 1) return `${Math.max(1, Math.round(seconds / 60))} min`;
  return hours < 72 ? `${Math.round(hours)} h` : `${Math.round(hours / 24)} d`;
}
