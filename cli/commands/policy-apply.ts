import { readFile } from 'node:fs/promises';
import { z } from 'zod';
import { policyNameSchema } from '../../shared/model/ids';
import type { ApiClient } from '../api-client';
import { CliError, usageError } from '../cli-error';
import { defineCommand } from '../command';
import { policyLine } from '../lines/policy';
import { flag } from '../option-values';

const FILE_BYTES_MAX = 4 * 1024 * 1024;
const named = z.looseObject({ name: policyNameSchema });
type PolicyDocument = z.output<typeof named>;

export const policyApplyCommand = defineCommand({
  name: 'policy apply',
  summary: 'make policies what files say',
  description:
    'YAML or JSON, one policy a document. Policies that no file names stay as they are. A policy is written only over the state that\n' +
    'was read just before: a change by somebody else in between is a conflict (exit code 11), and what was applied before it stays.',
  examples: [
    { run: 'blockferry policy apply policies.yaml --dry-run', does: 'checked by the server, nothing is written' },
    { run: 'blockferry policy apply gold.yaml silver.yaml', does: 'create or replace' },
    { run: 'cat gold.yaml | blockferry policy apply -', does: 'from stdin' },
  ],
  reach: ['api'],
  arguments: {
    files: { usage: '<file...>', says: 'files; - for stdin', value: z.array(z.string()).min(1), complete: 'file' },
  },
  options: { dryRun: { flags: '-n, --dry-run', says: 'write nothing, and say what would be', value: flag } },
  lines: {
    applied: z.object({ name: z.string(), outcome: z.enum(['created', 'replaced', 'unchanged']), dryRun: z.boolean() }),
  },
  run: async ({ args, options, out, api, readStdin }) => {
    // All files are read and understood before the first policy is written.
    const documents: PolicyDocument[] = [];
    for (const file of args.files)
      documents.push(...parse(file, file === '-' ? await readStdin() : await textOf(file)));
    const names = documents.map(({ name }) => name);
    const twice = names.find((name, index) => names.indexOf(name) !== index);
    if (twice !== undefined) throw usageError(`policy ${twice} is in the files more than once`);
    const client = await api();
    for (const document of documents) {
      const outcome = await apply(client, document, options.dryRun);
      const item = { name: document.name, outcome, dryRun: options.dryRun };
      out.line('applied', item, (row) => `policy ${row.name}: ${row.dryRun ? 'would be ' : ''}${row.outcome}`);
    }
    return undefined;
  },
});

async function apply(client: ApiClient, document: PolicyDocument, dryRun: boolean) {
  const path = `/policies/${encodeURIComponent(document.name)}`;
  const current = await client.call('GET', path, z.unknown()).catch((error: unknown) => {
    if (error instanceof CliError && error.exit === 'nothing') return undefined;
    throw error;
  });
  const etag = current?.headers.get('etag');
  const headers: Record<string, string> =
    current === undefined ? { 'if-none-match': '*' } : etag ? { 'if-match': etag } : {};
  const query = dryRun ? { dryRun: true } : {};
  const { body } = await client.call('PUT', path, policyLine, { body: document, headers, query });
  if (current === undefined) return 'created' as const;
  return JSON.stringify(body) === JSON.stringify(policyLine.parse(current.body))
    ? ('unchanged' as const)
    : ('replaced' as const);
}

async function textOf(file: string): Promise<string> {
  const bytes = await readFile(file).catch(() => undefined);
  if (bytes === undefined || bytes.length > FILE_BYTES_MAX) throw usageError(`${file} cannot be read, or is too large`);
  return bytes.toString('utf8');
}

/** YAML 1.2, which JSON is too. Aliases are bounded by the parser: a small file cannot become a large one. */
function parse(file: string, content: string): PolicyDocument[] {
  const yaml = require('yaml') as typeof import('yaml');
  const parsed = yaml.parseAllDocuments(content);
  return [parsed].flat().map((document, index) => {
    const where = `${file}, document ${index + 1}`;
    const [error] = document.errors;
    if (error) throw usageError(`${where}: ${error.message}`);
    const result = named.safeParse(document.toJS());
    if (!result.success) throw usageError(`${where}: needs a name: lower-case letters, digits and "-", at most 40`);
    return result.data;
  });
}
