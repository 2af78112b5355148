/** The token endpoint of Entra ID, version 2.0, for the client credentials grant: how a caller of an API gets its token. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { readBody, sendJson } from '../kit/http';
import type { IdentityKeys } from './keys';
import { signToken } from './tokens';

/** An app registration, or a person, with its app roles in the API. */
export interface ApiClient {
  readonly clientId: string;
  readonly objectId: string;
  readonly name: string;
  readonly secret: string;
  readonly roles: readonly string[];
}

interface Endpoint {
  readonly clients: readonly ApiClient[];
  readonly tenantId: string;
  readonly issuer: string;
  readonly now: () => number;
}

const FORM_BYTES_MAX = 16_384;
/** Longer than Entra's hour: on the embedded stack a person pastes it by hand. */
const LIFETIME_SECONDS = 8 * 3600;

export async function answerTokenRequest(
  keys: IdentityKeys,
  { clients, tenantId, issuer, now }: Endpoint,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const form = new URLSearchParams((await readBody(request, FORM_BYTES_MAX)).toString('utf8'));
  const refuse = (status: number, error: string, code: number, why: string): void =>
    sendJson(response, status, { error, error_codes: [code], error_description: `AADSTS${code}: ${why}` });
  if (form.get('grant_type') !== 'client_credentials') {
    return refuse(400, 'unsupported_grant_type', 70003, 'The app requested an unsupported grant type.');
  }
  const audience = /^(\S+)\/\.default$/.exec(form.get('scope') ?? '')?.[1];
  if (audience === undefined) return refuse(400, 'invalid_scope', 1002012, 'The scope must end in /.default.');
  const client = clients.find(({ clientId }) => clientId === form.get('client_id'));
  if (client === undefined)
    return refuse(400, 'unauthorized_client', 700016, 'Application not found in the directory.');
  if (client.secret !== form.get('client_secret')) {
    return refuse(401, 'invalid_client', 7000215, 'Invalid client secret provided.');
  }
  const seconds = Math.floor(now() / 1000);
  const token = signToken(keys, {
    aud: audience,
    iss: issuer,
    iat: seconds,
    nbf: seconds,
    exp: seconds + LIFETIME_SECONDS,
    azp: client.clientId,
    azpacr: '1',
    name: client.name,
    oid: client.objectId,
    roles: client.roles,
    sub: client.objectId,
    tid: tenantId,
    ver: '2.0',
  });
  sendJson(response, 200, { token_type: 'Bearer', expires_in: LIFETIME_SECONDS, access_token: token });
}
