/** The Terraform module: read by Terraform's own parser, its policies filled as templatefile() would. */
import { globSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { parse } from '@cdktn/hcl2json';
import { AWS_FOLDER } from './cfn-template';

type Blocks = Readonly<Record<string, Readonly<Record<string, readonly Readonly<Record<string, unknown>>[]>>>>;

export interface TerraformModule {
  /** Of all files together. */
  readonly variables: Readonly<Record<string, readonly Readonly<Record<string, unknown>>[]>>;
  readonly resources: Blocks;
  readonly locals: Readonly<Record<string, unknown>>;
  /** Every expression and text, to look for references in. */
  readonly text: string;
}

export async function readModule(folder: string): Promise<TerraformModule> {
  const files = globSync('*.tf', { cwd: path.join(AWS_FOLDER, folder) }).sort();
  const parsed = await Promise.all(
    files.map((file) => parse(file, readFileSync(path.join(AWS_FOLDER, folder, file), 'utf8'))),
  );
  const all = <Value>(name: string): Value => Object.assign({}, ...parsed.map((file) => file[name] ?? {})) as Value;
  return {
    variables: all('variable'),
    resources: all('resource'),
    locals: Object.assign({}, ...parsed.flatMap((file) => (file['locals'] as object[] | undefined) ?? [])),
    text: JSON.stringify(parsed),
  };
}

/** What templatefile() makes of a policy file. Throws for a name that is not given. */
export function fillPolicy(file: string, names: Readonly<Record<string, unknown>>): unknown {
  const text = readFileSync(path.join(AWS_FOLDER, file), 'utf8');
  const nameValue = (name: string): unknown => {
    if (!(name in names)) throw new Error(`${file} uses ${name}, which is not given`);
    return names[name];
  };
  return JSON.parse(
    text
      .replace(/\$\{jsonencode\((\w+)\)\}/g, (_whole, name: string) => JSON.stringify(nameValue(name)))
      .replace(/\$\{(\w+)\}/g, (_whole, name: string) => String(nameValue(name))),
  );
}
