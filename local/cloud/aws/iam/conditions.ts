/**
 * Condition operators. A key that the request does not have makes a positive operator false, a negated one
 * true, and anything with IfExists true; Null asks for just that.
 * Source: IAM user guide, "IAM JSON policy elements: Condition operators".
 */
import { BlockList, isIP } from 'node:net';
import { literalText, matchesArn, matchesWildcard, substituteVariables } from './wildcard';

/** Lower-case key → values. */
export type ConditionKeys = ReadonlyMap<string, readonly string[]>;

export interface ConditionTest {
  readonly operator: string;
  readonly quantifier: 'ForAnyValue' | 'ForAllValues' | undefined;
  readonly ifExists: boolean;
  readonly key: string;
  readonly values: readonly string[];
}

interface Operator {
  readonly negated: boolean;
  /** Whether the request's value meets one policy value, before negation. */
  readonly meets: (actual: string, wanted: string) => boolean;
  /** Whether a policy value has the right form. */
  readonly accepts?: (wanted: string) => boolean;
}

const isNumber = (text: string): boolean => text.trim() !== '' && Number.isFinite(Number(text));
const isDate = (text: string): boolean => !Number.isNaN(dateMs(text));
const numeric = (test: (a: number, b: number) => boolean, negated = false): Operator => ({
  negated,
  accepts: isNumber,
  meets: (actual, wanted) => isNumber(actual) && test(Number(actual), Number(wanted)),
});
const date = (test: (a: number, b: number) => boolean, negated = false): Operator => ({
  negated,
  accepts: isDate,
  meets: (actual, wanted) => isDate(actual) && test(dateMs(actual), dateMs(wanted)),
});
const equalText = (actual: string, wanted: string): boolean => actual === literalText(wanted);
const equalFolded = (actual: string, wanted: string): boolean =>
  actual.toLowerCase() === literalText(wanted).toLowerCase();
const likeText = (actual: string, wanted: string): boolean => matchesWildcard(wanted, actual);
const likeArn = (actual: string, wanted: string): boolean => matchesArn(wanted, actual);

const OPERATORS: Readonly<Record<string, Operator>> = {
  StringEquals: { negated: false, meets: equalText },
  StringNotEquals: { negated: true, meets: equalText },
  StringEqualsIgnoreCase: { negated: false, meets: equalFolded },
  StringNotEqualsIgnoreCase: { negated: true, meets: equalFolded },
  StringLike: { negated: false, meets: likeText },
  StringNotLike: { negated: true, meets: likeText },
  ArnEquals: { negated: false, meets: likeArn },
  ArnLike: { negated: false, meets: likeArn },
  ArnNotEquals: { negated: true, meets: likeArn },
  ArnNotLike: { negated: true, meets: likeArn },
  Bool: { negated: false, meets: equalFolded, accepts: (text) => /^(?:true|false)$/i.test(text) },
  NumericEquals: numeric((a, b) => a === b),
  NumericNotEquals: numeric((a, b) => a === b, true),
  NumericLessThan: numeric((a, b) => a < b),
  NumericLessThanEquals: numeric((a, b) => a <= b),
  NumericGreaterThan: numeric((a, b) => a > b),
  NumericGreaterThanEquals: numeric((a, b) => a >= b),
  DateEquals: date((a, b) => a === b),
  DateNotEquals: date((a, b) => a === b, true),
  DateLessThan: date((a, b) => a < b),
  DateLessThanEquals: date((a, b) => a <= b),
  DateGreaterThan: date((a, b) => a > b),
  DateGreaterThanEquals: date((a, b) => a >= b),
  IpAddress: { negated: false, meets: inNetwork, accepts: isNetwork },
  NotIpAddress: { negated: true, meets: inNetwork, accepts: isNetwork },
};

/** Undefined when the operator is not known or a value does not fit it. */
export function parseConditionTest(name: string, key: string, values: readonly string[]): ConditionTest | undefined {
  const match = /^(?:(ForAnyValue|ForAllValues):)?([A-Za-z]+?)(IfExists)?$/.exec(name);
  const [, quantifier, operator = '', ifExists] = match ?? [];
  const accepts = operator === 'Null' ? OPERATORS['Bool']?.accepts : OPERATORS[operator]?.accepts;
  if (operator !== 'Null' && OPERATORS[operator] === undefined) return undefined;
  if (operator === 'Null' && (quantifier !== undefined || ifExists !== undefined)) return undefined;
  if (accepts !== undefined && !values.every((value) => value.includes('${') || accepts(value))) return undefined;
  return {
    operator,
    quantifier: quantifier === 'ForAnyValue' || quantifier === 'ForAllValues' ? quantifier : undefined,
    ifExists: ifExists !== undefined,
    key: key.toLowerCase(),
    values,
  };
}

export function meetsCondition(test: ConditionTest, keys: ConditionKeys): boolean {
  const actual = keys.get(test.key);
  const present = actual !== undefined && actual.length > 0;
  if (test.operator === 'Null') return test.values.some((value) => (value.toLowerCase() === 'true') === !present);
  const operator = OPERATORS[test.operator];
  if (operator === undefined) return false;
  if (!present)
    return test.ifExists || test.quantifier === 'ForAllValues' || (operator.negated && test.quantifier === undefined);
  const meetsOne = (value: string): boolean => {
    const hit = test.values.some((pattern) => {
      const wanted = substituteVariables(pattern, keys);
      return wanted !== undefined && operator.meets(value, wanted);
    });
    return hit !== operator.negated;
  };
  return test.quantifier === 'ForAnyValue' ? actual.some(meetsOne) : actual.every(meetsOne);
}

/** ISO 8601 or epoch seconds. */
function dateMs(text: string): number {
  return /^\d+$/.test(text) ? Number(text) * 1000 : Date.parse(text);
}

function isNetwork(text: string): boolean {
  const [address = '', prefix] = text.split('/');
  const family = isIP(address);
  return (
    family !== 0 && (prefix === undefined || (/^\d+$/.test(prefix) && Number(prefix) <= (family === 4 ? 32 : 128)))
  );
}

function inNetwork(actual: string, network: string): boolean {
  const [address = '', prefix] = network.split('/');
  const family = isIP(address) === 4 ? 'ipv4' : 'ipv6';
  if (isIP(address) !== isIP(actual) || isIP(actual) === 0) return false;
  const list = new BlockList();
  list.addSubnet(address, prefix === undefined ? (family === 'ipv4' ? 32 : 128) : Number(prefix), family);
  return list.check(actual, family);
}
