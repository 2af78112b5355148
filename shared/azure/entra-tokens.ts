/**
 * Access tokens of Entra ID, version 2.0, for this API. A token is believed when a key of the tenant signed it with the one
 * pinned algorithm and every claim is as it must be: issuer, tenant, audience, times, version. Keys are fetched from the
 * authority's fixed address and never from one that a token names.
 *
 * Source of the claims: https://learn.microsoft.com/entra/identity-platform/access-token-claims-reference
 */
import { createRemoteJWKSet, errors, jwtVerify } from 'jose';
import { z } from 'zod';
import { AppError } from '../model/errors';

export interface EntraOptions {
  /** `https://login.microsoftonline.com`, or another cloud's. */
  readonly authority: string;
  readonly tenantId: string;
  /** Client id of the app registration, and its `api://` URI when it has one: `aud` of the tokens. */
  readonly audience: readonly string[];
  /** Epoch ms. */
  readonly now: () => number;
}

/** What the API takes from a token. */
export interface TokenFacts {
  /** `oid`: stable, never reused, the same in every app of the tenant. */
  readonly objectId: string;
  readonly name: string;
  readonly roles: readonly string[];
  readonly groups: readonly string[];
}

const ALGORITHMS = ['RS256'];
/** Clocks may differ by so much. */
const LEEWAY_SECONDS = 60;
const FETCH_MS_MAX = 5000;
/** Longer than any token Entra issues. */
const TOKEN_CHARS_MAX = 16_384;

const claimsSchema = z.looseObject({
  oid: z.uuid(),
  tid: z.uuid(),
  ver: z.literal('2.0'),
  exp: z.number(),
  nbf: z.number(),
  roles: z.array(z.string().max(120)).max(100).default([]),
  groups: z.array(z.string().max(120)).max(1000).default([]),
  name: z.string().max(256).optional(),
  preferred_username: z.string().max(256).optional(),
});

/** `caller.unknown` for a token that is not believed, without a word of it; `cloud.unavailable` when the keys cannot be had. */
export function createTokenVerifier(options: EntraOptions): (token: string) => Promise<TokenFacts> {
  const tenantUrl = `${options.authority.replace(/\/$/, '')}/${options.tenantId}`;
  const keys = createRemoteJWKSet(new URL(`${tenantUrl}/discovery/v2.0/keys`), { timeoutDuration: FETCH_MS_MAX });
  return async (token) => {
    if (token.length > TOKEN_CHARS_MAX) throw unknown('the token is too long');
    const { payload } = await jwtVerify(token, keys, {
      algorithms: ALGORITHMS,
      issuer: `${tenantUrl}/v2.0`,
      audience: [...options.audience],
      clockTolerance: LEEWAY_SECONDS,
      currentDate: new Date(options.now()),
      requiredClaims: ['exp', 'nbf', 'iss', 'aud', 'tid', 'oid', 'ver'],
    }).catch((error: unknown) => {
      throw refusal(error);
    });
    const claims = claimsSchema.safeParse(payload);
    if (!claims.success) {
      throw unknown(`the claim ${claims.error.issues[0]?.path.join('.')} of the token is not as it should be`);
    }
    const { oid, tid, name, preferred_username: userName, roles, groups } = claims.data;
    if (tid !== options.tenantId) throw unknown('the token is from another tenant');
    return { objectId: oid, name: name ?? userName ?? oid, roles, groups };
  };
}

/** By the library's code: its messages may quote the token. */
function refusal(error: unknown): AppError {
  if (error instanceof errors.JWTExpired) return unknown('the token has expired; sign in again');
  if (error instanceof errors.JWTClaimValidationFailed) {
    return unknown(`the claim ${error.claim} of the token is not as it should be`);
  }
  if (error instanceof errors.JWKSNoMatchingKey) return unknown('the key that signed the token is not of this tenant');
  if (error instanceof errors.JWSSignatureVerificationFailed) return unknown('the signature of the token is wrong');
  if (error instanceof errors.JOSEAlgNotAllowed) return unknown(`the token is not signed with ${ALGORITHMS.join()}`);
  const malformed = [errors.JWSInvalid, errors.JWTInvalid, errors.JOSENotSupported];
  if (malformed.some((kind) => error instanceof kind)) return unknown('the token cannot be read');
  return new AppError('cloud.unavailable', 'fetching the keys that sign tokens failed', { retryable: true });
}

const unknown = (why: string): AppError => new AppError('caller.unknown', why);
