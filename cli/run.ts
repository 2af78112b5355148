/**
 * One call of the command line, from arguments to exit code, with everything of the process handed in: tests call it as the
 * process does. commander reads the words; the schemas of the command judge the values; errors end here and nowhere else.
 */
import { CommanderError } from 'commander';
import { z } from 'zod';
import { jsonLogger } from '../shared/base/logger';
import { ApiClient } from './api-client';
import { authorizer } from './authorize';
import { type CliError, toCliError, usageError } from './cli-error';
import type { Command } from './command';
import { findConnection } from './connection';
import type { CommandContext } from './context';
import { exitCodes } from './exit-codes';
import { Output, type Stream } from './output';
import { buildProgram, type Flags, WATCH_SECONDS } from './program';
import { openRepositoryFor } from './repository';
import { safeJson } from './text';

export interface World {
  readonly commands: readonly Command[];
  readonly version: string;
  readonly stdout: Stream;
  readonly stderr: Stream;
  readonly readStdin: () => Promise<string>;
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly signal: AbortSignal;
  readonly nowMs: () => number;
  readonly sleep: (ms: number) => Promise<void>;
}

const HOME_AND_CLEAR = '\u001b[H\u001b[2J';

/** `words` are the arguments without node and script. Never rejects. */
export async function runCli(words: readonly string[], world: World): Promise<number> {
  let exitCode: number = exitCodes.done.code;
  const program = buildProgram(world, async (command, positionals, flags) => {
    exitCode = await execute(command, positionals, flags, world);
  });
  try {
    await program.parseAsync([...words], { from: 'user' });
    return exitCode;
  } catch (error) {
    if (!(error instanceof CommanderError))
      return report(toCliError(error, world.signal), world, words.includes('--json'));
    // commander has said it: help and version end with 0, everything else is wrong usage.
    return error.exitCode === 0 ? exitCodes.done.code : exitCodes.usage.code;
  }
}

async function execute(command: Command, positionals: readonly unknown[], flags: Flags, world: World): Promise<number> {
  const json = flags['json'] === true;
  const { signal } = world;
  const quiet = flags['quiet'] === true;
  const out = new Output({ ...world, json, quiet }, command.lines);
  const logger = jsonLogger((line, level) => {
    if (!quiet || level !== 'info') world.stderr.write(line);
  }, world.nowMs);
  try {
    const context: CommandContext<never, never, never> = {
      args: judged(command.arguments ?? {}, (name, index) => [
        positionals[index],
        command.arguments?.[name]?.usage ?? name,
      ]) as never,
      options: judged(command.options ?? {}, (name) => [flags[name], command.options?.[name]?.flags ?? name]) as never,
      out: out as never,
      api: () => connect(flags, world),
      repository: () => openRepositoryFor(flags, world.environment, logger),
      signal,
      nowMs: world.nowMs,
      environment: world.environment,
      logger,
      readStdin: world.readStdin,
      sleep: world.sleep,
      program: { version: world.version, commands: world.commands },
    };
    if (flags['watch'] === true && command.watchable) return await watched(command, context, intervalOf(flags), world);
    return exitCodes[(await command.run(context)) ?? 'done'].code;
  } catch (error) {
    return report(toCliError(error, signal), world, json);
  } finally {
    out.progress.clear();
  }
}

/** Ends by the signal alone: what is looked at may change for ever. */
async function watched(
  command: Command,
  context: CommandContext<never, never, never>,
  seconds: number,
  world: World,
): Promise<number> {
  for (;;) {
    if (world.stdout.isTTY && !(context.out as Output<never>).json) world.stdout.write(HOME_AND_CLEAR);
    await command.run(context);
    await world.sleep(seconds * 1000);
    if (world.signal.aborted) return exitCodes.interrupted.code;
  }
}

function intervalOf(flags: Flags): number {
  const seconds = Number(flags['interval'] ?? WATCH_SECONDS);
  if (Number.isFinite(seconds) && seconds >= 0.2 && seconds <= 3600) return seconds;
  throw usageError(`--interval ${String(flags['interval'])}: seconds from 0.2 to 3600 are wanted`);
}

async function connect(flags: Flags, world: World): Promise<ApiClient> {
  const connection = await findConnection(flags, world.environment);
  const { signal, sleep } = world;
  return new ApiClient({ url: connection.url, authorize: authorizer(connection.credential), signal, sleep });
}

/** All wrong values at once, each by its flag. */
function judged(
  specs: Readonly<Record<string, { readonly value: z.ZodType }>>,
  given: (name: string, index: number) => readonly [value: unknown, flags: string],
): Record<string, unknown> {
  const wrong: string[] = [];
  const values = Object.entries(specs).map(([name, { value }], index) => {
    const [raw, flags] = given(name, index);
    const parsed = value.safeParse(raw);
    if (parsed.success) return [name, parsed.data] as const;
    wrong.push(`${flags}: ${parsed.error.issues[0]?.message ?? 'wrong'}`);
    return [name, undefined] as const;
  });
  if (wrong.length > 0) throw usageError(wrong.join('; '));
  return Object.fromEntries(values);
}

/** One error, on stderr, for whoever reads. */
function report(error: CliError, { stderr }: Pick<World, 'stderr'>, json: boolean): number {
  stderr.write(`${json ? safeJson(errorLine(error)) : errorText(error)}\n`);
  return error.exitCode;
}

/** What `--json` prints on stderr, whatever the command. */
export const errorLineSchema = z.strictObject({
  type: z.literal('error'),
  code: z.string(),
  message: z.string(),
  exitCode: z.number().int(),
  hint: z.string().optional(),
  fields: z.array(z.strictObject({ at: z.string(), message: z.string() })).optional(),
});

function errorLine(error: CliError): z.infer<typeof errorLineSchema> {
  const { code = error.exit, hint, fields } = error.details;
  return errorLineSchema.parse({ type: 'error', code, message: error.message, exitCode: error.exitCode, hint, fields });
}

function errorText(error: CliError): string {
  const { hint, fields = [] } = error.details;
  return [
    `blockferry: ${error.message}`,
    ...fields.map(({ at, message }) => `  ${at}: ${message}`),
    ...(hint === undefined ? [] : [`  ${hint}`]),
  ]
    .map((line) => line.replaceAll('\n', ' '))
    .join('\n');
}
