/** Who calls the API of the embedded stack: one caller for each role, with tokens of the simulated tenant. */
import { sampleTenant } from './settings';

/** As public as Azurite's key: it opens nothing but a simulator on this machine. */
const SAMPLE_SECRET = 'blockferry-sample-secret';

const roleNames = ['viewer', 'operator', 'restorer', 'policy-admin', 'security-admin'] as const;
export type CallerName = (typeof roleNames)[number] | 'stranger';

export const sampleCallers = [...roleNames, 'stranger' as const].map((name, index) => ({
  name,
  clientId: `c0ffee00-0000-4000-8000-00000000000${index}`,
  objectId: `0b9ec700-0000-4000-8000-00000000000${index}`,
  secret: SAMPLE_SECRET,
  roles: name === 'stranger' ? [] : [name],
}));

/** A token as a client of the tenant gets it. `identityUrl` is any address of the identity service. */
export async function tokenOf(
  name: CallerName,
  identityUrl: string,
  audience: string = sampleTenant.apiAudience,
): Promise<string> {
  const caller = sampleCallers.find((known) => known.name === name);
  if (caller === undefined) throw new Error(`no caller is called ${name}`);
  const url = `${new URL(identityUrl).origin}/${sampleTenant.tenantId}/oauth2/v2.0/token`;
  const body = new URLSearchParams({
    grant_type: 'client_credentials',
    client_id: caller.clientId,
    client_secret: caller.secret,
    scope: `${audience}/.default`,
  });
  const reply = await fetch(url, { method: 'POST', body, signal: AbortSignal.timeout(10_000) });
  const answer = (await reply.json()) as Readonly<Record<string, unknown>>;
  if (typeof answer['access_token'] !== 'string') throw new Error(`no token for ${name}: status ${reply.status}`);
  return answer['access_token'];
}
