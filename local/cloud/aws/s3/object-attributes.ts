import { AwsError } from '../wire/aws-error';
import { checksumElement } from '../wire/checksums';
import { element, textElement, xmlDocument } from '../wire/xml';
import { header, requireBucket, requireKey, S3_NAMESPACE, type S3Call, type S3Reply } from './call';
import { findForRead, READ_OBJECT } from './find-object';
import type { ObjectVersion } from './versions';

const ATTRIBUTES = ['ETag', 'Checksum', 'ObjectParts', 'StorageClass', 'ObjectSize'] as const;

export function getObjectAttributes(call: S3Call): S3Reply {
  const bucket = requireBucket(call);
  const key = requireKey(call);
  const wanted = new Set((header(call, 'x-amz-object-attributes') ?? '').split(',').map((name) => name.trim()));
  if (![...wanted].every((name) => ATTRIBUTES.some((known) => known === name))) {
    throw new AwsError('InvalidArgument', 'Invalid attribute name specified.');
  }
  const version = findForRead(call, { bucket, key, versionId: call.address.query.get('versionId') }, [
    READ_OBJECT,
    { current: 's3:GetObjectAttributes', byId: 's3:GetObjectVersionAttributes' },
  ]);
  const when = (name: (typeof ATTRIBUTES)[number], text: string): string => (wanted.has(name) ? text : '');
  const xml = xmlDocument(
    'GetObjectAttributesResponse',
    S3_NAMESPACE,
    when('ETag', textElement('ETag', version.etag)),
    when('Checksum', checksumXml(version)),
    when('ObjectParts', partsXml(version)),
    when('StorageClass', textElement('StorageClass', version.storageClass)),
    when('ObjectSize', textElement('ObjectSize', version.sizeBytes)),
  );
  return {
    status: 200,
    headers: {
      'last-modified': new Date(version.modifiedAt).toUTCString(),
      ...(bucket.versioning === '' ? {} : { 'x-amz-version-id': version.versionId }),
    },
    xml,
  };
}

function checksumXml(version: ObjectVersion): string {
  const { checksum } = version;
  if (checksum === undefined) return '';
  return element(
    'Checksum',
    textElement(checksumElement(checksum.algorithm), checksum.value),
    textElement('ChecksumType', checksum.type),
  );
}

/** Single parts are listed only for objects whose upload named a checksum algorithm, as S3 does it. */
function partsXml(version: ObjectVersion): string {
  const { parts, checksum } = version;
  if (parts === undefined) return '';
  return element(
    'ObjectParts',
    textElement('TotalPartsCount', parts.length),
    ...(checksum === undefined
      ? []
      : parts.map((part) =>
          element(
            'Part',
            textElement('PartNumber', part.number),
            textElement('Size', part.sizeBytes),
            textElement(checksumElement(checksum.algorithm), part.checksum),
          ),
        )),
  );
}
