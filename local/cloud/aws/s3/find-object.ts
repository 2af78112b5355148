import { AwsError } from '../wire/aws-error';
import { authorize, notFound } from './authorize';
import type { Bucket } from './buckets';
import type { S3Call } from './call';
import type { ObjectVersion } from './versions';

/**
 * The version that a read names, after the permission check. Throws AccessDenied, NoSuchKey, NoSuchVersion, and
 * MethodNotAllowed for a delete marker that is asked for by its id.
 * `actions` are the permissions for the current version and for one named by its id.
 */
export function findForRead(
  call: S3Call,
  target: { readonly bucket: Bucket; readonly key: string; readonly versionId: string | undefined },
  actions: ReadonlyArray<{ readonly current: string; readonly byId: string }>,
): ObjectVersion {
  const { bucket, key, versionId } = target;
  for (const action of actions)
    authorize(call, versionId === undefined ? action.current : action.byId, { bucket, key });
  const version =
    versionId === undefined
      ? call.state.versions.current(bucket.name, key)
      : call.state.versions.find(bucket.name, key, versionId);
  if (version === undefined) {
    throw notFound(call, bucket, key, { code: versionId === undefined ? 'NoSuchKey' : 'NoSuchVersion' });
  }
  if (version.isMarker) {
    const headers = { 'x-amz-delete-marker': 'true', 'x-amz-version-id': version.versionId };
    if (versionId === undefined) throw notFound(call, bucket, key, { code: 'NoSuchKey', headers });
    throw new AwsError('MethodNotAllowed', 'The specified method is not allowed against this resource.', { headers });
  }
  return version;
}

export const READ_OBJECT = { current: 's3:GetObject', byId: 's3:GetObjectVersion' } as const;
