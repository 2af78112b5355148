/**
 * The managed-identity endpoint of App Service (api-version 2019-08-01) and, under the same origin, the OIDC issuer
 * of the tenant: discovery document and keys.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { join } from 'node:path';
import type { Behaviour } from '../kit/behaviour';
import { sendJson } from '../kit/http';
import type { Issuer } from '../kit/issuer';
import type { CloudContext, CloudService } from '../kit/service';
import { type ApiClient, answerTokenRequest } from './client-credentials';
import { loadIdentityKeys } from './keys';
import { signToken, type Verified, verifyToken } from './tokens';

const ARM_AUDIENCES = ['https://management.azure.com', 'https://management.core.windows.net'];

export interface ManagedIdentity {
  readonly clientId: string;
  readonly objectId: string;
  /** Used by requests that name none; the first one when no identity says so. */
  readonly default?: boolean | undefined;
}

export interface IdentityOptions {
  readonly tenantId: string;
  readonly identities: readonly ManagedIdentity[];
  readonly clients: readonly ApiClient[];
  readonly behaviour: Behaviour;
  /** This service's own: `http://127.0.0.1:PORT`. */
  readonly origin: () => string;
}

export interface IdentityService extends CloudService, Issuer {
  readonly identityHeader: string;
  /** For ARM: the audiences of the public cloud, with or without a trailing slash. */
  verifyArmToken(token: string): Verified;
  /** For any other service of the tenant. */
  verifyTokenFor(token: string, audiences: readonly string[]): Verified;
}

export function createIdentityService(context: CloudContext, options: IdentityOptions): IdentityService {
  const keys = loadIdentityKeys(join(context.stateDirectory, 'identity'));
  const issuer = (): string => `${options.origin()}/${options.tenantId}/`;
  return {
    name: 'identity',
    identityHeader: keys.header,
    get issuer() {
      return issuer();
    },
    jwks: () => ({ keys: [keys.publicJwk] }),
    verifyArmToken: (token) =>
      verifyToken(keys, token, { issuer: issuer(), audiences: ARM_AUDIENCES, now: context.now() }),
    verifyTokenFor: (token, audiences) => verifyToken(keys, token, { issuer: issuer(), audiences, now: context.now() }),
    operationOf(request) {
      const { pathname } = urlOf(request);
      if (pathname === '/msi/token' || pathname.endsWith('/oauth2/v2.0/token')) return 'identity.token';
      return pathname.endsWith('/.well-known/openid-configuration') ? 'identity.discovery' : 'identity.keys';
    },
    errorReply: (operation, status, code) => ({
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({
        statusCode: status,
        message: `${operation}: injected status ${status} ${code ?? ''}`.trim(),
      }),
    }),
    async handle(request, response) {
      const { pathname, searchParams } = urlOf(request);
      if (request.method === 'POST' && pathname === `/${options.tenantId}/oauth2/v2.0/token`) {
        return answerTokenRequest(keys, { ...options, issuer: `${issuer()}v2.0`, now: context.now }, request, response);
      }
      if (request.method !== 'GET') return refuse(response, 405, 'only GET is supported');
      if (pathname === `/${options.tenantId}/.well-known/openid-configuration`) {
        return sendJson(response, 200, {
          issuer: issuer(),
          jwks_uri: `${issuer()}discovery/keys`,
          response_types_supported: ['id_token'],
          subject_types_supported: ['pairwise'],
          id_token_signing_alg_values_supported: ['RS256'],
        });
      }
      if (pathname === `/${options.tenantId}/v2.0/.well-known/openid-configuration`) {
        return sendJson(response, 200, {
          issuer: `${issuer()}v2.0`,
          jwks_uri: `${issuer()}discovery/v2.0/keys`,
          token_endpoint: `${issuer()}oauth2/v2.0/token`,
          id_token_signing_alg_values_supported: ['RS256'],
        });
      }
      if (pathname === `/${options.tenantId}/discovery/v2.0/keys`)
        return sendJson(response, 200, { keys: [keys.publicJwk] });
      if (pathname === `/${options.tenantId}/discovery/keys`)
        return sendJson(response, 200, { keys: [keys.publicJwk] });
      if (pathname !== '/msi/token') return refuse(response, 404, 'not found');
      if (request.headers['x-identity-header'] !== keys.header)
        return refuse(response, 401, 'X-IDENTITY-HEADER is missing or wrong');
      if (searchParams.get('api-version') !== '2019-08-01')
        return refuse(response, 400, "'api-version' must be 2019-08-01");
      const resource = searchParams.get('resource') ?? '';
      if (!/^(https?|api):\/\/[^\s]+$/.test(resource)) return refuse(response, 400, "'resource' must be an App ID URI");
      const identity = pickIdentity(options.identities, searchParams);
      if (identity === undefined)
        return refuse(
          response,
          400,
          'No User Assigned or Delegated Managed Identity found for specified ClientId/ResourceId/PrincipalId.',
        );
      const isExpired = request.fault?.kind === 'expire';
      const now = Math.floor(context.now() / 1000) - (isExpired ? 2 * options.behaviour.tokenLifetimeSeconds : 0);
      const expiresAt = now + options.behaviour.tokenLifetimeSeconds;
      const accessToken = signToken(keys, {
        aud: resource,
        iss: issuer(),
        iat: now,
        nbf: now,
        exp: expiresAt,
        appid: identity.clientId,
        oid: identity.objectId,
        sub: identity.objectId,
        tid: options.tenantId,
        ver: '1.0',
      });
      request.logDetails = { resource, clientId: identity.clientId };
      sendJson(response, 200, {
        access_token: accessToken,
        client_id: identity.clientId,
        expires_on: String(expiresAt),
        not_before: String(now),
        resource,
        token_type: 'Bearer',
      });
    },
    close: async () => undefined,
  };
}

function pickIdentity(identities: readonly ManagedIdentity[], query: URLSearchParams): ManagedIdentity | undefined {
  const clientId = query.get('client_id');
  const objectId = query.get('object_id') ?? query.get('principal_id');
  if (query.has('mi_res_id')) return undefined; // identities have no resource ids here
  if (clientId !== null) return identities.find((identity) => identity.clientId === clientId);
  if (objectId !== null) return identities.find((identity) => identity.objectId === objectId);
  return identities.find((identity) => identity.default === true) ?? identities[0];
}

function refuse(response: ServerResponse, status: number, message: string): void {
  sendJson(response, status, { statusCode: status, message });
}

function urlOf(request: IncomingMessage): URL {
  return new URL(request.url ?? '/', 'http://identity.invalid');
}
