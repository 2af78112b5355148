/** Whether the caller may do this: role, session and bucket policies over the keys of this request. */
import { type AccessDecision, decideAccess } from '../iam/evaluate';
import { type Policy, parsePolicyText } from '../iam/policy-document';
import { callerKeys, requestKeys } from '../iam/request-keys';
import { AwsError } from '../wire/aws-error';
import type { Bucket } from './buckets';
import { header, type S3Call } from './call';

export interface AccessTarget {
  /** Undefined for actions on the service, such as s3:ListAllMyBuckets. */
  readonly bucket: Bucket | undefined;
  /** Names the bucket when its record does not exist yet. */
  readonly bucketName?: string;
  readonly key?: string | undefined;
  /** Condition keys of this action, names in lower case. */
  readonly keys?: ReadonlyArray<readonly [string, string | undefined]>;
}

/** Throws AccessDenied with the reason in AWS's own words. */
export function authorize(call: S3Call, action: string, target: AccessTarget): void {
  const decision = decide(call, action, target);
  if (!decision.allowed) throw denied(call, action, target, decision.because);
}

export function isAllowed(call: S3Call, action: string, target: AccessTarget): boolean {
  return decide(call, action, target).allowed;
}

/**
 * A missing object is reported as 404 only to those who may list the bucket, otherwise as 403. The check has no
 * s3:prefix, so a permission to list that depends on a prefix does not count.
 * Source: Amazon S3 API reference, GetObject and HeadObject, "Permissions".
 */
export function notFound(
  call: S3Call,
  bucket: Bucket,
  key: string,
  missing: { readonly code: 'NoSuchKey' | 'NoSuchVersion'; readonly headers?: Readonly<Record<string, string>> },
): AwsError {
  const action = missing.code === 'NoSuchVersion' ? 's3:ListBucketVersions' : 's3:ListBucket';
  if (!isAllowed(call, action, { bucket })) {
    return denied(call, action, { bucket }, 'and without it a missing object is not reported as missing');
  }
  const message =
    missing.code === 'NoSuchKey' ? 'The specified key does not exist.' : 'The specified version does not exist.';
  return new AwsError(missing.code, message, {
    elements: { Key: key },
    ...(missing.headers === undefined ? {} : { headers: missing.headers }),
  });
}

function denied(call: S3Call, action: string, target: AccessTarget, because: string): AwsError {
  const { names } = call.auth.caller;
  const who = names.sessionArn ?? names.arn;
  return new AwsError(
    'AccessDenied',
    `User: ${who} is not authorized to perform: ${action} on resource: "${arnOf(target)}" ${because}`,
  );
}

function decide(call: S3Call, action: string, target: AccessTarget): AccessDecision {
  const { caller } = call.auth;
  const keys = requestKeys({
    request: call.request,
    nowMs: call.nowMs,
    region: call.state.account.region,
    secureTransport: call.state.treatLoopbackAsTls,
  });
  for (const [name, values] of callerKeys(caller)) keys.set(name, values);
  for (const [name, value] of [...s3Keys(call), ...(target.keys ?? [])]) {
    if (value !== undefined) keys.set(name, [value]);
  }
  return decideAccess(
    {
      identity: caller.identityPolicies,
      session: caller.sessionPolicy,
      resource: target.bucket?.policy === undefined ? undefined : bucketPolicy(target.bucket.policy),
    },
    { principal: caller.names, action, resource: arnOf(target), keys },
  );
}

function s3Keys(call: S3Call): ReadonlyArray<readonly [string, string | undefined]> {
  const { accountId } = call.state.account;
  const copied = [
    'x-amz-server-side-encryption',
    'x-amz-server-side-encryption-customer-algorithm',
    'x-amz-storage-class',
    'x-amz-acl',
    'x-amz-copy-source',
    'x-amz-metadata-directive',
    'x-amz-content-sha256',
  ];
  return [
    ['aws:resourceaccount', accountId],
    ['s3:resourceaccount', accountId],
    ['s3:authtype', call.auth.presigned ? 'REST-QUERY-STRING' : 'REST-HEADER'],
    ['s3:signatureversion', 'AWS4-HMAC-SHA256'],
    ['s3:versionid', call.address.query.get('versionId')],
    ...copied.map((name) => [`s3:${name}`, header(call, name)] as const),
  ];
}

function arnOf(target: AccessTarget): string {
  const name = target.bucket?.name ?? target.bucketName ?? '*';
  return `arn:aws:s3:::${name}${target.key === undefined ? '' : `/${target.key}`}`;
}

/** Parsed policies by their text: a bucket policy is evaluated with every request. */
const parsedPolicies = new Map<string, Policy>();
const PARSED_POLICIES_MAX = 64;

function bucketPolicy(text: string): Policy {
  const known = parsedPolicies.get(text);
  if (known !== undefined) return known;
  if (parsedPolicies.size >= PARSED_POLICIES_MAX) parsedPolicies.clear();
  const policy = parsePolicyText(text, 'resource');
  parsedPolicies.set(text, policy);
  return policy;
}
