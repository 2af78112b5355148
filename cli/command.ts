/**
 * The contract of a command. To add one:
 *
 * 1. Write `cli/commands/<name>.ts` (`policy apply` is `policy-apply.ts`) that exports `defineCommand({ … })`: name, summary,
 *    at least one example, arguments and options with a zod schema each, the shapes of its `--json` lines, `run`.
 * 2. Add it to the table in `cli/commands.ts`. Help, completion, `blockferry schema`, docs/cli.md and the tests that check all
 *    of them read that table; `npm test -- test/cli` says what is missing, and how docs/cli.md is written anew.
 * 3. `run` gets everything by its context and touches neither `process` nor the console. What it shows goes through
 *    `context.out`, each piece once: a line of JSON for machines, text for people. It throws `CliError` or lets an `AppError`
 *    pass; the exit code follows. It ends soon after `context.signal` is aborted, and leaves nothing half done.
 *
 * Imports at the top of a command file are loaded for every command: what is heavy (an SDK, the blockstore) is loaded in
 * `run`, or by the context. No option takes a secret: arguments are seen by every process and kept by shells. Secrets come
 * from files, the environment or stdin.
 */
import type { z } from 'zod';
import type { CommandContext } from './context';
import type { ExitName } from './exit-codes';

/** One kind of `--json` line: the fields beside `type`. Objects are stripped to these fields before they are shown. */
export type LineShapes = Readonly<Record<string, z.ZodObject>>;

/** Names that the shell can offer for a value. */
export type Completion = 'vm' | 'policy' | 'job' | 'point' | 'file' | readonly string[];

export interface ArgumentSpec {
  /** `<vm>` needed, `[vm]` optional, `<vms...>` many. */
  readonly usage: string;
  readonly says: string;
  /** Judges what was given: a text, undefined, or a list for many. */
  readonly value: z.ZodType;
  readonly complete?: Completion;
}

export interface OptionSpec {
  /** As commander takes them: `--vm <name>`, `-n, --dry-run`. `<names...>` may be given more than once. */
  readonly flags: string;
  readonly says: string;
  /** Judges what was given: a text, a list of texts, true for a flag, undefined when absent. */
  readonly value: z.ZodType;
  readonly complete?: Completion;
}

export type ArgumentSpecs = Readonly<Record<string, ArgumentSpec>>;
export type OptionSpecs = Readonly<Record<string, OptionSpec>>;
export type ValuesOf<Specs extends Readonly<Record<string, { readonly value: z.ZodType }>>> = {
  readonly [Name in keyof Specs]: z.output<Specs[Name]['value']>;
};

/** What a command may need to reach; the frame adds the options that say where it is. */
export type Reach = 'api' | 'repository';

export interface CommandSpec<Arguments extends ArgumentSpecs, Options extends OptionSpecs, Lines extends LineShapes> {
  /** The words: `vms`, `policy apply`. */
  readonly name: string;
  /** One line, no full stop. */
  readonly summary: string;
  /** What the summary cannot say: what it changes, what it never does, what the exit code tells. */
  readonly description?: string;
  readonly examples: readonly { readonly run: string; readonly does: string }[];
  readonly reach?: readonly Reach[];
  /** In the order of the command line. Keys are the names in `run`. */
  readonly arguments?: Arguments;
  /** Keys are the names in `run`, and what commander makes of the long flag: `--dry-run` is `dryRun`. */
  readonly options?: Options;
  readonly lines: Lines;
  /** Adds `--watch` and `--interval`: the frame runs it again and again until Ctrl-C. */
  readonly watchable?: boolean;
  /** Not in the list of commands: plumbing of the shell. */
  readonly hidden?: boolean;
  /** The exit, when it is not `done`. */
  run(context: CommandContext<ValuesOf<Arguments>, ValuesOf<Options>, Lines>): Promise<ExitName | undefined>;
}

export type Command = CommandSpec<ArgumentSpecs, OptionSpecs, LineShapes>;

/** Checks the types of a command against each other and forgets them: the table holds commands of all kinds. */
export function defineCommand<
  const Arguments extends ArgumentSpecs = Record<never, never>,
  const Options extends OptionSpecs = Record<never, never>,
  const Lines extends LineShapes = Record<never, never>,
>(spec: CommandSpec<Arguments, Options, Lines>): Command {
  // `run` is only ever called with the values that this very spec's schemas have made.
  return spec as unknown as Command;
}
