/** Holds a template against AWS's own description of its resource types. */
import { loadAwsServiceSpec } from '@aws-cdk/aws-service-spec';
import type { PropertyType, SpecDatabase } from '@aws-cdk/service-spec-types';
import type { Template } from './cfn-template';

/** What is wrong, each with its place; empty when all fits. */
export async function problemsOf(template: Template): Promise<string[]> {
  const spec = await loadAwsServiceSpec();
  return Object.entries(template.Resources).flatMap(([id, { Type, Properties }]) => {
    const [resource] = [...spec.lookup('resource', 'cloudFormationType', 'equals', Type)];
    if (!resource) return [`${id}: there is no type ${Type}`];
    return objectProblems(spec, id, Properties, resource.properties);
  });
}

type Properties = Readonly<Record<string, { readonly type: PropertyType; readonly required?: boolean }>>;

function objectProblems(spec: SpecDatabase, at: string, value: object, known: Properties): string[] {
  const given = Object.entries(value);
  const missing = Object.entries(known).filter(([name, { required }]) => required && !(name in value));
  return [
    ...missing.map(([name]) => `${at}: ${name} is missing`),
    ...given.flatMap(([name, item]) => {
      const property = known[name];
      return property ? typeProblems(spec, `${at}.${name}`, item, property.type) : [`${at}: unknown ${name}`];
    }),
  ];
}

function typeProblems(spec: SpecDatabase, at: string, value: unknown, type: PropertyType): string[] {
  if (isIntrinsic(value)) {
    const branches = (value as { readonly 'Fn::If'?: readonly unknown[] })['Fn::If'];
    return branches === undefined ? [] : branches.slice(1).flatMap((branch) => typeProblems(spec, at, branch, type));
  }
  switch (type.type) {
    case 'ref': {
      const definition = spec.get('typeDefinition', type.reference.$ref);
      return isObject(value) ? objectProblems(spec, at, value, definition.properties) : [`${at}: no object`];
    }
    case 'array':
      return Array.isArray(value)
        ? value.flatMap((item, index) => typeProblems(spec, `${at}[${index}]`, item, type.element))
        : [`${at}: no list`];
    case 'map':
    case 'json':
      return isObject(value) ? [] : [`${at}: no object`];
    case 'union':
      return type.types.some((option) => typeProblems(spec, at, value, option).length === 0)
        ? []
        : [`${at}: fits no type`];
    case 'boolean':
      return typeof value === 'boolean' ? [] : [`${at}: not true or false`];
    case 'integer':
    case 'number':
      return typeof value === 'number' ? [] : [`${at}: no number`];
    case 'string':
      return typeof value === 'string' ? [] : [`${at}: no text`];
    default:
      return [];
  }
}

const isObject = (value: unknown): value is object =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

function isIntrinsic(value: unknown): boolean {
  const keys = isObject(value) ? Object.keys(value) : [];
  return keys.length === 1 && (keys[0] === 'Ref' || keys[0]?.startsWith('Fn::') === true);
}
