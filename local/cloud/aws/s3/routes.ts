/** From method, sub-resource and headers to the operation and its handler. What is not here answers 501. */
import type { IncomingMessage } from 'node:http';
import type { S3Address } from '../wire/s3-address';
import {
  deleteBucketLifecycle,
  deleteBucketPolicy,
  getBucketLifecycle,
  getBucketPolicy,
  getBucketVersioning,
  getObjectLockConfiguration,
  putBucketLifecycle,
  putBucketPolicy,
  putBucketVersioning,
  putObjectLockConfiguration,
} from './bucket-config';
import { createBucket, deleteBucket, getBucketLocation, headBucket, listBuckets } from './bucket-handlers';
import type { S3Handler } from './call';
import { copyObject } from './copy-object';
import { deleteObject, deleteObjects } from './delete-object';
import { getObject, headObject } from './get-object';
import { listObjectsV2, listObjectVersions } from './list-objects';
import { getObjectLegalHold, getObjectRetention, putObjectLegalHold, putObjectRetention } from './lock-handlers';
import { abortMultipartUpload, createMultipartUpload, listMultipartUploads, listParts, uploadPart } from './multipart';
import { completeMultipartUpload } from './multipart-complete';
import { getObjectAttributes } from './object-attributes';
import { putObject } from './put-object';

export const HANDLERS = {
  AbortMultipartUpload: abortMultipartUpload,
  CompleteMultipartUpload: completeMultipartUpload,
  CopyObject: copyObject,
  CreateBucket: createBucket,
  CreateMultipartUpload: createMultipartUpload,
  DeleteBucket: deleteBucket,
  DeleteBucketLifecycle: deleteBucketLifecycle,
  DeleteBucketPolicy: deleteBucketPolicy,
  DeleteObject: deleteObject,
  DeleteObjects: deleteObjects,
  GetBucketLifecycleConfiguration: getBucketLifecycle,
  GetBucketLocation: getBucketLocation,
  GetBucketPolicy: getBucketPolicy,
  GetBucketVersioning: getBucketVersioning,
  GetObject: getObject,
  GetObjectAttributes: getObjectAttributes,
  GetObjectLegalHold: getObjectLegalHold,
  GetObjectLockConfiguration: getObjectLockConfiguration,
  GetObjectRetention: getObjectRetention,
  HeadBucket: headBucket,
  HeadObject: headObject,
  ListBuckets: listBuckets,
  ListMultipartUploads: listMultipartUploads,
  ListObjectsV2: listObjectsV2,
  ListObjectVersions: listObjectVersions,
  ListParts: listParts,
  PutBucketLifecycleConfiguration: putBucketLifecycle,
  PutBucketPolicy: putBucketPolicy,
  PutBucketVersioning: putBucketVersioning,
  PutObject: putObject,
  PutObjectLegalHold: putObjectLegalHold,
  PutObjectLockConfiguration: putObjectLockConfiguration,
  PutObjectRetention: putObjectRetention,
  UploadPart: uploadPart,
} as const satisfies Readonly<Record<string, S3Handler>>;

export type S3Operation = keyof typeof HANDLERS;

type Methods = Readonly<Partial<Record<string, S3Operation>>>;

/** The query parameter that selects a sub-resource, and what each method does to it. */
const BUCKET_SUBRESOURCES: Readonly<Record<string, Methods>> = {
  location: { GET: 'GetBucketLocation' },
  versioning: { GET: 'GetBucketVersioning', PUT: 'PutBucketVersioning' },
  'object-lock': { GET: 'GetObjectLockConfiguration', PUT: 'PutObjectLockConfiguration' },
  policy: { GET: 'GetBucketPolicy', PUT: 'PutBucketPolicy', DELETE: 'DeleteBucketPolicy' },
  lifecycle: {
    GET: 'GetBucketLifecycleConfiguration',
    PUT: 'PutBucketLifecycleConfiguration',
    DELETE: 'DeleteBucketLifecycle',
  },
  versions: { GET: 'ListObjectVersions' },
  uploads: { GET: 'ListMultipartUploads' },
  delete: { POST: 'DeleteObjects' },
};
const OBJECT_SUBRESOURCES: Readonly<Record<string, Methods>> = {
  uploads: { POST: 'CreateMultipartUpload' },
  retention: { GET: 'GetObjectRetention', PUT: 'PutObjectRetention' },
  'legal-hold': { GET: 'GetObjectLegalHold', PUT: 'PutObjectLegalHold' },
  attributes: { GET: 'GetObjectAttributes' },
};

/** Sub-resources that exist at S3 and are not emulated: without this list they would pass for plain requests. */
const NOT_EMULATED = new Set([
  'accelerate',
  'acl',
  'analytics',
  'cors',
  'encryption',
  'intelligent-tiering',
  'inventory',
  'logging',
  'metadataInventoryTable',
  'metrics',
  'notification',
  'ownershipControls',
  'policyStatus',
  'publicAccessBlock',
  'renameObject',
  'replication',
  'requestPayment',
  'restore',
  'select',
  'session',
  'tagging',
  'torrent',
  'website',
]);

/** Undefined for what is not emulated. */
export function s3OperationOf(request: IncomingMessage, address: S3Address): S3Operation | undefined {
  const method = request.method ?? 'GET';
  const { query } = address;
  if (address.bucket === undefined) return method === 'GET' && address.path === '/' ? 'ListBuckets' : undefined;
  if ([...query.keys()].some((name) => NOT_EMULATED.has(name))) return undefined;
  const subresources = address.key === undefined ? BUCKET_SUBRESOURCES : OBJECT_SUBRESOURCES;
  const selected = Object.keys(subresources).find((name) => query.has(name));
  if (selected !== undefined) return subresources[selected]?.[method];
  return address.key === undefined ? bucketOperation(method, address) : objectOperation(request, method, address);
}

function bucketOperation(method: string, address: S3Address): S3Operation | undefined {
  if (method === 'GET') return address.query.get('list-type') === '2' ? 'ListObjectsV2' : undefined;
  const operations: Methods = { PUT: 'CreateBucket', HEAD: 'HeadBucket', DELETE: 'DeleteBucket' };
  return operations[method];
}

function objectOperation(request: IncomingMessage, method: string, address: S3Address): S3Operation | undefined {
  const isCopy = request.headers['x-amz-copy-source'] !== undefined;
  if (address.query.has('uploadId')) {
    if (method === 'PUT' && isCopy) return undefined; // UploadPartCopy
    const operations: Methods = {
      PUT: 'UploadPart',
      POST: 'CompleteMultipartUpload',
      DELETE: 'AbortMultipartUpload',
      GET: 'ListParts',
    };
    return operations[method];
  }
  if (method === 'PUT') return isCopy ? 'CopyObject' : 'PutObject';
  const operations: Methods = { GET: 'GetObject', HEAD: 'HeadObject', DELETE: 'DeleteObject' };
  return operations[method];
}
