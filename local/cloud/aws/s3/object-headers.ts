/** Headers that are stored with an object, and those that its replies carry. */
import { AwsError } from '../wire/aws-error';
import { checksumHeader } from '../wire/checksums';
import { header, type S3Call } from './call';
import type { ObjectVersion } from './versions';

const STORED = [
  'content-type',
  'content-encoding',
  'content-language',
  'content-disposition',
  'cache-control',
  'expires',
] as const;
const STORAGE_CLASSES = new Set([
  'STANDARD',
  'STANDARD_IA',
  'ONEZONE_IA',
  'INTELLIGENT_TIERING',
  'GLACIER_IR',
  'REDUCED_REDUNDANCY',
]);
const METADATA_BYTES_MAX = 2048;

/** Content headers and x-amz-meta-*. Throws MetadataTooLarge. */
export function storedHeadersOf(call: S3Call): Readonly<Record<string, string>> {
  const headers: Record<string, string> = {};
  let metadataBytes = 0;
  for (const name of STORED) {
    const value = header(call, name);
    // `aws-chunked` is the coding of the transfer and not of the object.
    const kept = name === 'content-encoding' ? withoutAwsChunked(value) : value;
    if (kept !== undefined) headers[name] = kept;
  }
  for (const name of Object.keys(call.request.headers)) {
    if (!name.startsWith('x-amz-meta-')) continue;
    const value = header(call, name) ?? '';
    metadataBytes += Buffer.byteLength(name) - 'x-amz-meta-'.length + Buffer.byteLength(value);
    headers[name] = value;
  }
  if (metadataBytes > METADATA_BYTES_MAX) {
    throw new AwsError('MetadataTooLarge', 'Your metadata headers exceed the maximum allowed metadata size');
  }
  headers['content-type'] ??= 'binary/octet-stream';
  return headers;
}

function withoutAwsChunked(value: string | undefined): string | undefined {
  const rest = (value ?? '')
    .split(',')
    .map((coding) => coding.trim())
    .filter((coding) => coding !== '' && coding !== 'aws-chunked');
  return rest.length === 0 ? undefined : rest.join(',');
}

/** Throws InvalidArgument, or NotImplemented for the archive classes that would need a restore before a read. */
export function storageClassOf(call: S3Call): string {
  const name = header(call, 'x-amz-storage-class') ?? 'STANDARD';
  if (name === 'GLACIER' || name === 'DEEP_ARCHIVE') {
    throw new AwsError('NotImplemented', `The storage class ${name} is not emulated.`);
  }
  if (!STORAGE_CLASSES.has(name)) throw new AwsError('InvalidArgument', 'The storage class you specified is not valid');
  return name;
}

/** Refuses what would change the meaning of a write and is not emulated; silence would hide it. */
export function refuseUnsupportedWriteHeaders(call: S3Call): void {
  const refuse = (name: string): never => {
    throw new AwsError('NotImplemented', `A header you provided implies functionality that is not emulated: ${name}`, {
      elements: { Header: name },
    });
  };
  for (const name of Object.keys(call.request.headers)) {
    if (name.startsWith('x-amz-server-side-encryption-') || name.startsWith('x-amz-grant-')) refuse(name);
  }
  for (const name of ['x-amz-tagging', 'x-amz-website-redirect-location', 'x-amz-write-offset-bytes']) {
    if (header(call, name) !== undefined) refuse(name);
  }
  const encryption = header(call, 'x-amz-server-side-encryption');
  if (encryption !== undefined && encryption !== 'AES256') refuse('x-amz-server-side-encryption');
  const acl = header(call, 'x-amz-acl');
  if (acl !== undefined && acl !== 'private' && acl !== 'bucket-owner-full-control') refuse('x-amz-acl');
}

/** The headers of a GET or HEAD reply, without length and range. */
export function objectHeaders(
  version: ObjectVersion,
  options: { readonly versioned: boolean; readonly checksum: boolean; readonly showLock: boolean },
): Record<string, string> {
  const headers: Record<string, string> = {
    ...version.headers,
    etag: `"${version.etag}"`,
    'last-modified': new Date(version.modifiedAt).toUTCString(),
    'accept-ranges': 'bytes',
    'x-amz-server-side-encryption': 'AES256',
  };
  if (version.storageClass !== 'STANDARD') headers['x-amz-storage-class'] = version.storageClass;
  if (options.versioned) headers['x-amz-version-id'] = version.versionId;
  if (options.checksum && version.checksum !== undefined) {
    headers[checksumHeader(version.checksum.algorithm)] = version.checksum.value;
    headers['x-amz-checksum-type'] = version.checksum.type;
  }
  if (options.showLock) {
    const { mode, untilAt, legalHold } = version.lock;
    if (mode !== undefined && untilAt !== undefined) {
      headers['x-amz-object-lock-mode'] = mode;
      headers['x-amz-object-lock-retain-until-date'] = new Date(untilAt).toISOString();
    }
    if (legalHold) headers['x-amz-object-lock-legal-hold'] = 'ON';
  }
  return headers;
}
