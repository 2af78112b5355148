/** Validation of an OIDC token as STS does it: RS256 only, key by `kid`, issuer, audience, times. */
import { createPublicKey, verify } from 'node:crypto';
import type { Issuer } from '../../kit/issuer';
import type { OidcProvider } from '../iam/account';
import { AwsError } from '../wire/aws-error';

export interface WebIdentity {
  readonly provider: OidcProvider;
  readonly subject: string;
  readonly audiences: readonly string[];
  readonly amr: readonly string[];
}

export interface TokenValidation {
  readonly issuer: Issuer;
  readonly provider: (issuer: string) => OidcProvider | undefined;
  readonly nowMs: number;
}

/** Throws InvalidIdentityToken, ExpiredTokenException or IDPCommunicationError. */
export function validateWebIdentityToken(token: string, validation: TokenValidation): WebIdentity {
  const parts = token.split('.');
  const [headerPart = '', claimsPart = '', signaturePart = ''] = parts;
  const header = decodePart(headerPart);
  const claims = decodePart(claimsPart);
  if (parts.length !== 3 || header === undefined || claims === undefined) {
    throw invalid('The ID Token provided is not a valid JWT. (You may see this error if you sent an Access Token)');
  }
  if (header['alg'] !== 'RS256') throw invalid('The algorithm of the ID Token is not RS256.');
  const issuer = typeof claims['iss'] === 'string' ? claims['iss'] : '';
  const provider = validation.provider(issuer);
  if (provider === undefined) {
    throw invalid(
      `No OpenIDConnect provider found in your account for ${issuer === '' ? 'a token without iss' : issuer}`,
    );
  }
  if (issuer !== validation.issuer.issuer) {
    throw new AwsError('IDPCommunicationError', `The identity provider ${issuer} could not be reached.`);
  }
  checkSignature(`${headerPart}.${claimsPart}`, signaturePart, header['kid'], validation.issuer);
  checkTimes(claims, validation.nowMs);
  const audiences = textList(claims['aud']);
  if (!audiences.some((audience) => provider.audiences.includes(audience))) throw invalid('Incorrect token audience');
  const subject = claims['sub'];
  if (typeof subject !== 'string' || subject === '') throw invalid('The ID Token has no sub.');
  return { provider, subject, audiences, amr: textList(claims['amr']) };
}

function checkSignature(signed: string, signature: string, kid: unknown, issuer: Issuer): void {
  const key = issuer.jwks().keys.find((candidate) => candidate.kid === kid);
  if (key === undefined) throw invalid("Couldn't retrieve verification key from your identity provider");
  const publicKey = createPublicKey({ key: { kty: key.kty, n: key.n, e: key.e }, format: 'jwk' });
  if (!verify('RSA-SHA256', Buffer.from(signed), publicKey, Buffer.from(signature, 'base64url'))) {
    throw invalid('The ID Token provided is not signed by the identity provider.');
  }
}

function checkTimes(claims: Readonly<Record<string, unknown>>, nowMs: number): void {
  const expires = claims['exp'];
  const notBefore = claims['nbf'];
  if (typeof expires !== 'number') throw invalid('The ID Token has no exp.');
  if (expires * 1000 <= nowMs) {
    throw new AwsError(
      'ExpiredTokenException',
      `Token expired: current date/time ${Math.floor(nowMs / 1000)} must be before the expiration date/time ${expires}`,
    );
  }
  if (notBefore !== undefined && !(typeof notBefore === 'number' && notBefore * 1000 <= nowMs)) {
    throw invalid('The ID Token is not valid yet.');
  }
}

function decodePart(part: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(Buffer.from(part, 'base64url').toString('utf8'));
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? { ...value } : undefined;
  } catch {
    return undefined;
  }
}

function textList(value: unknown): readonly string[] {
  const list: readonly unknown[] = Array.isArray(value) ? value : [value];
  return list.filter((item): item is string => typeof item === 'string');
}

function invalid(message: string): AwsError {
  return new AwsError('InvalidIdentityToken', message);
}
