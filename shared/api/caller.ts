/** Who asks, and what that allows. Roles say what a caller may do, scopes say where. Nothing is allowed that is not named. */
import { ProblemError } from './problem';

/**
 * - viewer: look at everything within the scope
 * - operator: back up now, run policies, cancel jobs
 * - restorer: read data out of restore points
 * - policy-admin: change what is protected, when, and how long
 * - security-admin: approve what is critical, change who may do what
 *
 * No role contains another, least of all the approver's. Reading is granted to each of them by the table of routes.
 */
export const roles = ['viewer', 'operator', 'restorer', 'policy-admin', 'security-admin'] as const;
export type Role = (typeof roles)[number];

export interface Caller {
  /** Stable and not reused: the object id of the token. Two callers are the same person only when this is the same. */
  readonly id: string;
  /** For people: in the audit log and in approvals. */
  readonly name: string;
  readonly roles: readonly Role[];
  /** 'all', or Azure scopes: `/subscriptions/ID` or `/subscriptions/ID/resourceGroups/NAME`. */
  readonly scopes: 'all' | readonly string[];
}

/** Whoever asks for what is open to everyone. */
export const anonymous: Caller = { id: 'anonymous', name: 'anonymous', roles: [], scopes: [] };

/** 403 unless the caller has one of the roles. `allowed` empty allows nobody. */
export function requireRole(caller: Caller, allowed: readonly Role[]): void {
  if (allowed.some((role) => caller.roles.includes(role))) return;
  const detail = `this needs the role ${allowed.join(' or ')}; ${caller.name} has ${caller.roles.join(', ') || 'none'}`;
  throw new ProblemError({ status: 403, code: 'caller.role-missing', detail });
}

/** May the caller see this Azure resource? By whole path segments, without case, as ARM compares. */
export function inScope({ scopes }: Pick<Caller, 'scopes'>, armId: string): boolean {
  if (scopes === 'all') return true;
  const id = `${armId.toLowerCase()}/`;
  return scopes.some((scope) => scope !== '' && id.startsWith(`${scope.toLowerCase()}/`));
}
