/** What the OIDC issuer tells the services that validate its tokens. */
export interface IssuerKey {
  readonly kty: 'RSA';
  readonly kid: string;
  readonly use: 'sig';
  readonly alg: 'RS256';
  /** Modulus and exponent, base64url, as in RFC 7517. */
  readonly n: string;
  readonly e: string;
}

export interface JsonWebKeySet {
  readonly keys: readonly IssuerKey[];
}

export interface Issuer {
  /** The `iss` of its tokens, with a trailing slash: `http://127.0.0.1:PORT/<tenant>/`. */
  readonly issuer: string;
  readonly jwks: () => JsonWebKeySet;
}
