/** IAM policy documents: from JSON to a checked form. What is not understood is refused, never ignored. */
import { type ConditionTest, parseConditionTest } from './conditions';

type OneOrMany<Value> = Value | readonly Value[];

/** A policy as it is written down (seed files, PutBucketPolicy, session policies). */
export interface PolicyDocument {
  readonly Version?: string;
  readonly Id?: string;
  readonly Statement: OneOrMany<PolicyStatementDocument>;
}

export interface PolicyStatementDocument {
  readonly Sid?: string;
  readonly Effect: 'Allow' | 'Deny';
  readonly Principal?: '*' | Readonly<Record<string, OneOrMany<string>>>;
  readonly Action?: OneOrMany<string>;
  readonly NotAction?: OneOrMany<string>;
  readonly Resource?: OneOrMany<string>;
  readonly NotResource?: OneOrMany<string>;
  readonly Condition?: Readonly<Record<string, Readonly<Record<string, OneOrMany<string | boolean | number>>>>>;
}

/** identity: role and session policies; resource: bucket policies; trust: who may assume a role. */
export type PolicyKind = 'identity' | 'resource' | 'trust';

export interface Matcher {
  readonly patterns: readonly string[];
  /** NotAction, NotResource. */
  readonly negated: boolean;
}

export interface Statement {
  readonly effect: 'Allow' | 'Deny';
  readonly principals: ReadonlyArray<{ readonly type: string; readonly value: string }>;
  readonly action: Matcher;
  /** Undefined in trust policies. */
  readonly resource: Matcher | undefined;
  readonly conditions: readonly ConditionTest[];
}

export interface Policy {
  readonly statements: readonly Statement[];
}

/** Says which part of a document is wrong; the adapters answer MalformedPolicy or MalformedPolicyDocument. */
export class PolicyError extends Error {
  override readonly name = 'PolicyError';
}

const STATEMENT_KEYS = new Set([
  'Sid',
  'Effect',
  'Principal',
  'Action',
  'NotAction',
  'Resource',
  'NotResource',
  'Condition',
]);

/** Throws PolicyError. */
export function parsePolicyText(text: string, kind: PolicyKind): Policy {
  let document: unknown;
  try {
    document = JSON.parse(text);
  } catch {
    throw new PolicyError('The policy is not valid JSON.');
  }
  return parsePolicy(document, kind);
}

/** Throws PolicyError. */
export function parsePolicy(document: unknown, kind: PolicyKind): Policy {
  if (!isRecord(document)) throw new PolicyError('The policy is not a JSON object.');
  const { Version: version } = document;
  if (version !== undefined && version !== '2012-10-17' && version !== '2008-10-17') {
    throw new PolicyError('The Version of the policy is not known.');
  }
  const raw = document['Statement'];
  const statements = Array.isArray(raw) ? raw : raw === undefined ? [] : [raw];
  if (statements.length === 0) throw new PolicyError('The policy has no Statement.');
  return { statements: statements.map((statement: unknown) => parseStatement(statement, kind)) };
}

function parseStatement(statement: unknown, kind: PolicyKind): Statement {
  if (!isRecord(statement)) throw new PolicyError('A Statement is not a JSON object.');
  const unknown = Object.keys(statement).find((key) => !STATEMENT_KEYS.has(key));
  if (unknown !== undefined) throw new PolicyError(`${unknown} is not an element that this policy may have.`);
  const effect = statement['Effect'];
  if (effect !== 'Allow' && effect !== 'Deny') throw new PolicyError('Effect must be Allow or Deny.');
  const action = parseMatcher(statement, 'Action');
  if (action === undefined) throw new PolicyError('A Statement needs Action or NotAction.');
  const resource = parseMatcher(statement, 'Resource');
  if ((resource === undefined) !== (kind === 'trust')) {
    throw new PolicyError(kind === 'trust' ? 'A trust policy has no Resource.' : 'A Statement needs Resource.');
  }
  const principals = parsePrincipals(statement['Principal']);
  if ((principals.length === 0) !== (kind === 'identity')) {
    throw new PolicyError(kind === 'identity' ? 'This policy has no Principal.' : 'A Statement needs a Principal.');
  }
  return { effect, principals, action, resource, conditions: parseConditions(statement['Condition']) };
}

function parseMatcher(statement: Record<string, unknown>, name: 'Action' | 'Resource'): Matcher | undefined {
  const plain = statement[name];
  const negated = statement[`Not${name}`];
  if (plain !== undefined && negated !== undefined) throw new PolicyError(`${name} and Not${name} exclude each other.`);
  if (plain === undefined && negated === undefined) return undefined;
  const patterns = textsOf(plain ?? negated, name);
  for (const pattern of patterns) {
    const form = name === 'Action' ? /^(?:\*|[A-Za-z0-9-]+:[A-Za-z0-9*?]+)$/ : /^(?:\*|arn:.*)$/;
    if (!form.test(pattern)) throw new PolicyError(`${name} "${pattern}" is not well formed.`);
  }
  return { patterns, negated: plain === undefined };
}

function parsePrincipals(value: unknown): Statement['principals'] {
  if (value === undefined) return [];
  if (value === '*') return [{ type: '*', value: '*' }];
  if (!isRecord(value)) throw new PolicyError('Principal must be "*" or an object.');
  return Object.entries(value).flatMap(([type, values]) =>
    textsOf(values, 'Principal').map((text) => ({ type, value: text })),
  );
}

function parseConditions(value: unknown): readonly ConditionTest[] {
  if (value === undefined) return [];
  if (!isRecord(value)) throw new PolicyError('Condition must be an object.');
  return Object.entries(value).flatMap(([operator, keys]) => {
    if (!isRecord(keys)) throw new PolicyError(`The condition ${operator} must be an object.`);
    return Object.entries(keys).map(([key, values]) => {
      const test = parseConditionTest(operator, key, textsOf(values, `Condition ${operator}`));
      if (test === undefined)
        throw new PolicyError(`The condition operator ${operator} is not known or has bad values.`);
      return test;
    });
  });
}

function textsOf(value: unknown, what: string): readonly string[] {
  const list: readonly unknown[] = Array.isArray(value) ? value : [value];
  const texts = list.flatMap((item) =>
    typeof item === 'string' || typeof item === 'boolean' || typeof item === 'number' ? [String(item)] : [],
  );
  if (texts.length === 0 || texts.length !== list.length) throw new PolicyError(`${what} must be a text or texts.`);
  return texts;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
