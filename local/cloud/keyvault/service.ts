/**
 * One Azure Key Vault with RSA keys, for the real SDK client: bearer tokens of the simulated tenant for the vault's audience,
 * the 401 challenge with which the client begins, versions, soft delete, purge protection.
 */
import type { IncomingMessage } from 'node:http';
import { join } from 'node:path';
import { z } from 'zod';
import { parseControl } from '../control';
import type { Verified } from '../identity/tokens';
import { Database } from '../kit/database';
import { readBody, sendJson } from '../kit/http';
import type { CloudContext, CloudService } from '../kit/service';
import { KEY_VAULT_SCHEMA, KeyStore } from './key-store';
import { perform } from './operations';
import { parseCall, type VaultCall } from './routes';
import { badParameter, errorBody, forbidden, VaultError } from './vault-error';
import type { VaultShape } from './views';

export const VAULT_AUDIENCE = 'https://vault.azure.net';
const BODY_BYTES_MAX = 64 * 1024;

export const keyVaultSeedSchema = z.strictObject({
  /** Made at the first start, RSA with so many bits. */
  keys: z
    .array(
      z.strictObject({
        name: z.string().regex(/^[a-z0-9-]{1,127}$/),
        bits: z.literal([2048, 3072, 4096]).default(3072),
      }),
    )
    .default([]),
  purgeProtection: z.boolean().default(false),
  /** Of deleted keys. */
  retentionDays: z.int().min(7).max(90).default(90),
});

export type KeyVaultSeed = z.infer<typeof keyVaultSeedSchema>;

export interface KeyVaultOptions {
  readonly seed: KeyVaultSeed;
  readonly tenantId: string;
  /** This service's own, `https://localhost:PORT`. */
  readonly origin: () => string;
  readonly verifyToken: (token: string, audiences: readonly string[]) => Verified;
}

/** Resolves when the seeded keys are there. */
export async function createKeyVaultService(context: CloudContext, options: KeyVaultOptions): Promise<CloudService> {
  const database = new Database(join(context.stateDirectory, 'keyvault', 'keyvault.db'), KEY_VAULT_SCHEMA);
  const nowSeconds = (): number => Math.floor(context.now() / 1000);
  const keys = new KeyStore(database, context.random, nowSeconds);
  const { purgeProtection, retentionDays } = options.seed;
  const shape = (): VaultShape => ({ origin: options.origin(), purgeProtection, retentionDays });
  /** Permissions by object id; an identity without an entry may do everything. */
  const grants = new Map<string, readonly string[]>();
  for (const { name, bits } of options.seed.keys) if (!keys.has(name)) await keys.create(name, bits, {});
  context.registerControl('POST', '/keyvault/grants', ({ body }) => {
    const asked = parseControl(z.object({ objectId: z.string(), permissions: z.array(z.string()).nullable() }), body);
    if (asked.permissions === null) grants.delete(asked.objectId);
    else grants.set(asked.objectId, asked.permissions);
    return { grants: Object.fromEntries(grants) };
  });
  const callOf = (request: IncomingMessage): VaultCall | undefined =>
    parseCall(request.method ?? 'GET', urlOf(request).pathname);
  const authorize = (request: IncomingMessage, call: VaultCall): void => {
    const objectId = authenticate(options, request);
    const granted = grants.get(objectId);
    if (granted === undefined || granted.includes(call.permission)) return;
    throw forbidden('ForbiddenByRbac', 'Caller is not authorized to perform action on resource.');
  };
  return {
    name: 'keyvault',
    operationOf: (request) => callOf(request)?.operation ?? 'keyvault.unknown',
    errorReply: (operation, status, code) => ({
      headers: { 'content-type': 'application/json; charset=utf-8' },
      body: JSON.stringify(errorBody(code ?? defaultCode(status), `${operation}: injected status ${status}`)),
    }),
    async handle(request, response) {
      response.setHeader('x-ms-request-id', context.random.uuid());
      response.setHeader('x-ms-keyvault-region', 'local');
      response.setHeader('cache-control', 'no-cache');
      try {
        const url = urlOf(request);
        const call = callOf(request);
        const text = (await readBody(request, BODY_BYTES_MAX)).toString('utf8');
        if (!call) throw new VaultError(404, 'NotFound', 'The requested resource does not exist.');
        authorize(request, call);
        if (!url.searchParams.has('api-version')) throw badParameter('The api-version parameter is required.');
        if (call.name !== '') request.logDetails = { key: call.name };
        const reply = await perform({ keys, shape, nowSeconds }, call, url, parseJson(text));
        sendJson(response, reply.status, reply.body);
      } catch (error) {
        if (!(error instanceof VaultError)) throw error;
        sendJson(response, error.status, errorBody(error.code, error.message, error.innerCode), error.headers);
      }
    },
    close: async () => database.close(),
  };
}

/** The caller's object id. A 401 carries the challenge from which the client learns tenant and audience. */
function authenticate({ tenantId, verifyToken }: KeyVaultOptions, request: IncomingMessage): string {
  const refuse = (message: string): VaultError =>
    new VaultError(401, 'Unauthorized', message, undefined, {
      'www-authenticate': `Bearer authorization="https://login.windows.net/${tenantId}", resource="${VAULT_AUDIENCE}"`,
    });
  const [scheme, token = ''] = (request.headers.authorization ?? '').split(' ');
  if (scheme?.toLowerCase() !== 'bearer') throw refuse('AKV10000: Request is missing a Bearer or PoP token.');
  if (request.fault?.kind === 'expire') throw refuse('AKV10001: The token has expired.');
  const verdict = verifyToken(token, [VAULT_AUDIENCE]);
  if (!verdict.ok) throw refuse(`AKV10022: ${verdict.message}`);
  return verdict.claims.oid;
}

function parseJson(text: string): unknown {
  if (text === '') return {};
  try {
    return JSON.parse(text);
  } catch {
    throw badParameter('The request body is not valid JSON.');
  }
}

function defaultCode(status: number): string {
  if (status === 429) return 'Throttled';
  if (status === 403) return 'Forbidden';
  return status === 404 ? 'KeyNotFound' : 'InternalServerError';
}

const urlOf = (request: IncomingMessage): URL => new URL(request.url ?? '/', 'https://vault.invalid');
