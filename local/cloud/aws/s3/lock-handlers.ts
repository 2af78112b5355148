/** Retention and legal hold of one object version. */
import { AwsError } from '../wire/aws-error';
import { childText, textElement, xmlDocument } from '../wire/xml';
import { authorize, notFound } from './authorize';
import { type Bucket, lockModeOf } from './buckets';
import { malformedXml, receiveXml, requireBucket, requireKey, S3_NAMESPACE, type S3Call, type S3Reply } from './call';
import { mayBypass } from './delete-object';
import { checkRetentionChange, futureDate, lockKeys } from './object-lock';
import type { ObjectLock, ObjectVersion } from './versions';

export function getObjectRetention(call: S3Call): S3Reply {
  const bucket = lockBucket(call);
  const key = requireKey(call);
  authorize(call, 's3:GetObjectRetention', { bucket, key });
  const { mode, untilAt } = lockedVersion(call, bucket, key).lock;
  if (mode === undefined || untilAt === undefined) throw noConfiguration();
  const xml = xmlDocument(
    'Retention',
    S3_NAMESPACE,
    textElement('Mode', mode),
    textElement('RetainUntilDate', new Date(untilAt).toISOString()),
  );
  return { status: 200, xml };
}

export async function putObjectRetention(call: S3Call): Promise<S3Reply> {
  const bucket = lockBucket(call);
  const key = requireKey(call);
  const root = await receiveXml(call, 'Retention');
  const modeText = childText(root, 'Mode');
  const untilText = childText(root, 'RetainUntilDate');
  const mode = lockModeOf(modeText);
  if ((modeText !== undefined && mode === undefined) || (modeText === undefined) !== (untilText === undefined)) {
    throw malformedXml();
  }
  const wanted = { mode, untilAt: untilText === undefined ? undefined : futureDate(untilText, call.nowMs) };
  const keys = lockKeys({ ...wanted, legalHold: false }, call.nowMs);
  authorize(call, 's3:PutObjectRetention', { bucket, key, keys });
  const { database, versions } = call.state;
  database.transaction(() => {
    const version = lockedVersion(call, bucket, key);
    checkRetentionChange(version.lock, wanted, call.nowMs, () => mayBypass(call, bucket, key));
    versions.setLock(version, { ...version.lock, ...wanted });
  });
  return { status: 200 };
}

export function getObjectLegalHold(call: S3Call): S3Reply {
  const bucket = lockBucket(call);
  const key = requireKey(call);
  authorize(call, 's3:GetObjectLegalHold', { bucket, key });
  const { legalHold } = lockedVersion(call, bucket, key).lock;
  return { status: 200, xml: xmlDocument('LegalHold', S3_NAMESPACE, textElement('Status', legalHold ? 'ON' : 'OFF')) };
}

export async function putObjectLegalHold(call: S3Call): Promise<S3Reply> {
  const bucket = lockBucket(call);
  const key = requireKey(call);
  const status = childText(await receiveXml(call, 'LegalHold'), 'Status');
  if (status !== 'ON' && status !== 'OFF') throw malformedXml();
  authorize(call, 's3:PutObjectLegalHold', { bucket, key, keys: [['s3:object-lock-legal-hold', status]] });
  const { database, versions } = call.state;
  database.transaction(() => {
    const version = lockedVersion(call, bucket, key);
    const lock: ObjectLock = { ...version.lock, legalHold: status === 'ON' };
    versions.setLock(version, lock);
  });
  return { status: 200 };
}

function lockBucket(call: S3Call): Bucket {
  const bucket = requireBucket(call);
  if (!bucket.objectLock) throw new AwsError('InvalidRequest', 'Bucket is missing Object Lock Configuration');
  return bucket;
}

function lockedVersion(call: S3Call, bucket: Bucket, key: string): ObjectVersion {
  const versionId = call.address.query.get('versionId');
  const { versions } = call.state;
  const version =
    versionId === undefined ? versions.current(bucket.name, key) : versions.find(bucket.name, key, versionId);
  if (version === undefined) {
    throw notFound(call, bucket, key, { code: versionId === undefined ? 'NoSuchKey' : 'NoSuchVersion' });
  }
  if (version.isMarker)
    throw new AwsError('MethodNotAllowed', 'The specified method is not allowed against this resource.');
  return version;
}

function noConfiguration(): AwsError {
  return new AwsError('NoSuchObjectLockConfiguration', 'The specified object does not have a ObjectLock configuration');
}
