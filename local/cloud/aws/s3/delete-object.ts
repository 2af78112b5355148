/** DeleteObject and DeleteObjects. */
import { AwsError } from '../wire/aws-error';
import { hasIntegrityHeader } from '../wire/body';
import { childrenOf, childText, element, textElement, type XmlElement, xmlDocument } from '../wire/xml';
import { authorize, isAllowed } from './authorize';
import type { Bucket } from './buckets';
import {
  header,
  malformedXml,
  receiveXml,
  requireBucket,
  requireKey,
  S3_NAMESPACE,
  type S3Call,
  type S3Reply,
} from './call';
import { newVersionId } from './new-version';
import { checkDeletable, NO_LOCK } from './object-lock';
import { etagMatches, preconditionFailed } from './preconditions';
import type { ObjectVersion } from './versions';

const KEYS_MAX = 1000;

interface DeleteTarget {
  readonly key: string;
  readonly versionId: string | undefined;
  readonly ifMatch: string | undefined;
}

/** What was done: a marker was added, or a version (which may be a marker) removed. */
interface DeleteOutcome {
  readonly versionId: string | undefined;
  readonly isMarker: boolean;
}

export function deleteObject(call: S3Call): S3Reply {
  const bucket = requireBucket(call);
  const outcome = deleteOne(call, bucket, {
    key: requireKey(call),
    versionId: call.address.query.get('versionId'),
    ifMatch: header(call, 'if-match'),
  });
  return {
    status: 204,
    headers: {
      ...(outcome.isMarker ? { 'x-amz-delete-marker': 'true' } : {}),
      ...(outcome.versionId === undefined ? {} : { 'x-amz-version-id': outcome.versionId }),
    },
  };
}

/** Up to 1000 keys; each has its own permission check and its own error in a 200 answer. */
export async function deleteObjects(call: S3Call): Promise<S3Reply> {
  const bucket = requireBucket(call);
  if (!hasIntegrityHeader(call.request)) {
    throw new AwsError('InvalidRequest', 'Missing required header for this request: Content-MD5 OR x-amz-checksum-*');
  }
  const root = await receiveXml(call, 'Delete');
  const quiet = childText(root, 'Quiet') === 'true';
  const targets = childrenOf(root, 'Object').map(targetOf);
  if (targets.length === 0 || targets.length > KEYS_MAX) throw malformedXml();
  const results = targets.map((target) => {
    try {
      const outcome = deleteOne(call, bucket, target);
      return quiet ? '' : deletedElement(target, outcome);
    } catch (error) {
      if (!(error instanceof AwsError)) throw error;
      return element(
        'Error',
        textElement('Key', target.key),
        textElement('VersionId', target.versionId),
        textElement('Code', error.code),
        textElement('Message', error.message),
      );
    }
  });
  return { status: 200, xml: xmlDocument('DeleteResult', S3_NAMESPACE, ...results) };
}

function targetOf(item: XmlElement): DeleteTarget {
  // Not trimmed: spaces are part of a key.
  const key = item.children.find((child) => child.name === 'Key')?.text;
  if (key === undefined || key === '') throw malformedXml();
  return { key, versionId: childText(item, 'VersionId'), ifMatch: childText(item, 'ETag') };
}

function deletedElement(target: DeleteTarget, outcome: DeleteOutcome): string {
  return element(
    'Deleted',
    textElement('Key', target.key),
    textElement('VersionId', target.versionId),
    ...(outcome.isMarker
      ? [textElement('DeleteMarker', true), textElement('DeleteMarkerVersionId', outcome.versionId)]
      : []),
  );
}

function deleteOne(call: S3Call, bucket: Bucket, target: DeleteTarget): DeleteOutcome {
  const { key, versionId, ifMatch } = target;
  const action = versionId === undefined ? 's3:DeleteObject' : 's3:DeleteObjectVersion';
  authorize(call, action, {
    bucket,
    key,
    keys: [
      ['s3:if-match', ifMatch],
      ['s3:versionid', versionId],
    ],
  });
  if (ifMatch !== undefined) authorize(call, 's3:GetObject', { bucket, key });
  const { database, versions, files, conflicts } = call.state;
  const done = database.transaction(() => {
    if (ifMatch !== undefined) checkDeleteCondition(ifMatch, versions.current(bucket.name, key));
    if (versionId !== undefined)
      return removeVersion(call, bucket, versions.find(bucket.name, key, versionId), versionId);
    if (bucket.versioning === '') return removeVersion(call, bucket, versions.current(bucket.name, key), undefined);
    const markerId = bucket.versioning === 'Enabled' ? newVersionId() : 'null';
    const removed = versions.insert({
      ...MARKER,
      bucket: bucket.name,
      key,
      versionId: markerId,
      modifiedAt: call.nowMs,
    });
    return { removed, outcome: { versionId: markerId, isMarker: true } };
  });
  conflicts.changed(bucket.name, key);
  files.remove(done.removed);
  return done.outcome;
}

function removeVersion(
  call: S3Call,
  bucket: Bucket,
  version: ObjectVersion | undefined,
  versionId: string | undefined,
): { readonly removed: ObjectVersion['segments']; readonly outcome: DeleteOutcome } {
  const isMarker = version?.isMarker === true;
  if (version === undefined) return { removed: [], outcome: { versionId, isMarker } }; // deleting nothing succeeds
  checkDeletable(version.lock, call.nowMs, () => mayBypass(call, bucket, version.key));
  return { removed: call.state.versions.remove(version), outcome: { versionId, isMarker } };
}

/** Whether the caller both asks to bypass GOVERNANCE retention and may. */
export function mayBypass(call: S3Call, bucket: Bucket, key: string): boolean {
  return (
    header(call, 'x-amz-bypass-governance-retention')?.toLowerCase() === 'true' &&
    isAllowed(call, 's3:BypassGovernanceRetention', { bucket, key })
  );
}

function checkDeleteCondition(ifMatch: string, current: ObjectVersion | undefined): void {
  if (current === undefined) throw new AwsError('NoSuchKey', 'The specified key does not exist.');
  if (current.isMarker || !etagMatches(ifMatch, current.etag)) throw preconditionFailed('If-Match');
}

const MARKER = {
  isMarker: true,
  sizeBytes: 0,
  etag: '',
  segments: [],
  parts: undefined,
  headers: {},
  storageClass: 'STANDARD',
  checksum: undefined,
  lock: NO_LOCK,
} as const;
