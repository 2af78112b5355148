/** CreateMultipartUpload, UploadPart, AbortMultipartUpload, ListParts, ListMultipartUploads. */
import { randomBytes } from 'node:crypto';
import { AwsError } from '../wire/aws-error';
import {
  type ChecksumAlgorithm,
  type ChecksumType,
  checksumElement,
  checksumHeader,
  crcKindOf,
  parseChecksumAlgorithm,
} from '../wire/checksums';
import { element, textElement, xmlDocument } from '../wire/xml';
import { authorize } from './authorize';
import { header, requireBucket, requireKey, S3_NAMESPACE, type S3Call, type S3Reply, wholeNumber } from './call';
import { authorizeWrite, effectiveLock, requestedLock } from './new-version';
import { refuseUnsupportedWriteHeaders, storageClassOf, storedHeadersOf } from './object-headers';
import { receiveFile } from './put-object';
import type { Upload } from './uploads';

const PART_BYTES_MAX = 5 * 1024 ** 3;
const PARTS_MAX = 10_000;

export function createMultipartUpload(call: S3Call): S3Reply {
  const bucket = requireBucket(call);
  const key = requireKey(call);
  const lock = requestedLock(call, bucket, { needsIntegrity: false });
  authorizeWrite(call, { bucket, key }, { creates: false, lock });
  refuseUnsupportedWriteHeaders(call);
  const { algorithm, type } = checksumPlan(call);
  const uploadId = randomBytes(32).toString('base64url');
  call.state.uploads.create({
    uploadId,
    bucket: bucket.name,
    key,
    initiatedAt: call.nowMs,
    headers: storedHeadersOf(call),
    storageClass: storageClassOf(call),
    checksumAlgorithm: algorithm,
    checksumType: type,
    lock: effectiveLock(bucket, lock, call.nowMs),
  });
  return {
    status: 200,
    headers: {
      'x-amz-server-side-encryption': 'AES256',
      ...(algorithm === undefined || type === undefined
        ? {}
        : { 'x-amz-checksum-algorithm': algorithm, 'x-amz-checksum-type': type }),
    },
    xml: xmlDocument(
      'InitiateMultipartUploadResult',
      S3_NAMESPACE,
      textElement('Bucket', bucket.name),
      textElement('Key', key),
      textElement('UploadId', uploadId),
    ),
  };
}

function checksumPlan(call: S3Call): {
  readonly algorithm: ChecksumAlgorithm | undefined;
  readonly type: ChecksumType | undefined;
} {
  const name = header(call, 'x-amz-checksum-algorithm');
  const type = header(call, 'x-amz-checksum-type');
  if (name === undefined) {
    if (type !== undefined) {
      throw new AwsError(
        'InvalidRequest',
        'The x-amz-checksum-type header can only be used with x-amz-checksum-algorithm.',
      );
    }
    return { algorithm: undefined, type: undefined };
  }
  const algorithm = parseChecksumAlgorithm(name);
  if (algorithm === undefined) throw new AwsError('InvalidRequest', 'Checksum algorithm provided is unsupported.');
  const wanted = type ?? (algorithm === 'CRC64NVME' ? 'FULL_OBJECT' : 'COMPOSITE');
  const isPossible =
    wanted === 'FULL_OBJECT' ? crcKindOf(algorithm) !== undefined : wanted === 'COMPOSITE' && algorithm !== 'CRC64NVME';
  if (!isPossible) {
    throw new AwsError('InvalidRequest', `The ${wanted} checksum type cannot be used with the ${algorithm} algorithm.`);
  }
  return { algorithm, type: wanted === 'FULL_OBJECT' ? 'FULL_OBJECT' : 'COMPOSITE' };
}

export async function uploadPart(call: S3Call): Promise<S3Reply> {
  const bucket = requireBucket(call);
  const key = requireKey(call);
  authorizeWrite(call, { bucket, key }, { creates: false, lock: undefined });
  const number = wholeNumber(call.address.query.get('partNumber') ?? '', 'partNumber', { min: 1, max: PARTS_MAX });
  const upload = requireUpload(call);
  refuseUnsupportedWriteHeaders(call);
  const data = await receiveFile(call, PART_BYTES_MAX);
  const { md5, checksum, sizeBytes } = data.received;
  const etag = md5.toString('hex');
  try {
    checkPartChecksum(upload, checksum?.algorithm);
    const { database, uploads, files } = call.state;
    const replaced = database.transaction(() => {
      requireUpload(call); // it may have been completed or aborted while the body arrived
      return uploads.putPart(upload.uploadId, {
        number,
        etag,
        sizeBytes,
        file: data.file,
        modifiedAt: call.nowMs,
        checksum,
      });
    });
    files.remove(replaced);
  } catch (error) {
    call.state.files.remove([{ file: data.file, sizeBytes }]);
    throw error;
  }
  return {
    status: 200,
    headers: {
      etag: `"${etag}"`,
      'x-amz-server-side-encryption': 'AES256',
      ...(checksum === undefined ? {} : { [checksumHeader(checksum.algorithm)]: checksum.value }),
    },
  };
}

/** An upload that was begun with an algorithm needs it with each part. */
function checkPartChecksum(upload: Upload, sent: ChecksumAlgorithm | undefined): void {
  const wanted = upload.checksumAlgorithm;
  if (wanted === undefined || wanted === sent) return;
  throw new AwsError(
    'InvalidRequest',
    `Checksum Type mismatch occurred, expected checksum Type: ${wanted.toLowerCase()}, actual checksum Type: ${sent?.toLowerCase() ?? 'null'}`,
  );
}

/** The upload of the query, if it belongs to this bucket and key. Throws NoSuchUpload. */
export function requireUpload(call: S3Call): Upload {
  const upload = call.state.uploads.get(call.address.query.get('uploadId') ?? '');
  if (upload === undefined || upload.bucket !== call.address.bucket || upload.key !== call.address.key) {
    throw new AwsError(
      'NoSuchUpload',
      'The specified upload does not exist. The upload ID may be invalid, or the upload may have been aborted or completed.',
    );
  }
  return upload;
}

export function abortMultipartUpload(call: S3Call): S3Reply {
  const bucket = requireBucket(call);
  authorize(call, 's3:AbortMultipartUpload', { bucket, key: requireKey(call) });
  const { uploadId } = requireUpload(call);
  const { database, uploads, files } = call.state;
  const parts = database.transaction(() => {
    const all = uploads.parts(uploadId);
    uploads.remove(uploadId);
    return all;
  });
  files.remove(parts);
  return { status: 204 };
}

export function listParts(call: S3Call): S3Reply {
  const bucket = requireBucket(call);
  const key = requireKey(call);
  authorize(call, 's3:ListMultipartUploadParts', { bucket, key });
  const upload = requireUpload(call);
  const { query } = call.address;
  const marker = Number(query.get('part-number-marker') ?? 0);
  const limit = wholeNumber(query.get('max-parts') ?? '1000', 'max-parts', { min: 0, max: 2 ** 31 - 1 });
  const rest = call.state.uploads.parts(upload.uploadId).filter((part) => part.number > marker);
  const page = rest.slice(0, Math.min(limit, 1000));
  const isTruncated = page.length < rest.length;
  const xml = xmlDocument(
    'ListPartsResult',
    S3_NAMESPACE,
    textElement('Bucket', bucket.name),
    textElement('Key', key),
    textElement('UploadId', upload.uploadId),
    textElement('PartNumberMarker', marker),
    textElement('NextPartNumberMarker', page.at(-1)?.number),
    textElement('MaxParts', limit),
    textElement('IsTruncated', isTruncated),
    textElement('ChecksumAlgorithm', upload.checksumAlgorithm),
    textElement('ChecksumType', upload.checksumType),
    textElement('StorageClass', upload.storageClass),
    ...page.map((part) =>
      element(
        'Part',
        textElement('PartNumber', part.number),
        textElement('LastModified', new Date(part.modifiedAt).toISOString()),
        textElement('ETag', `"${part.etag}"`),
        textElement('Size', part.sizeBytes),
        ...(part.checksum === undefined
          ? []
          : [textElement(checksumElement(part.checksum.algorithm), part.checksum.value)]),
      ),
    ),
  );
  return { status: 200, xml };
}

export function listMultipartUploads(call: S3Call): S3Reply {
  const bucket = requireBucket(call);
  const { query } = call.address;
  authorize(call, 's3:ListBucketMultipartUploads', { bucket, keys: [['s3:prefix', query.get('prefix')]] });
  if (query.has('delimiter'))
    throw new AwsError('NotImplemented', 'ListMultipartUploads with a delimiter is not emulated.');
  const prefix = query.get('prefix') ?? '';
  const all = call.state.uploads.list(bucket.name).filter((upload) => upload.key.startsWith(prefix));
  const keyMarker = query.get('key-marker');
  const idMarker = query.get('upload-id-marker');
  const markedAt = all.findIndex((upload) => upload.key === keyMarker && upload.uploadId === idMarker);
  const rest =
    keyMarker === undefined
      ? all
      : markedAt >= 0
        ? all.slice(markedAt + 1)
        : all.filter((upload) => Buffer.compare(Buffer.from(upload.key), Buffer.from(keyMarker)) > 0);
  const limit = Math.min(
    1000,
    wholeNumber(query.get('max-uploads') ?? '1000', 'max-uploads', { min: 1, max: 2 ** 31 - 1 }),
  );
  const page = rest.slice(0, limit);
  const isTruncated = page.length < rest.length;
  const xml = xmlDocument(
    'ListMultipartUploadsResult',
    S3_NAMESPACE,
    textElement('Bucket', bucket.name),
    textElement('KeyMarker', keyMarker ?? ''),
    textElement('UploadIdMarker', idMarker ?? ''),
    textElement('NextKeyMarker', isTruncated ? page.at(-1)?.key : undefined),
    textElement('NextUploadIdMarker', isTruncated ? page.at(-1)?.uploadId : undefined),
    textElement('Prefix', prefix),
    textElement('MaxUploads', limit),
    textElement('IsTruncated', isTruncated),
    ...page.map((upload) =>
      element(
        'Upload',
        textElement('Key', upload.key),
        textElement('UploadId', upload.uploadId),
        textElement('Initiated', new Date(upload.initiatedAt).toISOString()),
        textElement('StorageClass', upload.storageClass),
        textElement('ChecksumAlgorithm', upload.checksumAlgorithm),
        textElement('ChecksumType', upload.checksumType),
      ),
    ),
  );
  return { status: 200, xml };
}
