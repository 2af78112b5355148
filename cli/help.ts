import type { Command } from './command';

/** The last part of a command's help: what to type. */
export function examplesOf({ examples }: Pick<Command, 'examples'>): string {
  const lines = examples.flatMap(({ run, does }) => [`  ${run}`, `      ${does}`]);
  return ['', 'Examples:', ...lines].join('\n');
}
