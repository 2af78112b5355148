/** Buckets themselves: create, head, delete, list, location. */
import { AwsError } from '../wire/aws-error';
import { receiveSmallBody } from '../wire/body';
import { childText, element, parseXml, textElement, xmlDocument } from '../wire/xml';
import { authorize } from './authorize';
import { header, malformedXml, requireBucket, S3_NAMESPACE, type S3Call, type S3Reply } from './call';

export function listBuckets(call: S3Call): S3Reply {
  authorize(call, 's3:ListAllMyBuckets', { bucket: undefined });
  const prefix = call.address.query.get('prefix') ?? '';
  const buckets = call.state.buckets.list().filter((bucket) => bucket.name.startsWith(prefix));
  const xml = xmlDocument(
    'ListAllMyBucketsResult',
    S3_NAMESPACE,
    element('Owner', textElement('ID', call.state.account.accountId)),
    element(
      'Buckets',
      ...buckets.map((bucket) =>
        element(
          'Bucket',
          textElement('Name', bucket.name),
          textElement('CreationDate', new Date(bucket.createdAt).toISOString()),
          textElement('BucketRegion', bucket.region),
        ),
      ),
    ),
  );
  return { status: 200, xml };
}

export async function createBucket(call: S3Call): Promise<S3Reply> {
  const name = call.address.bucket ?? '';
  const { account, buckets } = call.state;
  authorize(call, 's3:CreateBucket', { bucket: undefined, bucketName: name });
  if (!/^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/.test(name) || /\.\.|\.-|-\.|^\d+\.\d+\.\d+\.\d+$/.test(name)) {
    throw new AwsError('InvalidBucketName', 'The specified bucket is not valid.', { elements: { BucketName: name } });
  }
  await checkLocation(call);
  if (buckets.get(name) !== undefined) {
    throw new AwsError(
      'BucketAlreadyOwnedByYou',
      'Your previous request to create the named bucket succeeded and you already own it.',
      { elements: { BucketName: name } },
    );
  }
  const objectLock = header(call, 'x-amz-bucket-object-lock-enabled')?.toLowerCase() === 'true';
  buckets.create({ name, region: account.region, createdAt: call.nowMs, objectLock });
  return { status: 200, headers: { location: `/${name}` } };
}

async function checkLocation(call: S3Call): Promise<void> {
  const { bytes } = await receiveSmallBody(call.request, call.auth.payload, { bytesMax: 64 * 1024 });
  if (bytes.length === 0) return;
  const root = parseXml(bytes.toString('utf8'));
  if (root?.name !== 'CreateBucketConfiguration') throw malformedXml();
  const location = childText(root, 'LocationConstraint');
  if (location !== undefined && location !== call.state.account.region) {
    throw new AwsError(
      'IllegalLocationConstraintException',
      `The ${location} location constraint is incompatible for the region specific endpoint this request was sent to.`,
    );
  }
}

export function headBucket(call: S3Call): S3Reply {
  const bucket = requireBucket(call);
  authorize(call, 's3:ListBucket', { bucket });
  return { status: 200, headers: { 'x-amz-bucket-region': bucket.region } };
}

export function deleteBucket(call: S3Call): S3Reply {
  const bucket = requireBucket(call);
  authorize(call, 's3:DeleteBucket', { bucket });
  const { buckets, uploads } = call.state;
  if (!buckets.isEmpty(bucket.name) || uploads.list(bucket.name).length > 0) {
    throw new AwsError('BucketNotEmpty', 'The bucket you tried to delete is not empty', {
      elements: { BucketName: bucket.name },
    });
  }
  buckets.remove(bucket.name);
  return { status: 204 };
}

export function getBucketLocation(call: S3Call): S3Reply {
  const bucket = requireBucket(call);
  authorize(call, 's3:GetBucketLocation', { bucket });
  const region = bucket.region === 'us-east-1' ? '' : bucket.region;
  return { status: 200, xml: xmlDocument('LocationConstraint', S3_NAMESPACE, region) };
}
