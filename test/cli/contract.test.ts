/** What every command owes: help with examples, options that do not clash, a published schema, a place in docs/cli.md. */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import Ajv2020 from 'ajv/dist/2020';
import { commands } from '../../cli/commands';
import { outputSchema } from '../../cli/commands/schema';
import { documentOf } from '../../cli/document';
import { frameFlags } from '../../cli/program';
import { cli } from '../helpers/cli-harness';

const each = commands.map((command) => [command.name, command] as const);

test.each(each)('%s: help with its examples, and exit code 0', async (name, { summary, examples }) => {
  const help = await cli([...name.split(' '), '--help']);
  expect(help.exitCode).toBe(0);
  expect(help.stderr).toBe('');
  expect(help.stdout).toContain(summary);
  expect(examples.length).toBeGreaterThan(0);
  for (const { run, does } of examples) {
    expect(help.stdout).toContain(`  ${run}\n      ${does}`);
    expect(run).toMatch(new RegExp(`(^|[\\s(])blockferry ${name}\\b`));
  }
});

test.each(each)('%s: an unknown option is wrong usage, exit code 2', async (name) => {
  const wrong = await cli([...name.split(' '), '--no-such-option']);
  expect(wrong.exitCode).toBe(2);
  expect(wrong.stderr).toContain("unknown option '--no-such-option'");
});

test.each(each)('%s: summary, options and lines follow the rules', (name, command) => {
  expect(command.summary).not.toMatch(/^[A-Z][a-z]|\.$|\n/);
  expect(name).toMatch(/^[a-z]+( [a-z-]+)?$/);
  const flags = [...Object.values(command.options ?? {}), ...frameFlags(command)].flatMap((option) =>
    option.flags.split(/[ ,]+/).filter((word) => word.startsWith('-')),
  );
  expect(flags).toEqual([...new Set(flags)]);
  // Arguments are seen by every process of the machine.
  expect(flags.filter((flag) => /(key|token|secret|password)$/.test(flag)).sort()).toEqual(
    command.reach?.includes('repository') ? ['--escrow-key', '--key-vault-key'] : expect.arrayContaining([]),
  );
});

test('the published schema is one that an independent validator takes', async () => {
  const ajv = new Ajv2020({ strict: true, strictTypes: false, allowUnionTypes: true });
  const schema = outputSchema(commands);
  const valid = await ajv.validateSchema(schema);
  expect({ valid, errors: ajv.errors }).toEqual({ valid: true, errors: null });
  const talking = commands.filter(({ lines }) => Object.keys(lines).length > 0).map(({ name }) => name);
  expect(Object.keys(schema['$defs'] as object)).toEqual([...talking, 'error']);
});

test('docs/cli.md is what the commands say (npm run -s build && node dist/cli/main.js docs > docs/cli.md)', () => {
  const file = path.join(__dirname, '..', '..', 'docs', 'cli.md');
  expect(readFileSync(file, 'utf8').trimEnd()).toBe(documentOf(commands).trimEnd());
});
