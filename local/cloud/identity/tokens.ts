/** Access tokens as Entra ID issues them to managed identities, in the form of its version 1: RS256 and `iss` with a trailing slash. */
import { sign, verify } from 'node:crypto';
import type { IdentityKeys } from './keys';

/** Clocks may differ by so much. */
const LEEWAY_SECONDS = 60;

export interface TokenClaims {
  readonly aud: string;
  readonly iss: string;
  readonly iat: number;
  readonly nbf: number;
  readonly exp: number;
  readonly appid: string;
  readonly oid: string;
  readonly sub: string;
  readonly tid: string;
  readonly ver: '1.0';
}

export function signToken(keys: IdentityKeys, claims: Readonly<Record<string, unknown>> | TokenClaims): string {
  const { kid } = keys.publicJwk;
  const head = encode({ typ: 'JWT', alg: 'RS256', x5t: kid, kid });
  const signed = `${head}.${encode(claims)}`;
  return `${signed}.${sign('sha256', Buffer.from(signed), keys.privateKey).toString('base64url')}`;
}

export type Verified =
  | { readonly ok: true; readonly claims: TokenClaims }
  | { readonly ok: false; readonly code: string; readonly message: string };

/** Whether a token was issued by `issuer` for one of `audiences` and is valid now; the codes are ARM's. */
export function verifyToken(
  keys: IdentityKeys,
  token: string,
  expected: { readonly issuer: string; readonly audiences: readonly string[]; readonly now: number },
): Verified {
  const [head, body, signature, ...rest] = token.split('.');
  const invalid = (message: string): Verified => ({ ok: false, code: 'InvalidAuthenticationToken', message });
  if (head === undefined || body === undefined || signature === undefined || rest.length > 0)
    return invalid('The access token is invalid.');
  const header = decode(head);
  if (header?.['alg'] !== 'RS256' || header['kid'] !== keys.publicJwk.kid)
    return invalid('The signing key of the token is unknown.');
  const isSigned = verify(
    'sha256',
    Buffer.from(`${head}.${body}`),
    keys.publicKey,
    Buffer.from(signature, 'base64url'),
  );
  if (!isSigned) return invalid('The signature of the access token is invalid.');
  const claims = decode(body) as unknown as TokenClaims;
  if (claims.iss !== expected.issuer)
    return { ok: false, code: 'InvalidAuthenticationTokenTenant', message: 'The token is from the wrong issuer.' };
  if (!expected.audiences.includes(trimSlash(claims.aud))) {
    return {
      ok: false,
      code: 'InvalidAuthenticationTokenAudience',
      message: 'The access token has been obtained for the wrong audience.',
    };
  }
  const nowSeconds = expected.now / 1000;
  if (claims.exp <= nowSeconds)
    return { ok: false, code: 'ExpiredAuthenticationToken', message: 'The access token expired.' };
  if (claims.nbf > nowSeconds + LEEWAY_SECONDS) return invalid('The access token is not yet valid.');
  return { ok: true, claims };
}

function trimSlash(text: string): string {
  return text.replace(/\/$/, '');
}

function encode(value: unknown): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url');
}

function decode(text: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(Buffer.from(text, 'base64url').toString('utf8'));
    return typeof value === 'object' && value !== null ? (value as Readonly<Record<string, unknown>>) : undefined;
  } catch {
    return undefined;
  }
}
