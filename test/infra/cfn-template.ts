/** CloudFormation templates as CloudFormation sees them: parameters filled in, intrinsic functions worked out. */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { parse } from 'yaml';

export const AWS_FOLDER = path.resolve(__dirname, '..', '..', 'infra', 'aws');

export interface Resource {
  readonly Type: string;
  readonly Condition?: string;
  readonly DependsOn?: string;
  readonly DeletionPolicy?: string;
  readonly Properties: Readonly<Record<string, unknown>>;
}

interface Parameter {
  readonly Type: string;
  readonly Default?: string;
  readonly AllowedPattern?: string;
  readonly AllowedValues?: readonly string[];
}

export interface Template {
  readonly Parameters: Readonly<Record<string, Parameter>>;
  readonly Mappings?: Readonly<Record<string, Record<string, Record<string, string>>>>;
  readonly Conditions?: Readonly<Record<string, unknown>>;
  readonly Resources: Readonly<Record<string, Resource>>;
  readonly Outputs: Readonly<Record<string, unknown>>;
}

export function readTemplate(name: string): Template {
  const template: Template = parse(readFileSync(path.join(AWS_FOLDER, 'cloudformation', name), 'utf8'));
  return template;
}

const NO_VALUE = Symbol('AWS::NoValue');

export interface Resolved {
  /** Resources whose condition holds, with what their properties come to. */
  readonly resources: Readonly<Record<string, Resource>>;
}

/** Throws for a parameter that is missing or does not fit, and for every reference that leads nowhere. */
export function resolveTemplate(
  template: Template,
  given: Readonly<Record<string, string>>,
  pseudo: Readonly<Record<string, string>>,
): Resolved {
  for (const name of Object.keys(given)) if (!template.Parameters[name]) throw new Error(`unknown parameter ${name}`);
  const values = new Map<string, unknown>(Object.entries(pseudo).map(([name, value]) => [`AWS::${name}`, value]));
  for (const [name, parameter] of Object.entries(template.Parameters)) {
    const value = given[name] ?? parameter.Default;
    if (value === undefined) throw new Error(`parameter ${name} is missing`);
    if (parameter.AllowedPattern && !new RegExp(`^(?:${parameter.AllowedPattern})$`).test(value))
      throw new Error(`parameter ${name} does not match ${parameter.AllowedPattern}`);
    if (parameter.AllowedValues && !parameter.AllowedValues.includes(value))
      throw new Error(`parameter ${name} is none of ${parameter.AllowedValues.join(', ')}`);
    values.set(name, parameter.Type === 'CommaDelimitedList' ? value.split(',') : value);
  }
  for (const [id, { Properties }] of Object.entries(template.Resources)) {
    if (!values.has(id)) values.set(id, Properties['BucketName'] ? undefined : id);
  }
  const resolve = (value: unknown): unknown => {
    if (Array.isArray(value)) return value.map(resolve).filter((item) => item !== NO_VALUE);
    if (typeof value !== 'object' || value === null) return value;
    const entries = Object.entries(value);
    const [name, argument] = entries.length === 1 ? (entries[0] ?? ['', undefined]) : ['', undefined];
    switch (name) {
      case 'Ref':
        return refTo(String(argument));
      case 'Fn::Sub':
        return String(argument).replace(/\$\{([\w:]+)\}/g, (_whole, inner: string) => String(refTo(inner)));
      case 'Fn::FindInMap': {
        const [map, first, second] = (argument as unknown[]).map((item) => String(resolve(item)));
        const found = template.Mappings?.[map ?? '']?.[first ?? '']?.[second ?? ''];
        if (found === undefined) throw new Error(`nothing in the map ${map} at ${first}, ${second}`);
        return found;
      }
      case 'Fn::If': {
        const [condition, yes, no] = argument as unknown[];
        return resolve(holds(String(condition)) ? yes : no);
      }
      case 'Fn::Equals': {
        const [left, right] = (argument as unknown[]).map(resolve);
        return left === right;
      }
      case 'Fn::Not':
        return !resolve((argument as unknown[])[0]);
      case 'Fn::GetAtt':
        return `${(argument as string[]).join('.')}`;
      default:
        return Object.fromEntries(
          entries.map(([key, item]) => [key, resolve(item)] as const).filter(([, item]) => item !== NO_VALUE),
        );
    }
  };
  const refTo = (name: string): unknown => {
    if (name === 'AWS::NoValue') return NO_VALUE;
    if (!values.has(name)) throw new Error(`reference to ${name}, which is not there`);
    const bucket = template.Resources[name]?.Properties['BucketName'];
    return bucket === undefined ? values.get(name) : resolve(bucket);
  };
  const holds = (condition: string): boolean => {
    const expression = template.Conditions?.[condition];
    if (expression === undefined) throw new Error(`there is no condition ${condition}`);
    return resolve(expression) === true;
  };
  const resources = Object.entries(template.Resources)
    .filter(([, { Condition }]) => Condition === undefined || holds(Condition))
    .map(([id, resource]) => [id, { ...resource, Properties: resolve(resource.Properties) as Resource['Properties'] }]);
  resolve(template.Outputs);
  return { resources: Object.fromEntries(resources) };
}

/** A policy as it is in a resolved template: an object, or the text that CloudFormation reads as one. */
export const documentOf = (value: unknown) => (typeof value === 'string' ? JSON.parse(value) : value);
