/** Versioning, Object Lock configuration, bucket policy and lifecycle (stored, never executed). */
import { PolicyError, parsePolicyText } from '../iam/policy-document';
import { AwsError } from '../wire/aws-error';
import { receiveSmallBody } from '../wire/body';
import { childOf, childrenOf, childText, element, textElement, type XmlElement, xmlDocument } from '../wire/xml';
import { authorize } from './authorize';
import { type DefaultRetention, lockModeOf } from './buckets';
import { malformedXml, receiveXml, requireBucket, S3_NAMESPACE, type S3Call, type S3Reply } from './call';

const POLICY_BYTES_MAX = 20 * 1024;

export function getBucketVersioning(call: S3Call): S3Reply {
  const bucket = requireBucket(call);
  authorize(call, 's3:GetBucketVersioning', { bucket });
  const status = textElement('Status', bucket.versioning === '' ? undefined : bucket.versioning);
  return { status: 200, xml: xmlDocument('VersioningConfiguration', S3_NAMESPACE, status) };
}

export async function putBucketVersioning(call: S3Call): Promise<S3Reply> {
  const bucket = requireBucket(call);
  authorize(call, 's3:PutBucketVersioning', { bucket });
  const status = childText(await receiveXml(call, 'VersioningConfiguration'), 'Status');
  if (status !== 'Enabled' && status !== 'Suspended') throw malformedXml();
  if (status === 'Suspended' && bucket.objectLock) {
    throw new AwsError(
      'InvalidBucketState',
      'An Object Lock configuration is present on this bucket, so the versioning state cannot be changed.',
    );
  }
  call.state.buckets.setVersioning(bucket.name, status);
  return { status: 200 };
}

export function getObjectLockConfiguration(call: S3Call): S3Reply {
  const bucket = requireBucket(call);
  authorize(call, 's3:GetBucketObjectLockConfiguration', { bucket });
  if (!bucket.objectLock) {
    throw new AwsError(
      'ObjectLockConfigurationNotFoundError',
      'Object Lock configuration does not exist for this bucket',
    );
  }
  const retention = bucket.defaultRetention;
  const rule =
    retention === undefined
      ? ''
      : element(
          'Rule',
          element(
            'DefaultRetention',
            textElement('Mode', retention.mode),
            textElement('Days', retention.days),
            textElement('Years', retention.years),
          ),
        );
  const enabled = textElement('ObjectLockEnabled', 'Enabled');
  return { status: 200, xml: xmlDocument('ObjectLockConfiguration', S3_NAMESPACE, enabled, rule) };
}

export async function putObjectLockConfiguration(call: S3Call): Promise<S3Reply> {
  const bucket = requireBucket(call);
  authorize(call, 's3:PutBucketObjectLockConfiguration', { bucket });
  const root = await receiveXml(call, 'ObjectLockConfiguration');
  if (bucket.versioning !== 'Enabled') {
    throw new AwsError(
      'InvalidBucketState',
      "Versioning must be 'Enabled' on the bucket to apply a Object Lock configuration",
    );
  }
  if (childText(root, 'ObjectLockEnabled') !== 'Enabled') throw malformedXml();
  const rule = childOf(root, 'Rule');
  call.state.buckets.setObjectLock(bucket.name, rule === undefined ? undefined : parseDefault(rule));
  return { status: 200 };
}

function parseDefault(rule: XmlElement): DefaultRetention {
  const retention = childOf(rule, 'DefaultRetention');
  const mode = retention === undefined ? undefined : lockModeOf(childText(retention, 'Mode'));
  if (retention === undefined || mode === undefined) throw malformedXml();
  const days = childText(retention, 'Days');
  const years = childText(retention, 'Years');
  const count = Number(days ?? years);
  if ((days === undefined) === (years === undefined)) throw malformedXml();
  if (!Number.isInteger(count) || count < 1 || count > (days === undefined ? 100 : 36_500)) {
    throw new AwsError('InvalidArgument', 'Default retention period must be a positive integer value.');
  }
  return {
    mode,
    days: days === undefined ? undefined : count,
    years: years === undefined ? undefined : count,
  };
}

export function getBucketPolicy(call: S3Call): S3Reply {
  const bucket = requireBucket(call);
  authorize(call, 's3:GetBucketPolicy', { bucket });
  if (bucket.policy === undefined) throw new AwsError('NoSuchBucketPolicy', 'The bucket policy does not exist');
  return { status: 200, json: bucket.policy };
}

export async function putBucketPolicy(call: S3Call): Promise<S3Reply> {
  const bucket = requireBucket(call);
  authorize(call, 's3:PutBucketPolicy', { bucket });
  const { bytes } = await receiveSmallBody(call.request, call.auth.payload, { bytesMax: POLICY_BYTES_MAX });
  const text = bytes.toString('utf8');
  checkBucketPolicy(text, bucket.name);
  call.state.buckets.setPolicy(bucket.name, text);
  return { status: 204 };
}

/** Throws MalformedPolicy, also for a resource outside the bucket. */
function checkBucketPolicy(text: string, bucketName: string): void {
  try {
    const arn = `arn:aws:s3:::${bucketName}`;
    for (const { resource } of parsePolicyText(text, 'resource').statements) {
      const foreign = resource?.patterns.find((pattern) => pattern !== arn && !pattern.startsWith(`${arn}/`));
      if (foreign !== undefined) throw new PolicyError(`Policy has invalid resource ${foreign}`);
    }
  } catch (error) {
    if (error instanceof PolicyError) throw new AwsError('MalformedPolicy', error.message);
    throw error;
  }
}

export function deleteBucketPolicy(call: S3Call): S3Reply {
  const bucket = requireBucket(call);
  authorize(call, 's3:DeleteBucketPolicy', { bucket });
  call.state.buckets.setPolicy(bucket.name, undefined);
  return { status: 204 };
}

export function getBucketLifecycle(call: S3Call): S3Reply {
  const bucket = requireBucket(call);
  authorize(call, 's3:GetLifecycleConfiguration', { bucket });
  if (bucket.lifecycle === undefined) {
    throw new AwsError('NoSuchLifecycleConfiguration', 'The lifecycle configuration does not exist');
  }
  return { status: 200, xml: xmlDocument('LifecycleConfiguration', S3_NAMESPACE, bucket.lifecycle) };
}

export async function putBucketLifecycle(call: S3Call): Promise<S3Reply> {
  const bucket = requireBucket(call);
  authorize(call, 's3:PutLifecycleConfiguration', { bucket });
  const rules = childrenOf(await receiveXml(call, 'LifecycleConfiguration'), 'Rule');
  if (rules.length === 0 || rules.length > 1000 || rules.some((rule) => childText(rule, 'Status') === undefined)) {
    throw malformedXml();
  }
  call.state.buckets.setLifecycle(bucket.name, rules.map(writeBack).join(''));
  return { status: 200 };
}

export function deleteBucketLifecycle(call: S3Call): S3Reply {
  const bucket = requireBucket(call);
  authorize(call, 's3:PutLifecycleConfiguration', { bucket });
  call.state.buckets.setLifecycle(bucket.name, undefined);
  return { status: 204 };
}

function writeBack(item: XmlElement): string {
  return item.children.length === 0
    ? textElement(item.name, item.text)
    : element(item.name, ...item.children.map(writeBack));
}
