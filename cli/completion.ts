/** What may come next on a command line, from the table of commands; names of VMs, jobs and the like from the API. */
import type { Command, Completion } from './command';
import { frameFlags } from './program';

export interface Candidate {
  readonly value: string;
  readonly about: string;
}

/** Names of one kind, from the API; empty when it does not answer soon. */
export type LookUp = (kind: 'vm' | 'policy' | 'job' | 'point') => Promise<readonly Candidate[]>;

/** The shell completes file names itself. */
export const FILES = 'files';

/**
 * `words` are those behind the program's name, the last one being typed (empty after a space). Candidates are not cut to what
 * is typed already, shells do that.
 */
export async function candidatesFor(
  words: readonly string[],
  commands: readonly Command[],
  lookUp: LookUp,
): Promise<readonly Candidate[] | typeof FILES> {
  const typed = joined(words);
  const current = typed.at(-1) ?? '';
  const before = typed.slice(0, -1);
  const { command, rest } = commandOf(before, commands);
  if (!command) return nextWords(before.filter(isWord), commands);
  const options = optionsOf(command);
  const pending = valueFlag(before.at(-1), options);
  if (pending) return namesOf(pending.complete, lookUp);
  if (current.startsWith('-')) return options.flatMap(({ long, says }) => ({ value: long, about: says }));
  const argumentsOf = Object.values(command.arguments ?? {});
  const given = positionals(rest, options).length;
  const last = argumentsOf.at(-1);
  const next = argumentsOf[given] ?? (last?.usage.includes('...') ? last : undefined);
  return namesOf(next?.complete, lookUp);
}

/** bash takes `--flag=value` apart at the sign. */
function joined(words: readonly string[]): string[] {
  const result: string[] = [];
  for (const [index, word] of words.entries()) {
    if (word !== '=') {
      const [flag, ...value] = word.split('=');
      if (word.startsWith('--') && value.length > 0 && flag !== undefined) result.push(flag, value.join('='));
      else result.push(word);
    } else if (index === words.length - 1) result.push('');
  }
  return result;
}

const isWord = (word: string): boolean => !word.startsWith('-');

/** The longest name wins: `policy run` before `policy`. */
function commandOf(before: readonly string[], commands: readonly Command[]) {
  for (const length of [2, 1]) {
    const name = before.slice(0, length).join(' ');
    const command = commands.find((each) => each.name === name);
    if (command && before.length >= length) return { command, rest: before.slice(length) };
  }
  return { command: undefined, rest: [] };
}

function nextWords(before: readonly string[], commands: readonly Command[]): Candidate[] {
  const found = new Map<string, string>();
  for (const { name, summary, hidden } of commands) {
    const parts = name.split(' ');
    const word = parts[before.length];
    if (hidden || word === undefined || before.some((typed, index) => parts[index] !== typed)) continue;
    if (!found.has(word)) found.set(word, parts.length === before.length + 1 ? summary : `${word} …`);
  }
  return [...found].map(([value, about]) => ({ value, about }));
}

interface KnownOption {
  readonly long: string;
  readonly short: string | undefined;
  readonly says: string;
  readonly takesValue: boolean;
  readonly complete: Completion | undefined;
}

function optionsOf(command: Command): KnownOption[] {
  const all: readonly { readonly flags: string; readonly says: string; readonly complete?: Completion }[] = [
    ...Object.values(command.options ?? {}),
    ...frameFlags(command),
    { flags: '-h, --help', says: 'help with examples' },
  ];
  return all.map(({ flags, says, complete }) => ({
    long: /--[\w-]+/.exec(flags)?.[0] ?? '',
    short: /^-\w\b/.exec(flags)?.[0],
    says,
    takesValue: /[<[]/.test(flags),
    complete: complete ?? (/<(file|folder)>/.test(flags) ? 'file' : undefined),
  }));
}

const valueFlag = (word: string | undefined, options: readonly KnownOption[]): KnownOption | undefined =>
  options.find(({ long, short, takesValue }) => takesValue && word !== undefined && (word === long || word === short));

const positionals = (rest: readonly string[], options: readonly KnownOption[]): string[] =>
  rest.filter((word, index) => isWord(word) && !valueFlag(rest[index - 1], options));

async function namesOf(kind: Completion | undefined, lookUp: LookUp): Promise<readonly Candidate[] | typeof FILES> {
  if (kind === undefined) return [];
  if (kind === 'file') return FILES;
  if (typeof kind === 'string') return lookUp(kind);
  return kind.map((value) => ({ value, about: '' }));
}
