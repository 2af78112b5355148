/**
 * Object Lock rules. COMPLIANCE can only be extended, by anybody with the permission; GOVERNANCE gives way to a
 * caller with s3:BypassGovernanceRetention who says so; a legal hold has no end. They protect versions: new
 * versions and delete markers are always possible.
 * Source: Amazon S3 user guide, "Locking objects with Object Lock".
 */
import { AwsError } from '../wire/aws-error';
import { type Bucket, lockModeOf } from './buckets';
import { header, type S3Call } from './call';
import type { ObjectLock } from './versions';

export const NO_LOCK: ObjectLock = { mode: undefined, untilAt: undefined, legalHold: false };
const DAY_MS = 86_400_000;

/** The lock that the headers of a write ask for; undefined when they ask for none. */
export function lockHeadersOf(call: S3Call, bucket: Bucket): ObjectLock | undefined {
  const modeText = header(call, 'x-amz-object-lock-mode');
  const untilText = header(call, 'x-amz-object-lock-retain-until-date');
  const holdText = header(call, 'x-amz-object-lock-legal-hold');
  if (modeText === undefined && untilText === undefined && holdText === undefined) return undefined;
  if (!bucket.objectLock) throw new AwsError('InvalidRequest', 'Bucket is missing Object Lock Configuration');
  if ((modeText === undefined) !== (untilText === undefined)) {
    throw new AwsError(
      'InvalidArgument',
      'x-amz-object-lock-retain-until-date and x-amz-object-lock-mode must both be supplied',
    );
  }
  const mode = lockModeOf(modeText);
  if (modeText !== undefined && mode === undefined)
    throw new AwsError('InvalidArgument', 'Unknown wormMode directive.');
  if (holdText !== undefined && holdText !== 'ON' && holdText !== 'OFF') {
    throw new AwsError('InvalidArgument', 'Legal Hold must be either of ON or OFF');
  }
  return {
    mode,
    untilAt: untilText === undefined ? undefined : futureDate(untilText, call.nowMs),
    legalHold: holdText === 'ON',
  };
}

/** What a write without lock headers gets from the bucket's default. */
export function defaultLock(bucket: Bucket, nowMs: number): ObjectLock {
  const retention = bucket.defaultRetention;
  if (retention === undefined) return NO_LOCK;
  const untilAt = new Date(nowMs);
  if (retention.years !== undefined) untilAt.setUTCFullYear(untilAt.getUTCFullYear() + retention.years);
  else untilAt.setUTCDate(untilAt.getUTCDate() + (retention.days ?? 0));
  return { mode: retention.mode, untilAt: untilAt.getTime(), legalHold: false };
}

/** Throws InvalidArgument. */
export function futureDate(text: string, nowMs: number): number {
  const at = /^\d{4}-\d\d-\d\dT/.test(text) ? Date.parse(text) : Number.NaN;
  if (Number.isNaN(at))
    throw new AwsError('InvalidArgument', 'The retain until date must be provided in ISO 8601 format');
  if (at <= nowMs) throw new AwsError('InvalidArgument', 'The retain until date must be in the future!');
  return at;
}

/** s3:object-lock-remaining-retention-days, rounded up. */
export function remainingDays(untilAt: number, nowMs: number): number {
  return Math.ceil((untilAt - nowMs) / DAY_MS);
}

/** The condition keys of a lock that a request asks for. */
export function lockKeys(lock: ObjectLock, nowMs: number): ReadonlyArray<readonly [string, string | undefined]> {
  const { mode, untilAt } = lock;
  return [
    ['s3:object-lock-mode', mode],
    ['s3:object-lock-retain-until-date', untilAt === undefined ? undefined : new Date(untilAt).toISOString()],
    [
      's3:object-lock-remaining-retention-days',
      untilAt === undefined ? undefined : String(remainingDays(untilAt, nowMs)),
    ],
    ['s3:object-lock-legal-hold', lock.legalHold ? 'ON' : undefined],
  ];
}

/** `mayBypass` is asked only when it matters. Throws AccessDenied. */
export function checkDeletable(lock: ObjectLock, nowMs: number, mayBypass: () => boolean): void {
  if (lock.legalHold) throw lockedError('a legal hold');
  if (lock.mode === undefined || (lock.untilAt ?? 0) <= nowMs) return;
  if (lock.mode === 'COMPLIANCE' || !mayBypass()) throw lockedError(`${lock.mode} retention`);
}

/** Whether the new retention is one that the old lock admits. Throws AccessDenied. */
export function checkRetentionChange(
  old: ObjectLock,
  wanted: Pick<ObjectLock, 'mode' | 'untilAt'>,
  nowMs: number,
  mayBypass: () => boolean,
): void {
  const oldUntil = old.untilAt ?? 0;
  if (old.mode === undefined || oldUntil <= nowMs) return;
  const isLonger = wanted.mode !== undefined && (wanted.untilAt ?? 0) >= oldUntil;
  if (old.mode === 'COMPLIANCE') {
    if (!isLonger || wanted.mode !== 'COMPLIANCE') throw lockedError('COMPLIANCE retention');
  } else if (!isLonger && !mayBypass()) {
    throw lockedError('GOVERNANCE retention');
  }
}

function lockedError(what: string): AwsError {
  return new AwsError('AccessDenied', `Access Denied because object protected by object lock (${what}).`);
}
