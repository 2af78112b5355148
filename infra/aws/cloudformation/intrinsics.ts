/** From values with placeholders to CloudFormation's intrinsic functions. */
import { LOCK_CAP, NETWORKS } from '../placeholders';

export type CfnValue = string | number | boolean | readonly CfnValue[] | { readonly [name: string]: CfnValue };

export const ref = (name: string): CfnValue => ({ Ref: name });

/** `${Name}` alone becomes Ref, inside a text Fn::Sub. Names of keys cannot have placeholders: see `subJson`. */
export function toCfn(value: unknown): CfnValue {
  if (typeof value === 'string') return textOf(value);
  if (typeof value === 'number' || typeof value === 'boolean') return value;
  if (Array.isArray(value)) {
    return value.length === 1 && value[0] === NETWORKS ? ref(NETWORKS.slice(2, -1)) : value.map(toCfn);
  }
  return Object.fromEntries(Object.entries(value as object).map(([name, item]) => [name, toCfn(item)]));
}

function textOf(text: string): CfnValue {
  if (text === LOCK_CAP) return { 'Fn::FindInMap': ['LockWindows', ref('LockDays'), 'CapDays'] };
  const whole = /^\$\{([\w:]+)\}$/.exec(text)?.[1];
  if (whole !== undefined) return ref(whole);
  return text.includes('${') ? { 'Fn::Sub': text } : text;
}

/** A document as one text: the only way to placeholders in the names of condition keys, which Fn::Sub does not reach otherwise. */
export const subJson = (document: unknown): CfnValue => ({ 'Fn::Sub': JSON.stringify(document) });
