/**
 * Takes in a request body: decodes it, hands the data on piece by piece and checks every promise that the
 * headers or trailers make about it (length, payload hash, Content-MD5, flexible checksum) before it returns.
 */
import { createHash } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { type ChunkSigner, decodeAwsChunked } from './aws-chunked';
import { AwsError } from './aws-error';
import {
  algorithmOfHeader,
  CHECKSUM_ALGORITHMS,
  type ChecksumAlgorithm,
  checksumHeader,
  isChecksumValue,
  parseChecksumAlgorithm,
  startChecksum,
} from './checksums';
import { headerText, UNSIGNED_PAYLOAD } from './sigv4';

/** How the client signed its body. */
export interface PayloadClaim {
  /** The value of x-amz-content-sha256. */
  readonly payload: string;
  /** For the STREAMING-AWS4-HMAC-SHA256-… variants. */
  readonly signer: ChunkSigner | undefined;
}

export interface ReceivedBody {
  readonly sizeBytes: number;
  readonly md5: Buffer;
  /** The checksum that the client sent and that was found right; base64. */
  readonly checksum: { readonly algorithm: ChecksumAlgorithm; readonly value: string } | undefined;
}

interface ExpectedChecksum {
  readonly algorithm: ChecksumAlgorithm;
  /** Undefined while it is still to come in the trailer. */
  value: string | undefined;
}

export interface ReceiveOptions {
  readonly bytesMax: number;
  readonly onData: (piece: Buffer) => Promise<void> | undefined;
  /** CompleteMultipartUpload's checksum headers speak of the object and not of the body. */
  readonly ignoreChecksumHeaders?: boolean;
}

/** Throws BadDigest, InvalidDigest, XAmzContentSHA256Mismatch, IncompleteBody, MissingContentLength, EntityTooLarge, InvalidRequest. */
export async function receiveBody(
  request: IncomingMessage,
  claim: PayloadClaim,
  options: ReceiveOptions,
): Promise<ReceivedBody> {
  const streaming = claim.payload.startsWith('STREAMING-');
  const declaredBytes = declaredLength(request, streaming);
  if (declaredBytes > options.bytesMax) {
    throw new AwsError('EntityTooLarge', 'Your proposed upload exceeds the maximum allowed size.');
  }
  const expected = options.ignoreChecksumHeaders === true ? undefined : expectedChecksum(request);
  const checksum = expected === undefined ? undefined : startChecksum(expected.algorithm);
  const md5 = createHash('md5');
  const sha256 = /^[0-9a-f]{64}$/.test(claim.payload) ? createHash('sha256') : undefined;
  if (sha256 === undefined && !streaming && claim.payload !== UNSIGNED_PAYLOAD) {
    throw new AwsError('InvalidRequest', 'x-amz-content-sha256 must be UNSIGNED-PAYLOAD, STREAMING-… or a SHA-256.');
  }
  let sizeBytes = 0;
  for await (const piece of streaming ? decoded(request, claim, expected) : request) {
    const bytes: Buffer = piece;
    sizeBytes += bytes.length;
    if (sizeBytes > options.bytesMax) throw new AwsError('EntityTooLarge', 'The body is too large.');
    md5.update(bytes);
    sha256?.update(bytes);
    checksum?.update(bytes);
    await options.onData(bytes);
  }
  if (sizeBytes !== declaredBytes || !request.complete) {
    throw new AwsError('IncompleteBody', 'The body does not have the number of bytes that the headers specify.');
  }
  if (sha256 !== undefined && sha256.digest('hex') !== claim.payload) {
    throw new AwsError(
      'XAmzContentSHA256Mismatch',
      "The provided 'x-amz-content-sha256' header does not match what was computed.",
    );
  }
  const md5Digest = md5.digest();
  checkContentMd5(request, md5Digest);
  if (expected !== undefined && checksum?.digest().toString('base64') !== expected.value) {
    const cause = expected.value === undefined ? 'is missing from the trailer' : 'does not match what was computed';
    throw new AwsError('BadDigest', `The ${expected.algorithm} you specified ${cause}.`);
  }
  return {
    sizeBytes,
    md5: md5Digest,
    checksum: expected?.value === undefined ? undefined : { algorithm: expected.algorithm, value: expected.value },
  };
}

/** A whole small body, checked like any other. */
export async function receiveSmallBody(
  request: IncomingMessage,
  claim: PayloadClaim,
  options: Omit<ReceiveOptions, 'onData'>,
): Promise<{ readonly bytes: Buffer; readonly received: ReceivedBody }> {
  const pieces: Buffer[] = [];
  const received = await receiveBody(request, claim, {
    ...options,
    onData(piece) {
      pieces.push(piece);
      return undefined;
    },
  });
  return { bytes: Buffer.concat(pieces), received };
}

/** Whether the request carries any integrity value for its body, as Object Lock and DeleteObjects demand. */
export function hasIntegrityHeader(request: IncomingMessage): boolean {
  return headerText(request, 'content-md5') !== undefined || expectedChecksum(request) !== undefined;
}

function decoded(
  request: IncomingMessage,
  claim: PayloadClaim,
  expected: ExpectedChecksum | undefined,
): AsyncIterable<Buffer> {
  return decodeAwsChunked(request, {
    signer: claim.signer,
    onTrailers(trailers) {
      for (const [name, value] of trailers) {
        if (expected === undefined || algorithmOfHeader(name) !== expected.algorithm) continue;
        expected.value = value;
      }
    },
  });
}

function declaredLength(request: IncomingMessage, streaming: boolean): number {
  const name = streaming ? 'x-amz-decoded-content-length' : 'content-length';
  const text = headerText(request, name);
  if (text === undefined) {
    if (!streaming && request.headers['transfer-encoding'] === undefined) return 0;
    throw new AwsError('MissingContentLength', `You must provide the ${name} HTTP header.`);
  }
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 0) throw new AwsError('InvalidArgument', `${name} is not a length.`);
  return value;
}

function expectedChecksum(request: IncomingMessage): ExpectedChecksum | undefined {
  const found: ExpectedChecksum[] = [];
  for (const algorithm of CHECKSUM_ALGORITHMS) {
    const value = headerText(request, checksumHeader(algorithm));
    if (value === undefined) continue;
    if (!isChecksumValue(algorithm, value)) {
      throw new AwsError('InvalidRequest', `Value for ${checksumHeader(algorithm)} header is invalid.`);
    }
    found.push({ algorithm, value });
  }
  for (const name of (headerText(request, 'x-amz-trailer') ?? '').split(',')) {
    const algorithm = algorithmOfHeader(name.trim());
    if (algorithm !== undefined) found.push({ algorithm, value: undefined });
  }
  if (found.length > 1) {
    throw new AwsError(
      'InvalidRequest',
      'Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.',
    );
  }
  const named = headerText(request, 'x-amz-sdk-checksum-algorithm');
  if (named !== undefined && found[0]?.algorithm !== parseChecksumAlgorithm(named)) {
    throw new AwsError(
      'InvalidRequest',
      'x-amz-sdk-checksum-algorithm specified, but no corresponding x-amz-checksum-* or x-amz-trailer headers were found.',
    );
  }
  return found[0];
}

function checkContentMd5(request: IncomingMessage, md5: Buffer): void {
  const header = headerText(request, 'content-md5');
  if (header === undefined) return;
  const sent = Buffer.from(header, 'base64');
  if (sent.length !== 16) throw new AwsError('InvalidDigest', 'The Content-MD5 you specified was invalid.');
  if (!sent.equals(md5))
    throw new AwsError('BadDigest', 'The Content-MD5 you specified did not match what we received.');
}
