/** If-Match and If-None-Match, of writes (412, 404, 409) and of reads (412, 304). */
import { AwsError } from '../wire/aws-error';
import { header, type S3Call } from './call';
import type { ObjectVersion } from './versions';

export interface WriteCondition {
  readonly ifNoneMatch: boolean;
  readonly ifMatch: string | undefined;
}

/** Undefined for an unconditional write. Throws NotImplemented for what S3 does not take on writes either. */
export function writeConditionOf(call: S3Call): WriteCondition | undefined {
  const ifNoneMatch = header(call, 'if-none-match');
  const ifMatch = header(call, 'if-match');
  if (ifNoneMatch === undefined && ifMatch === undefined) return undefined;
  if ((ifNoneMatch !== undefined && ifNoneMatch !== '*') || (ifNoneMatch !== undefined && ifMatch !== undefined)) {
    throw new AwsError('NotImplemented', 'A header you provided implies functionality that is not implemented', {
      elements: { Header: 'If-None-Match' },
    });
  }
  return { ifNoneMatch: ifNoneMatch !== undefined, ifMatch };
}

/** Throws PreconditionFailed or NoSuchKey. A delete marker counts as absent. */
export function checkWriteCondition(condition: WriteCondition, current: ObjectVersion | undefined): void {
  const exists = current !== undefined && !current.isMarker;
  if (condition.ifNoneMatch && exists) throw preconditionFailed('If-None-Match');
  if (condition.ifMatch === undefined) return;
  if (!exists) throw new AwsError('NoSuchKey', 'The specified key does not exist.');
  if (!etagMatches(condition.ifMatch, current.etag)) throw preconditionFailed('If-Match');
}

export function conflict(): AwsError {
  return new AwsError(
    'ConditionalRequestConflict',
    'The conditional request cannot succeed due to a conflicting operation against this resource.',
  );
}

export function preconditionFailed(condition: string): AwsError {
  return new AwsError('PreconditionFailed', 'At least one of the pre-conditions you specified did not hold', {
    elements: { Condition: condition },
  });
}

/** 'modified': send the object; 'not-modified': 304. Throws PreconditionFailed. */
export function checkReadCondition(call: S3Call, version: ObjectVersion): 'modified' | 'not-modified' {
  const ifMatch = header(call, 'if-match');
  const ifNoneMatch = header(call, 'if-none-match');
  const unmodifiedSince = Date.parse(header(call, 'if-unmodified-since') ?? '');
  const modifiedSince = Date.parse(header(call, 'if-modified-since') ?? '');
  const modifiedAt = Math.floor(version.modifiedAt / 1000) * 1000;
  if (ifMatch !== undefined) {
    if (!etagMatches(ifMatch, version.etag)) throw preconditionFailed('If-Match');
  } else if (modifiedAt > unmodifiedSince) {
    throw preconditionFailed('If-Unmodified-Since');
  }
  if (ifNoneMatch !== undefined) return etagMatches(ifNoneMatch, version.etag) ? 'not-modified' : 'modified';
  return modifiedAt <= modifiedSince ? 'not-modified' : 'modified';
}

/** `header` is a list of ETags with or without quotes, or `*`. */
export function etagMatches(header: string, etag: string): boolean {
  return header.split(',').some((candidate) => {
    const bare = candidate.trim().replace(/^W\//, '').replace(/^"|"$/g, '');
    return bare === '*' || bare === etag;
  });
}
