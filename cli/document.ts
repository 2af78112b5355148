/** docs/cli.md from the table of commands. A test holds the file against it. */
import type { Command } from './command';
import { connectionFlags } from './connection';
import { exitCodes } from './exit-codes';
import { watchFlags } from './program';
import { repositoryFlags } from './repository';

export function documentOf(all: readonly Command[]): string {
  const commands = all.filter(({ hidden }) => !hidden);
  return [
    INTRODUCTION,
    '## Commands',
    table(
      ['command', 'what it does'],
      commands.map(({ name, summary }) => [`[\`${name}\`](#${name.replaceAll(' ', '-')})`, summary]),
    ),
    '## Exit codes',
    'A promise: no number gets another meaning.',
    table(
      ['code', 'means'],
      Object.values(exitCodes).map(({ code, means }) => [String(code), means]),
    ),
    '## Where the API is',
    CONNECTION,
    table(['option', 'meaning'], connectionFlags.map(row)),
    '## Without the API',
    REPOSITORY,
    table(['option', 'meaning'], repositoryFlags.map(row)),
    '## Every command',
    ...commands.flatMap(section),
    '',
  ].join('\n\n');
}

const row = ({ flags, says }: { readonly flags: string; readonly says: string }): string[] => [`\`${flags}\``, says];

function section(command: Command): string[] {
  const { name, summary, description, examples, reach = [], lines } = command;
  const argumentsOf = Object.values(command.arguments ?? {});
  const usage = ['blockferry', name, ...argumentsOf.map((argument) => argument.usage), '[options]'].join(' ');
  const options = [...Object.values(command.options ?? {}), ...(command.watchable ? watchFlags : [])];
  const reached = [
    ...(reach.includes('api') ? ['the [API](#where-the-api-is)'] : []),
    ...(reach.includes('repository') ? ['the buckets or a folder, [without the API](#without-the-api)'] : []),
  ];
  return [
    `### ${name}`,
    `\`${usage}\``,
    `${sentence(summary)}${description === undefined ? '' : ` ${description.replaceAll('\n', ' ')}`}`,
    ...(reached.length > 0 ? [`Reaches ${reached.join('; or ')}.`] : []),
    ...(argumentsOf.length > 0
      ? [
          table(
            ['argument', 'meaning'],
            argumentsOf.map(({ usage: flags, says }) => row({ flags, says })),
          ),
        ]
      : []),
    ...(options.length > 0 ? [table(['option', 'meaning'], options.map(row))] : []),
    ['```', ...examples.flatMap(({ run, does }) => [`# ${does}`, run]), '```'].join('\n'),
    ...(Object.keys(lines).length > 0
      ? [`\`--json\` lines: ${Object.keys(lines).map(fieldsOf(command)).join('; ')}.`]
      : []),
  ];
}

const fieldsOf =
  ({ lines }: Command) =>
  (type: string): string =>
    `\`${type}\` (${Object.keys(lines[type]?.shape ?? {}).join(', ')})`;

const sentence = (summary: string): string => `${summary.charAt(0).toUpperCase()}${summary.slice(1)}.`;

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
  return [line(head), `|${head.map(() => '---').join('|')}|`, ...rows.map(line)].join('\n');
}

const INTRODUCTION = `# Command line

This page is made from the commands themselves: \`node dist/cli/main.js docs > docs/cli.md\`.

\`blockferry\` comes with the package (\`bin\` in package.json); from a checkout it is \`node dist/cli/main.js\` after \`npm run build\`.
\`blockferry <command> --help\` has examples. Results go to stdout, everything else to stderr.

- \`--json\` prints one JSON object a line, each with a \`type\`; \`blockferry schema\` prints the JSON schema of all of them. Lines only
  ever gain fields. An error is one line of \`type\` \`error\` on stderr.
- \`--quiet\` leaves out notes and progress. \`NO_COLOR\` turns colours off. Bars are drawn on terminals only.
- Names from clouds and callers are shown with control characters escaped (\`\\u001b\`), in tables and in JSON.
- Ctrl-C ends a command soon and in order, with 130; a second one at once. Jobs that were started go on.`;

const CONNECTION = `Options come first, then the environment, then the profile file that \`blockferry login\` writes
(\`~/.config/blockferry/profiles.json\`, mode 600 or it is not read). A key or token is never an argument: it comes from a file, from
\`BLOCKFERRY_KEY\` or \`BLOCKFERRY_TOKEN\`, or from the sign-in of \`az\`. It is sent over TLS, or in clear to this machine only.`;

const REPOSITORY = `Commands that read a repository directly take a copy of the buckets in folders or the buckets themselves, and one key.
With none of these options they use the settings of the function app in the environment.`;
