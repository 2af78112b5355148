/** One S3 request on its way through the handlers, and the reply that they give. */
import type { IncomingMessage } from 'node:http';
import type { Account } from '../iam/account';
import type { Authenticated } from '../iam/authenticate';
import { AwsError } from '../wire/aws-error';
import { receiveSmallBody } from '../wire/body';
import type { S3Address } from '../wire/s3-address';
import { headerText } from '../wire/sigv4';
import { parseXml, type XmlElement } from '../wire/xml';
import type { Bucket, Buckets } from './buckets';
import type { DataFiles, Segment } from './data-files';
import type { Database } from './database';
import type { Uploads } from './uploads';
import type { Versions } from './versions';
import type { WriteConflicts } from './write-conflicts';

export const S3_NAMESPACE = 'http://s3.amazonaws.com/doc/2006-03-01/';
const XML_BYTES_MAX = 4 * 1024 * 1024;

/** What all requests share. */
export interface S3State {
  readonly account: Account;
  readonly database: Database;
  readonly buckets: Buckets;
  readonly versions: Versions;
  readonly uploads: Uploads;
  readonly files: DataFiles;
  readonly conflicts: WriteConflicts;
  readonly treatLoopbackAsTls: boolean;
}

export interface S3Call {
  readonly state: S3State;
  readonly request: IncomingMessage;
  readonly address: S3Address;
  readonly auth: Authenticated;
  /** Simulated time, epoch milliseconds. */
  readonly nowMs: number;
}

export interface ObjectBody {
  readonly segments: readonly Segment[];
  /** [startBytes, endBytes) of the object. */
  readonly startBytes: number;
  readonly endBytes: number;
}

export interface S3Reply {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly xml?: string;
  readonly json?: string;
  readonly body?: ObjectBody;
}

export type S3Handler = (call: S3Call) => S3Reply | Promise<S3Reply>;

export function header(call: S3Call, name: string): string | undefined {
  return headerText(call.request, name);
}

/** Throws NoSuchBucket, and AccessDenied when the caller expects another owner. */
export function requireBucket(call: S3Call): Bucket {
  const name = call.address.bucket;
  const bucket = name === undefined ? undefined : call.state.buckets.get(name);
  if (bucket === undefined) {
    throw new AwsError('NoSuchBucket', 'The specified bucket does not exist', {
      elements: { BucketName: name ?? '' },
    });
  }
  const owner = header(call, 'x-amz-expected-bucket-owner');
  if (owner !== undefined && owner !== call.state.account.accountId)
    throw new AwsError('AccessDenied', 'Access Denied');
  return bucket;
}

/** Throws KeyTooLongError. */
export function requireKey(call: S3Call): string {
  const { key } = call.address;
  if (key === undefined) throw new AwsError('InvalidRequest', 'The request needs a key.');
  if (Buffer.byteLength(key) > 1024) throw new AwsError('KeyTooLongError', 'Your key is too long');
  return key;
}

/** The XML body's root. Throws MalformedXML, BadDigest and so on. */
export async function receiveXml(
  call: S3Call,
  rootName: string,
  options: { readonly ignoreChecksumHeaders?: boolean } = {},
): Promise<XmlElement> {
  const { bytes } = await receiveSmallBody(call.request, call.auth.payload, { bytesMax: XML_BYTES_MAX, ...options });
  const root = parseXml(bytes.toString('utf8'));
  if (root === undefined || root.name !== rootName) throw malformedXml();
  return root;
}

export function malformedXml(): AwsError {
  return new AwsError(
    'MalformedXML',
    'The XML you provided was not well-formed or did not validate against our published schema',
  );
}

/** Throws InvalidArgument unless the value is a whole number in [min, max]. */
export function wholeNumber(text: string, name: string, range: { readonly min: number; readonly max: number }): number {
  const value = Number(text);
  if (text.trim() === '' || !Number.isInteger(value) || value < range.min || value > range.max) {
    throw new AwsError('InvalidArgument', `Provided ${name} is not an integer between ${range.min} and ${range.max}`, {
      elements: { ArgumentName: name, ArgumentValue: text },
    });
  }
  return value;
}
