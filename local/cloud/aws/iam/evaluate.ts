/**
 * The decision, for callers of the bucket's own account:
 *
 *   1. an explicit Deny in any policy wins;
 *   2. allowed if the role's policy allows and the session policy (if any) allows too;
 *   3. or if the bucket policy allows this very session, or allows the role (then the session policy must allow too).
 *
 * Source: IAM user guide, "Policy evaluation logic" and "Session policies".
 */
import type { ConditionKeys } from './conditions';
import { meetsCondition } from './conditions';
import type { Matcher, Policy, Statement } from './policy-document';
import { matchesArn, matchesWildcard, substituteVariables } from './wildcard';

export interface PrincipalNames {
  readonly accountId: string;
  /** The role or user: what policies usually name. */
  readonly arn: string;
  /** `arn:aws:sts::…:assumed-role/role/session`; undefined for a user. */
  readonly sessionArn: string | undefined;
  /** The OIDC provider, for trust policies. */
  readonly federatedArn?: string;
}

export interface AccessRequest {
  readonly principal: PrincipalNames;
  readonly action: string;
  /** Undefined for trust policies. */
  readonly resource: string | undefined;
  readonly keys: ConditionKeys;
}

export interface AccessPolicies {
  readonly identity: readonly Policy[];
  readonly session: Policy | undefined;
  readonly resource: Policy | undefined;
}

export type AccessDecision =
  | { readonly allowed: true }
  /** The half-sentence that AWS puts behind "is not authorized to perform …". */
  | { readonly allowed: false; readonly because: string };

export function decideAccess(policies: AccessPolicies, request: AccessRequest): AccessDecision {
  const identity = policies.identity.map((policy) => verdictOf(policy, request));
  const session = policies.session === undefined ? undefined : verdictOf(policies.session, request);
  const resource = policies.resource === undefined ? undefined : verdictOf(policies.resource, request);
  const denied = (kind: string): AccessDecision => ({
    allowed: false,
    because: `with an explicit deny in ${kind} policy`,
  });
  if (identity.includes('deny')) return denied('an identity-based');
  if (session === 'deny') return denied('a session');
  if (resource === 'deny') return denied('a resource-based');
  const sessionAllows = session === undefined || session === 'allow' || session === 'allow-session';
  if (resource === 'allow-session') return { allowed: true };
  if (resource === 'allow' && sessionAllows) return { allowed: true };
  const none = (kind: string): AccessDecision => ({
    allowed: false,
    because: `because no ${kind} policy allows the ${request.action} action`,
  });
  if (!identity.includes('allow')) return none('identity-based');
  return sessionAllows ? { allowed: true } : none('session');
}

/** `allow-session`: allowed by a statement that names the session itself and not merely its role. */
type Verdict = 'allow' | 'allow-session' | 'deny' | 'none';

export function verdictOf(policy: Policy, request: AccessRequest): Verdict {
  let verdict: Verdict = 'none';
  for (const statement of policy.statements) {
    const named = principalMatch(statement, request.principal);
    if (named === 'none' || !applies(statement, request)) continue;
    if (statement.effect === 'Deny') return 'deny';
    if (named === 'session') verdict = 'allow-session';
    else if (verdict === 'none') verdict = 'allow';
  }
  return verdict;
}

function applies(statement: Statement, request: AccessRequest): boolean {
  return (
    matchesAction(statement.action, request.action) &&
    (statement.resource === undefined || matchesResource(statement.resource, request)) &&
    statement.conditions.every((test) => meetsCondition(test, request.keys))
  );
}

function matchesAction(matcher: Matcher, action: string): boolean {
  const hit = matcher.patterns.some((pattern) => matchesWildcard(pattern.toLowerCase(), action.toLowerCase()));
  return hit !== matcher.negated;
}

function matchesResource(matcher: Matcher, request: AccessRequest): boolean {
  const { resource } = request;
  if (resource === undefined) return true;
  const hit = matcher.patterns.some((pattern) => {
    const text = substituteVariables(pattern, request.keys);
    return text !== undefined && matchesArn(text, resource);
  });
  return hit !== matcher.negated;
}

/** Identity policies name nobody and so apply to their owner. */
function principalMatch(statement: Statement, principal: PrincipalNames): 'none' | 'role' | 'session' {
  if (statement.principals.length === 0) return 'role';
  let found: 'none' | 'role' | 'session' = 'none';
  for (const { type, value } of statement.principals) {
    if (type === 'AWS' && value === principal.sessionArn) return 'session';
    if (namesPrincipal(type, value, principal, statement.effect)) found = 'role';
  }
  return found;
}

function namesPrincipal(type: string, value: string, principal: PrincipalNames, effect: string): boolean {
  if (type === '*') return true;
  if (type === 'Federated') return principal.federatedArn !== undefined && value === principal.federatedArn;
  if (type !== 'AWS') return false;
  if (value === '*' || value === principal.arn) return true;
  // The account as a principal only delegates to its identity policies; as the target of a Deny it covers everyone.
  const isAccount = value === principal.accountId || value === `arn:aws:iam::${principal.accountId}:root`;
  return isAccount && effect === 'Deny';
}
