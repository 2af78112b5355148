/**
 * The rounds: in each, every tool starts from nothing and goes through the same cases, and the tools take turns case by case
 * (A B A B), so that a slow minute of the machine strikes all of them.
 */
import path from 'node:path';
import type { Image, Images } from './images/recipe';
import { remove } from './kit/folders';
import { BenchError, run } from './kit/shell';
import type { OursAnswer } from './ours/main';
import { blockferry } from './peers/blockferry';
import { borg } from './peers/borg';
import { restic } from './peers/restic';
import type { Sample, Tool } from './peers/tool';
import { zstd } from './peers/zstd';

export const caseNames = ['initial', 'full scan', 'page ranges 1 %', 'second VM', 'restore'] as const;
export type CaseName = (typeof caseNames)[number];

export interface Results {
  /** Samples by round of a tool's case. */
  readonly samples: Map<string, Map<CaseName, Sample[]>>;
  /** Bytes that the case added to the tool's repository. */
  readonly stored: Map<string, Map<CaseName, number>>;
  /** What our own process said of itself, by round. */
  readonly answers: Map<CaseName, OursAnswer[]>;
  rounds: number;
}

export interface RoundOptions {
  readonly folder: string;
  readonly images: Images;
  readonly roundsMax: number;
  /** No round is started that would probably end later than this (ms of performance.now). */
  readonly endMs: number;
  readonly say: (line: string) => void;
}

export const FAST = 'blockferry zstd 1';
export const DENSE = 'blockferry zstd 3';

export function runRounds(options: RoundOptions): Results {
  const results: Results = { samples: new Map(), stored: new Map(), answers: new Map(), rounds: 0 };
  let lastMs = 0;
  while (results.rounds < options.roundsMax) {
    const startedAtMs = performance.now();
    if (results.rounds > 0 && startedAtMs + lastMs > options.endMs) break;
    options.say(`round ${results.rounds + 1} of at most ${options.roundsMax}`);
    oneRound(options, results);
    lastMs = performance.now() - startedAtMs;
    results.rounds++;
  }
  return results;
}

function oneRound(options: RoundOptions, results: Results): void {
  const { images, folder, say } = options;
  const at = (name: string): string => path.join(folder, name);
  const fast = blockferry(at('ours1'), 1);
  const dense = blockferry(at('ours3'), 3);
  const peers: Tool[] = [restic(at('restic')), borg(at('borg'))];
  const floor = zstd(at('zstd'));
  const all: Tool[] = [fast, ...peers, dense, floor];
  for (const tool of all) tool.reset();

  const step = (tool: Tool, name: CaseName, act: () => Sample & { readonly answer?: OursAnswer }): void => {
    const before = tool.stored().bytes;
    const done = act();
    push(results.samples, tool.name, name, done);
    inner(results.stored, tool.name).set(name, tool.stored().bytes - before);
    if (tool === fast && done.answer) {
      const told = results.answers.get(name) ?? [];
      told.push(done.answer);
      results.answers.set(name, told);
    }
    say(
      `  ${name.padEnd(16)} ${tool.name.padEnd(18)} ${done.wallS.toFixed(2)} s, CPU ${done.cpuS.toFixed(2)} s, ${done.rssMib.toFixed(0)} MiB`,
    );
  };
  const backups = (name: CaseName, tools: readonly Tool[], image: Image, label: string): void => {
    for (const tool of tools) step(tool, name, () => tool.backup(image, label));
  };
  backups('initial', all, images.vm1, 'full-1');
  backups('full scan', [fast, ...peers, dense], images.vm1g2, 'scan-1');
  step(fast, 'page ranges 1 %', () => fast.backup(images.vm1p1, 'part-1', 'full-1'));
  backups('second VM', [fast, ...peers], images.vm2, 'second-1');
  for (const tool of [fast, ...peers]) {
    if (!tool.restore) continue;
    let file = '';
    step(tool, 'restore', () => {
      const done = tool.restore?.(images.vm1, 'full-1');
      if (!done) throw new BenchError(`${tool.name} cannot restore`);
      file = done.file;
      return done;
    });
    if (results.rounds === 0) requireSame(images.vm1.file, file, tool.name);
    remove(path.dirname(file));
  }
  for (const tool of all) remove(at(folderOf(tool)));
}

const folders: Readonly<Record<string, string>> = { [FAST]: 'ours1', [DENSE]: 'ours3', 'zstd -1 -T2': 'zstd' };
const folderOf = (tool: Tool): string => folders[tool.name] ?? tool.name;

/** A restore that gives other bytes has not restored; there is nothing to compare its speed with. */
function requireSame(image: string, restored: string, tool: string): void {
  try {
    run('cmp', ['--silent', image, restored]);
  } catch {
    throw new BenchError(`${tool} restored other bytes than were backed up`);
  }
}

function push(to: Results['samples'], tool: string, name: CaseName, { wallS, cpuS, rssMib }: Sample): void {
  const cases = inner(to, tool);
  cases.set(name, [...(cases.get(name) ?? []), { wallS, cpuS, rssMib }]);
}

function inner<Value>(map: Map<string, Map<CaseName, Value>>, key: string): Map<CaseName, Value> {
  const found = map.get(key) ?? new Map<CaseName, Value>();
  map.set(key, found);
  return found;
}
