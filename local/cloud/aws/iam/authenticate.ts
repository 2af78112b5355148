/** From a request to its caller: credentials looked up, signature and clock checked. */
import type { IncomingMessage } from 'node:http';
import type { ChunkSigner } from '../wire/aws-chunked';
import { AwsError } from '../wire/aws-error';
import type { PayloadClaim } from '../wire/body';
import type { S3Address } from '../wire/s3-address';
import {
  checkSignatureTime,
  readSignatureClaim,
  type SignatureClaim,
  signingKey,
  verifySignature,
} from '../wire/sigv4';
import type { Account, Caller } from './account';

export interface Authenticated {
  readonly caller: Caller;
  readonly payload: PayloadClaim;
  readonly presigned: boolean;
}

export interface AuthenticationInput {
  readonly request: IncomingMessage;
  readonly address: S3Address;
  readonly account: Account;
  readonly nowMs: number;
  /** What the signature covers as the body's hash when the client does not say so in x-amz-content-sha256. */
  readonly bodyHash: string | undefined;
}

/** Throws AccessDenied for an anonymous request, and each error that a wrong signature or credential can have. */
export function authenticate(input: AuthenticationInput): Authenticated {
  const { request, address, account, nowMs } = input;
  const claim = readSignatureClaim(request, address);
  if (claim === undefined) throw new AwsError('AccessDenied', 'Access Denied');
  const caller = account.caller(claim.accessKeyId, claim.sessionToken, nowMs);
  const payloadHash = claim.payload ?? input.bodyHash;
  if (payloadHash === undefined) {
    throw new AwsError('InvalidRequest', 'Missing required header for this request: x-amz-content-sha256');
  }
  checkSignatureTime(claim, nowMs);
  verifySignature(request, address, claim, { secretAccessKey: caller.secretAccessKey, payloadHash });
  return {
    caller,
    payload: { payload: payloadHash, signer: signerOf(claim, caller, payloadHash) },
    presigned: claim.presigned !== undefined,
  };
}

function signerOf(claim: SignatureClaim, caller: Caller, payload: string): ChunkSigner | undefined {
  if (!payload.startsWith('STREAMING-AWS4-HMAC-SHA256-PAYLOAD')) return undefined;
  return {
    key: signingKey(caller.secretAccessKey, claim.scope),
    stamp: claim.stamp,
    scope: claim.scope,
    seedSignature: claim.signature,
  };
}
