/** CompleteMultipartUpload: the parts' files become the object's segments, nothing is read or copied. */
import { createHash } from 'node:crypto';
import { AwsError } from '../wire/aws-error';
import {
  CHECKSUM_ALGORITHMS,
  type Checksum,
  checksumElement,
  checksumHeader,
  checksumOf,
  crcKindOf,
} from '../wire/checksums';
import { combineCrc } from '../wire/crc';
import { childrenOf, childText, textElement, type XmlElement, xmlDocument } from '../wire/xml';
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
import { requireUpload } from './multipart';
import { authorizeWrite, commitVersion, writtenHeaders } from './new-version';
import { writeConditionOf } from './preconditions';
import type { Upload, UploadedPart } from './uploads';

const PART_BYTES_MIN = 5 * 1024 * 1024;

export async function completeMultipartUpload(call: S3Call): Promise<S3Reply> {
  const bucket = requireBucket(call);
  const key = requireKey(call);
  authorizeWrite(call, { bucket, key }, { creates: true, lock: undefined });
  const condition = writeConditionOf(call);
  const upload = requireUpload(call);
  const root = await receiveXml(call, 'CompleteMultipartUpload', { ignoreChecksumHeaders: true });
  requireUpload(call); // the same request may have been completed while the body arrived
  const { uploads, files } = call.state;
  const stored = uploads.parts(upload.uploadId);
  const parts = chosenParts(root, stored);
  const sizeBytes = parts.reduce((sum, part) => sum + part.sizeBytes, 0);
  const declaredBytes = header(call, 'x-amz-mp-object-size');
  if (declaredBytes !== undefined && Number(declaredBytes) !== sizeBytes) {
    throw new AwsError('InvalidRequest', 'The x-amz-mp-object-size header does not match the size of the parts.');
  }
  const checksum = objectChecksum(upload, parts);
  checkSentChecksum(call, checksum);
  const etagHash = createHash('md5');
  for (const part of parts) etagHash.update(Buffer.from(part.etag, 'hex'));
  const version = {
    key,
    headers: upload.headers,
    storageClass: upload.storageClass,
    sizeBytes,
    etag: `${etagHash.digest('hex')}-${parts.length}`,
    segments: parts
      .filter((part) => part.sizeBytes > 0)
      .map(({ file, sizeBytes: partBytes }) => ({ file, sizeBytes: partBytes })),
    parts: parts.map((part) => ({ number: part.number, sizeBytes: part.sizeBytes, checksum: part.checksum?.value })),
    checksum,
    lock: upload.lock,
  };
  const versionId = commitVersion(call, bucket, version, {
    condition,
    watch: undefined,
    also: () => uploads.remove(upload.uploadId),
  });
  const used = new Set(version.segments.map((segment) => segment.file));
  files.remove(stored.filter((part) => !used.has(part.file)));
  const { etag, ...headers } = writtenHeaders(bucket, { ...version, versionId });
  const xml = xmlDocument(
    'CompleteMultipartUploadResult',
    S3_NAMESPACE,
    textElement('Location', `http://${call.request.headers.host ?? ''}/${bucket.name}/${key}`),
    textElement('Bucket', bucket.name),
    textElement('Key', key),
    textElement('ETag', etag),
    ...(checksum === undefined
      ? []
      : [textElement(checksumElement(checksum.algorithm), checksum.value), textElement('ChecksumType', checksum.type)]),
  );
  return { status: 200, headers, xml };
}

/** The parts that the client lists, in its order. Throws InvalidPart, InvalidPartOrder, EntityTooSmall. */
function chosenParts(root: XmlElement, stored: readonly UploadedPart[]): readonly UploadedPart[] {
  const byNumber = new Map(stored.map((part) => [part.number, part]));
  const listed = childrenOf(root, 'Part');
  if (listed.length === 0) throw malformedXml();
  let previous = 0;
  const parts = listed.map((item) => {
    const number = Number(childText(item, 'PartNumber') ?? Number.NaN);
    const etag = (childText(item, 'ETag') ?? '').replace(/^"|"$/g, '');
    if (!Number.isInteger(number)) throw malformedXml();
    if (number <= previous) {
      throw new AwsError(
        'InvalidPartOrder',
        'The list of parts was not in ascending order. Parts must be ordered by part number.',
      );
    }
    previous = number;
    const part = byNumber.get(number);
    if (part === undefined || part.etag !== etag || !checksumAgrees(item, part)) {
      throw new AwsError(
        'InvalidPart',
        "One or more of the specified parts could not be found. The part may not have been uploaded, or the specified entity tag may not match the part's entity tag.",
        { elements: { PartNumber: String(number) } },
      );
    }
    return part;
  });
  if (parts.slice(0, -1).some((part) => part.sizeBytes < PART_BYTES_MIN)) {
    throw new AwsError('EntityTooSmall', 'Your proposed upload is smaller than the minimum allowed size');
  }
  return parts;
}

function checksumAgrees(item: XmlElement, part: UploadedPart): boolean {
  return CHECKSUM_ALGORITHMS.every((algorithm) => {
    const sent = childText(item, checksumElement(algorithm));
    return sent === undefined || (part.checksum?.algorithm === algorithm && part.checksum.value === sent);
  });
}

function objectChecksum(upload: Upload, parts: readonly UploadedPart[]): Checksum | undefined {
  const { checksumAlgorithm: algorithm, checksumType: type } = upload;
  if (algorithm === undefined || type === undefined) return undefined;
  const values = parts.map((part) => Buffer.from(part.checksum?.value ?? '', 'base64'));
  if (type === 'COMPOSITE') {
    const value = checksumOf(algorithm, Buffer.concat(values)).toString('base64');
    return { algorithm, type, value: `${value}-${parts.length}` };
  }
  const kind = crcKindOf(algorithm);
  const [first, ...rest] = values;
  if (kind === undefined || first === undefined) return undefined;
  let value: Buffer = first;
  rest.forEach((next, index) => {
    value = combineCrc(kind, value, next, parts[index + 1]?.sizeBytes ?? 0);
  });
  return { algorithm, type, value: value.toString('base64') };
}

/** Throws BadDigest when the client sent a checksum of the whole object and it is another. */
function checkSentChecksum(call: S3Call, checksum: Checksum | undefined): void {
  for (const algorithm of CHECKSUM_ALGORITHMS) {
    const sent = header(call, checksumHeader(algorithm));
    if (sent === undefined || checksum?.algorithm !== algorithm) continue;
    if (sent !== checksum.value && sent !== checksum.value.replace(/-\d+$/, '')) {
      throw new AwsError('BadDigest', `The ${algorithm} you specified did not match the calculated checksum.`);
    }
  }
}
