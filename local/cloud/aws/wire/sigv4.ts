/**
 * Signature version 4, the server's side: header and query (presigned) authorization.
 * Source: AWS General Reference, "Signature Version 4 signing process"; S3 signs the path encoded once.
 */
import { createHash, createHmac, timingSafeEqual } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { AwsError } from './aws-error';
import { encodeRfc3986, type S3Address } from './s3-address';

export const UNSIGNED_PAYLOAD = 'UNSIGNED-PAYLOAD';
const ALGORITHM = 'AWS4-HMAC-SHA256';
const SKEW_MS_MAX = 15 * 60_000;
const PRESIGNED_SECONDS_MAX = 7 * 86_400;

/** What a request claims about itself; nothing is verified yet. */
export interface SignatureClaim {
  readonly accessKeyId: string;
  readonly sessionToken: string | undefined;
  /** `yyyymmddThhmmssZ`. */
  readonly stamp: string;
  /** `yyyymmdd/region/service/aws4_request`. */
  readonly scope: string;
  readonly signedHeaders: readonly string[];
  readonly signature: string;
  /** The value of x-amz-content-sha256, UNSIGNED-PAYLOAD for a presigned request without one. */
  readonly payload: string | undefined;
  readonly presigned: { readonly expiresSeconds: number } | undefined;
}

/** Undefined for an anonymous request. Throws AuthorizationHeaderMalformed and its relatives. */
export function readSignatureClaim(request: IncomingMessage, address: S3Address): SignatureClaim | undefined {
  const header = request.headers.authorization;
  if (header === undefined) return address.query.has('X-Amz-Signature') ? readPresigned(request, address) : undefined;
  const match = /^AWS4-HMAC-SHA256\s+Credential=([^,\s]+),\s*SignedHeaders=([^,\s]+),\s*Signature=([0-9a-f]{64})$/.exec(
    header,
  );
  const [, credential, signedHeaders, signature] = match ?? [];
  if (credential === undefined || signedHeaders === undefined || signature === undefined) {
    throw new AwsError('AuthorizationHeaderMalformed', 'The authorization header is malformed.');
  }
  const stamp = headerText(request, 'x-amz-date');
  if (stamp === undefined) {
    throw new AwsError('AccessDenied', 'AWS authentication requires a valid Date or x-amz-date header');
  }
  return {
    ...credentialParts(credential),
    sessionToken: headerText(request, 'x-amz-security-token'),
    stamp,
    signedHeaders: signedHeaders.split(';'),
    signature,
    payload: headerText(request, 'x-amz-content-sha256'),
    presigned: undefined,
  };
}

function readPresigned(request: IncomingMessage, address: S3Address): SignatureClaim {
  const need = (name: string): string => {
    const value = address.query.get(name);
    if (value === undefined) {
      throw new AwsError('AuthorizationQueryParametersError', `Query-string authentication requires ${name}.`);
    }
    return value;
  };
  const expiresSeconds = Number(need('X-Amz-Expires'));
  if (need('X-Amz-Algorithm') !== ALGORITHM || !(expiresSeconds >= 0 && expiresSeconds <= PRESIGNED_SECONDS_MAX)) {
    throw new AwsError('AuthorizationQueryParametersError', 'X-Amz-Algorithm or X-Amz-Expires is not acceptable.');
  }
  return {
    ...credentialParts(need('X-Amz-Credential')),
    sessionToken: address.query.get('X-Amz-Security-Token'),
    stamp: need('X-Amz-Date'),
    signedHeaders: need('X-Amz-SignedHeaders').split(';'),
    signature: need('X-Amz-Signature'),
    payload:
      headerText(request, 'x-amz-content-sha256') ?? address.query.get('X-Amz-Content-Sha256') ?? UNSIGNED_PAYLOAD,
    presigned: { expiresSeconds },
  };
}

function credentialParts(credential: string): { readonly accessKeyId: string; readonly scope: string } {
  const match = /^(.+)\/(\d{8}\/[^/]+\/(?:s3|sts)\/aws4_request)$/.exec(credential);
  const [, accessKeyId, scope] = match ?? [];
  if (accessKeyId === undefined || scope === undefined) {
    throw new AwsError('AuthorizationHeaderMalformed', 'The credential scope is malformed.');
  }
  return { accessKeyId, scope };
}

/** Throws RequestTimeTooSkewed, or AccessDenied for a presigned request past its end. */
export function checkSignatureTime(claim: SignatureClaim, nowMs: number): void {
  const signedAt = stampToMs(claim.stamp);
  if (signedAt === undefined || !claim.scope.startsWith(claim.stamp.slice(0, 8))) {
    throw new AwsError('AuthorizationHeaderMalformed', 'The date of the signature is malformed.');
  }
  if (claim.presigned !== undefined) {
    if (signedAt > nowMs + SKEW_MS_MAX) throw new AwsError('AccessDenied', 'Request is not valid yet');
    if (nowMs > signedAt + claim.presigned.expiresSeconds * 1000) {
      throw new AwsError('AccessDenied', 'Request has expired');
    }
  } else if (Math.abs(nowMs - signedAt) > SKEW_MS_MAX) {
    throw new AwsError(
      'RequestTimeTooSkewed',
      'The difference between the request time and the current time is too large.',
      { elements: { RequestTime: claim.stamp, ServerTime: new Date(nowMs).toISOString() } },
    );
  }
}

/**
 * Throws SignatureDoesNotMatch, and AccessDenied when an x-amz-* header is not covered by the signature.
 * `payloadHash` is what the client signed as the hash of the body.
 */
export function verifySignature(
  request: IncomingMessage,
  address: S3Address,
  claim: SignatureClaim,
  secret: { readonly secretAccessKey: string; readonly payloadHash: string },
): void {
  const unsigned = Object.keys(request.headers).filter(
    (name) => name.startsWith('x-amz-') && !claim.signedHeaders.includes(name),
  );
  if (unsigned.length > 0 || !claim.signedHeaders.includes('host')) {
    throw new AwsError('AccessDenied', 'There were headers present in the request which were not signed', {
      elements: { HeadersNotSigned: unsigned.length > 0 ? unsigned.join(', ') : 'host' },
    });
  }
  const canonical = [
    request.method ?? 'GET',
    encodeRfc3986(decodeURIComponent(address.path), { keepSlash: true }),
    canonicalQuery(address),
    ...claim.signedHeaders.map((name) => `${name}:${canonicalValue(request, name)}`),
    '',
    claim.signedHeaders.join(';'),
    secret.payloadHash,
  ].join('\n');
  const text = [ALGORITHM, claim.stamp, claim.scope, sha256Hex(canonical)].join('\n');
  if (!sameText(sign(signingKey(secret.secretAccessKey, claim.scope), text), claim.signature)) {
    throw new AwsError(
      'SignatureDoesNotMatch',
      'The request signature we calculated does not match the signature you provided. Check your key and signing method.',
    );
  }
}

function canonicalQuery(address: S3Address): string {
  return address.pairs
    .filter(([name]) => name !== 'X-Amz-Signature')
    .map(([name, value]) => [encodeRfc3986(name, { keepSlash: false }), encodeRfc3986(value, { keepSlash: false })])
    .sort(([nameA = '', valueA = ''], [nameB = '', valueB = '']) =>
      nameA === nameB ? compare(valueA, valueB) : compare(nameA, nameB),
    )
    .map((pair) => pair.join('='))
    .join('&');
}

function canonicalValue(request: IncomingMessage, name: string): string {
  return (headerText(request, name) ?? '').trim().replace(/\s+/g, ' ');
}

/** The key for one day, region and service; also signs the chunks of a streamed body. */
export function signingKey(secretAccessKey: string, scope: string): Buffer {
  return scope
    .split('/')
    .reduce<Buffer>(
      (key, part) => createHmac('sha256', key).update(part).digest(),
      Buffer.from(`AWS4${secretAccessKey}`),
    );
}

export function sign(key: Buffer, text: string): string {
  return createHmac('sha256', key).update(text).digest('hex');
}

export function sha256Hex(data: string | Uint8Array): string {
  return createHash('sha256').update(data).digest('hex');
}

export function sameText(left: string, right: string): boolean {
  const [a, b] = [Buffer.from(left), Buffer.from(right)];
  return a.length === b.length && timingSafeEqual(a, b);
}

export function headerText(request: IncomingMessage, name: string): string | undefined {
  const value = request.headers[name];
  return Array.isArray(value) ? value.join(',') : value;
}

function stampToMs(stamp: string): number | undefined {
  const match = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/.exec(stamp);
  if (match === null) return undefined;
  const [year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0] = match.slice(1).map(Number);
  return Date.UTC(year, month - 1, day, hour, minute, second);
}

function compare(left: string, right: string): number {
  return left < right ? -1 : left > right ? 1 : 0;
}
