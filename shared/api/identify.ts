/**
 * From what a request carries to a caller. Two ways, by setting:
 *
 * - entra: a bearer token, always.
 * - function-key: the host has checked the key before it calls us. Whoever has it may do what one person may; a token beside
 *   it says who it is. For one's own machine: a key names nobody, is shared, and does not end.
 */
import { AppError, isAppError } from '../model/errors';
import { type Caller, type Role, roles } from './caller';
import type { ApiRequest } from './http';
import { ProblemError, plainMessage } from './problem';

/** A believed token, as azure/entra-tokens.ts reads it. */
export interface TokenFacts {
  readonly objectId: string;
  readonly name: string;
  readonly roles: readonly string[];
  readonly groups: readonly string[];
}

export interface IdentifyOptions {
  readonly mode: 'entra' | 'function-key';
  /** `caller.unknown` when the token is not believed. Absent: tokens are not set up here. */
  readonly verifyToken?: ((token: string) => Promise<TokenFacts>) | undefined;
  /** Azure scopes by object id of a user, service or group; `*` for all others. Empty: everybody sees everything. */
  readonly scopes: Readonly<Record<string, readonly string[]>>;
}

/** One key, one person: no approver, since nobody could tell whether another has approved. */
const keyHolder: Caller = {
  id: 'function-key',
  name: 'holder of the function key',
  roles: roles.filter((role) => role !== 'security-admin'),
  scopes: 'all',
};

export function createIdentify({ mode, verifyToken, scopes }: IdentifyOptions) {
  return async ({ headers }: Pick<ApiRequest, 'headers'>): Promise<Caller> => {
    const token = bearerOf(headers.get('authorization'));
    if (token === undefined && mode === 'function-key') return keyHolder;
    if (token === undefined) throw challenge('this needs a bearer token');
    if (verifyToken === undefined) throw challenge('tokens are not set up here; leave the authorization header out');
    const facts = await verifyToken(token).catch((error: unknown) => {
      throw isAppError(error, 'caller.unknown') ? challenge(plainMessage(error), 'invalid_token') : error;
    });
    return {
      id: facts.objectId,
      name: facts.name,
      roles: facts.roles.filter((role): role is Role => (roles as readonly string[]).includes(role)),
      scopes: scopesOf(scopes, facts),
    };
  };
}

function bearerOf(header: string | null): string | undefined {
  if (header === null) return undefined;
  const token = /^Bearer +([\w-]+\.[\w-]+\.[\w-]+)$/i.exec(header)?.[1];
  if (token === undefined) throw challenge('the authorization header holds no bearer token', 'invalid_request');
  return token;
}

/** What the caller and each of his groups were given, together. */
function scopesOf(table: IdentifyOptions['scopes'], { objectId, groups }: TokenFacts): Caller['scopes'] {
  if (Object.keys(table).length === 0) return 'all';
  const own = [objectId, ...groups].flatMap((id) => (Object.hasOwn(table, id) ? (table[id] ?? []) : []));
  const given = own.length > 0 ? own : (table['*'] ?? []);
  return given.includes('all') ? 'all' : given;
}

/** RFC 6750: why, in a form that clients understand. */
function challenge(detail: string, error?: string): ProblemError {
  const headers = { 'www-authenticate': error === undefined ? 'Bearer' : `Bearer error="${error}"` };
  return new ProblemError({ status: 401, code: 'caller.unknown', detail, headers });
}

/** `ID=SCOPE,SCOPE;ID=SCOPE` as the setting gives it. `config.invalid` names the part that cannot be read. */
export function parseCallerScopes(text: string): Readonly<Record<string, readonly string[]>> {
  const entries = text.split(';').flatMap((part): [string, readonly string[]][] => {
    if (part.trim() === '') return [];
    const [principal = '', given = ''] = part.trim().split(/=(.*)/s);
    const scopes = given.split(',').map((scope) => scope.trim().replace(/\/$/, ''));
    const fits = PRINCIPAL.test(principal) && scopes.every((scope) => scope === 'all' || SCOPE.test(scope));
    if (!fits) throw new AppError('config.invalid', `cannot read ${JSON.stringify(part.slice(0, 200))}`);
    return [[principal, scopes]];
  });
  return Object.fromEntries(entries);
}

const PRINCIPAL = /^(\*|[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12})$/;
const SCOPE = /^\/subscriptions\/[0-9a-f-]{36}(\/resourceGroups\/[-\w.()]{1,90})?$/i;
