import { z } from 'zod';
import { CliError } from '../cli-error';
import { type Command, defineCommand } from '../command';
import { errorLineSchema } from '../run';

export const schemaCommand = defineCommand({
  name: 'schema',
  summary: 'JSON schema of the lines that --json prints',
  description: 'One document: `$defs` has an entry for each command, and one for errors, which go to stderr.',
  examples: [
    { run: 'blockferry schema > blockferry.schema.json', does: 'of all commands' },
    { run: 'blockferry schema vms', does: 'of one' },
  ],
  arguments: {
    command: { usage: '[command...]', says: 'words of one command', value: z.array(z.string()) },
  },
  lines: {},
  run: async ({ args, out, program }) => {
    const name = args.command.join(' ');
    const chosen = program.commands.filter((command) => name === '' || command.name === name);
    if (chosen.length === 0) throw new CliError('nothing', `there is no command ${name}`, { code: 'cli.no-command' });
    out.document(JSON.stringify(outputSchema(chosen), null, 2));
    return undefined;
  },
});

/** JSON schema 2020-12, one definition a command. */
export function outputSchema(commands: readonly Command[]): Readonly<Record<string, unknown>> {
  // A command that prints a document of its own form, such as a script, has no lines.
  const talking = commands.filter(({ lines }) => Object.keys(lines).length > 0);
  const definitions = talking.map((command) => [command.name, lineSchema(command)] as const);
  return {
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    title: 'Lines that `blockferry <command> --json` prints',
    $defs: { ...Object.fromEntries(definitions), error: bare(errorLineSchema) },
  };
}

function lineSchema({ lines }: Command): unknown {
  return {
    oneOf: Object.entries(lines).map(([type, shape]) => bare(z.object({ type: z.literal(type) }).extend(shape.shape))),
  };
}

/** Without the `$schema` that stands at the top already. */
function bare(schema: z.ZodType): unknown {
  const { $schema: _, ...rest } = z.toJSONSchema(schema, { io: 'output', unrepresentable: 'any' });
  return rest;
}
