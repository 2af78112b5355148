/** The command table as commander's tree of parsers: words, help, and what the frame adds to each command. */
import { Option, Command as Parser } from 'commander';
import { assert } from '../shared/base/assert';
import type { Command } from './command';
import { connectionFlags } from './connection';
import { examplesOf } from './help';
import type { Stream } from './output';
import { repositoryFlags } from './repository';

export interface ProgramParts {
  readonly commands: readonly Command[];
  readonly version: string;
  readonly stdout: Stream;
  readonly stderr: Stream;
}

/** How long between two looks with `--watch`. */
export const WATCH_SECONDS = 5;

export type Flags = Readonly<Record<string, unknown>>;
export type Run = (command: Command, positionals: readonly unknown[], flags: Flags) => Promise<void>;

export function buildProgram(world: ProgramParts, run: Run): Parser {
  const program = prepare(new Parser('blockferry'), world)
    .description('Backs up Azure virtual machines into AWS S3, and brings them back.')
    .version(world.version, '-V, --version', 'version of this command line')
    .addHelpText(
      'after',
      '\nhelp of a command, with examples: blockferry <command> --help\nexit codes, --json lines: docs/cli.md, or `blockferry schema`',
    );
  const groups = new Map<string, Parser>();
  for (const command of world.commands) {
    const [first = '', second] = command.name.split(' ');
    if (second === undefined) addCommand(program, first, command, world, run);
    else {
      const group =
        groups.get(first) ?? prepare(program.command(first), world).description(groupSummaries[first] ?? '');
      groups.set(first, group);
      addCommand(group, second, command, world, run);
    }
  }
  return program;
}

/** Of words that have commands below them. */
export const groupSummaries: Readonly<Record<string, string>> = {
  policy: 'policies: what is protected, when, and how long it is kept',
  backup: 'backups on request',
  jobs: 'jobs: list, look at, watch, cancel',
  points: 'restore points: list, look at, keep, expire',
  restore: 'restores: disks, virtual machines, files',
  key: 'the keys of the tenant (docs/keys.md)',
  index: 'the block index of the tenant',
  audit: 'the audit log',
  cost: 'what it costs: actual, forecast, prices',
};

function prepare(parser: Parser, { stdout, stderr }: Pick<ProgramParts, 'stdout' | 'stderr'>): Parser {
  return parser
    .exitOverride()
    .showSuggestionAfterError()
    .configureOutput({
      writeOut: (text) => stdout.write(text),
      writeErr: (text) => stderr.write(text),
      getOutHelpWidth: () => stdout.columns ?? 100,
      getErrHelpWidth: () => stderr.columns ?? 100,
      outputError: (text, write) => write(text.replace(/^error: /, 'blockferry: ')),
    });
}

function addCommand(
  parent: Parser,
  word: string,
  command: Command,
  world: Pick<ProgramParts, 'stdout' | 'stderr'>,
  run: Run,
): void {
  const parser = prepare(parent.command(word, { hidden: command.hidden === true }), world).summary(command.summary);
  parser.description(
    command.description === undefined ? command.summary : `${command.summary}\n\n${command.description}`,
  );
  for (const { usage, says } of Object.values(command.arguments ?? {})) parser.argument(usage, says);
  for (const [name, { flags, says }] of Object.entries(command.options ?? {})) {
    const option = new Option(flags, says);
    assert(
      option.attributeName() === name,
      `option ${flags} of ${command.name} must be called ${option.attributeName()}`,
    );
    parser.addOption(option);
  }
  for (const { flags, says } of frameFlags(command)) parser.option(flags, says);
  parser.addHelpText('after', examplesOf(command));
  parser.action(async (...given: unknown[]) => {
    const flags = given[given.length - 2] as Flags;
    await run(command, given.slice(0, -2), flags);
  });
}

/** What the frame itself adds to a command. */
export function frameFlags(command: Command): readonly { readonly flags: string; readonly says: string }[] {
  return [
    ...(command.watchable ? watchFlags : []),
    { flags: '--json', says: 'lines of JSON for programs (`blockferry schema` has their form)' },
    { flags: '-q, --quiet', says: 'results only: no notes and no progress' },
    ...(command.reach?.includes('api') ? connectionFlags : []),
    ...(command.reach?.includes('repository') ? repositoryFlags : []),
  ];
}

export const watchFlags = [
  { flags: '-w, --watch', says: 'again and again, until Ctrl-C' },
  { flags: '--interval <seconds>', says: `how long between two looks with --watch (${WATCH_SECONDS})` },
];
