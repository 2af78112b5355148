/** What a managed-identity endpoint and its issuer must do: the same sentences for the simulator and for App Service. */
import { createPublicKey, verify } from 'node:crypto';

export interface IdentityTarget {
  /** IDENTITY_ENDPOINT and IDENTITY_HEADER. */
  readonly endpoint: string;
  readonly header: string;
  /** App ID URI to ask a token for. */
  readonly resource: string;
}

export function identityConformance(target: () => IdentityTarget): void {
  const ask = (query: string, header = target().header) =>
    fetch(`${target().endpoint}?${query}`, { headers: { 'x-identity-header': header } });
  const part = (token: string, index: number): Readonly<Record<string, unknown>> =>
    JSON.parse(Buffer.from(token.split('.')[index] ?? '', 'base64url').toString('utf8'));

  async function token(): Promise<{ readonly text: string; readonly expiresOn: number }> {
    const response = await ask(`api-version=2019-08-01&resource=${encodeURIComponent(target().resource)}`);
    expect(response.status).toBe(200);
    const body = (await response.json()) as Readonly<Record<string, string>>;
    expect(body['token_type']).toBe('Bearer');
    expect(body['resource']).toBe(target().resource);
    expect(body['expires_on']).toMatch(/^\d+$/);
    return { text: body['access_token'] ?? '', expiresOn: Number(body['expires_on']) };
  }

  test('a token is for the resource and the tenant, and says when it ends', async () => {
    const { text, expiresOn } = await token();
    const claims = part(text, 1);
    expect(String(claims['aud']).replace(/\/$/, '')).toBe(target().resource.replace(/\/$/, ''));
    expect(claims['iss']).toMatch(/^https?:\/\/.+\/$/);
    expect(claims['sub']).toBe(claims['oid']);
    expect(claims['exp']).toBe(expiresOn);
    expect(expiresOn).toBeGreaterThan(Date.now() / 1000);
  });

  test('its signature is by a key that the issuer publishes', async () => {
    const { text } = await token();
    const issuer = String(part(text, 1)['iss']);
    const discovery = (await (await fetch(`${issuer}.well-known/openid-configuration`)).json()) as {
      issuer: string;
      jwks_uri: string;
    };
    expect(discovery.issuer).toBe(issuer);
    const { keys } = (await (await fetch(discovery.jwks_uri)).json()) as { keys: readonly { kid: string }[] };
    const head = part(text, 0);
    expect(head['alg']).toBe('RS256');
    const key = keys.find(({ kid }) => kid === head['kid']);
    const [header, claims, signature = ''] = text.split('.');
    const publicKey = createPublicKey({ key: key ?? {}, format: 'jwk' });
    expect(verify('sha256', Buffer.from(`${header}.${claims}`), publicKey, Buffer.from(signature, 'base64url'))).toBe(
      true,
    );
  });

  test('without the right header there is no token', async () => {
    const response = await ask(`api-version=2019-08-01&resource=${encodeURIComponent(target().resource)}`, 'wrong');
    await response.arrayBuffer();
    expect([400, 401, 403]).toContain(response.status);
  });

  test('an unknown client id is refused', async () => {
    const response = await ask(
      `api-version=2019-08-01&resource=${encodeURIComponent(target().resource)}&client_id=00000000-0000-0000-0000-000000000001`,
    );
    await response.arrayBuffer();
    expect(response.status).toBe(400);
  });
}
