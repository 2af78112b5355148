/**
 * `npm run sim`: the product in a world that one seed rules. Runs seeds on worker processes, shrinks what fails, runs the
 * mutation gate, and with --json prints one JSON object last. Being stopped, it prints what was done so far.
 */
import './geometry';
import { applyMutation, mutations } from './mutations';
import { OptionError, type Options, parseOptions } from './options';
import { addAll, type Failure, type Report } from './report';
import { runCase } from './run-case';
import { commandOf, shrink } from './shrink';
import { Workers } from './workers';

/** Cases of one order to a worker. */
const BATCH = 8;
const PROGRESS_MS = 10_000;

const say = (line: string): void => {
  process.stderr.write(`sim: ${line}\n`);
};

interface Summary {
  seeds: number;
  steps: number;
  faultsInjected: number;
  violations: number;
  mutationsKilled: number;
  mutations: Record<string, number | null>;
  faults: Record<string, number>;
  outcomes: Record<string, number>;
  failures: Failure[];
}

async function main(): Promise<number> {
  const options = parseOptions(process.argv.slice(2));
  if (options.single) return await replay(options);
  const summary: Summary = {
    seeds: 0,
    steps: 0,
    faultsInjected: 0,
    violations: 0,
    mutationsKilled: 0,
    mutations: {},
    faults: {},
    outcomes: {},
    failures: [],
  };
  const workers = new Workers(options.workers);
  let stopped = false;
  const stop = (): void => {
    if (stopped) process.exit(130);
    stopped = true;
    say('stopping after what is under way; once more to stop at once');
  };
  process.on('SIGINT', stop);
  process.on('SIGTERM', stop);
  try {
    if (options.gate !== 'only') await runSeeds(options, workers, summary, () => stopped);
    if (options.gate !== 'no' && !stopped) await runGate(options, workers, summary, () => stopped);
  } finally {
    workers.close();
  }
  return conclude(options, summary, stopped);
}

async function runSeeds(options: Options, workers: Workers, summary: Summary, isStopped: () => boolean): Promise<void> {
  const startedMs = Date.now();
  let saidMs = startedMs;
  const last = options.from + options.seeds;
  let next = options.from;
  await workers.each(
    () => {
      if (next >= last || isStopped()) return undefined;
      const first = next;
      next = Math.min(last, next + BATCH);
      return {
        cases: Array.from({ length: next - first }, (_, index) => ({ seed: first + index, mode: options.mode })),
      };
    },
    (report) => {
      take(summary, report);
      const nowMs = Date.now();
      if (nowMs - saidMs < PROGRESS_MS) return;
      saidMs = nowMs;
      const left = ((nowMs - startedMs) / summary.seeds) * (options.seeds - summary.seeds);
      say(
        `${summary.seeds} of ${options.seeds} seeds, ${summary.steps} steps, ${summary.violations} violations, ` +
          `about ${Math.ceil(left / 1000)} s left`,
      );
    },
  );
}

/** Each mutation against one seed after the other until one notices. */
async function runGate(options: Options, workers: Workers, summary: Summary, isStopped: () => boolean): Promise<void> {
  for (const { name } of mutations) {
    if (options.mutation !== undefined && options.mutation !== name) continue;
    const last = options.from + options.seeds;
    let next = options.from;
    let killedBy: number | undefined;
    await workers.each(
      () => {
        if (next >= last || killedBy !== undefined || isStopped()) return undefined;
        const first = next;
        next = Math.min(last, next + BATCH);
        const cases = Array.from({ length: next - first }, (_, index) => ({ seed: first + index, mode: options.mode }));
        return { cases, mutation: name, onlyKill: true };
      },
      (report) => {
        if (report.killedBy !== undefined) killedBy = Math.min(killedBy ?? Number.POSITIVE_INFINITY, report.killedBy);
      },
    );
    summary.mutations[name] = killedBy ?? null;
    if (killedBy !== undefined) summary.mutationsKilled++;
    say(`${name}: ${killedBy === undefined ? `alive after ${options.seeds} seeds` : `killed by seed ${killedBy}`}`);
  }
}

function take(summary: Summary, report: Report): void {
  summary.seeds += report.seeds;
  summary.steps += report.steps;
  addAll(summary.faults, report.faults);
  addAll(summary.outcomes, report.outcomes);
  for (const failure of report.failures) {
    summary.violations++;
    summary.failures.push(failure);
    say(`seed ${failure.seed} (${failure.mode}) violates:\n  ${failure.violations.join('\n  ')}\n  ${failure.command}`);
    for (const line of failure.trace) process.stderr.write(`    ${line}\n`);
  }
}

function conclude(options: Options, summary: Summary, stopped: boolean): number {
  const operations = Object.entries(summary.faults).filter(([name]) => !name.startsWith('operation '));
  summary.faultsInjected = operations.reduce((sum, [, count]) => sum + count, 0);
  const { failures, ...figures } = summary;
  say(
    `${figures.seeds} seeds, ${figures.steps} steps, ${figures.faultsInjected} faults, ${figures.violations} violations`,
  );
  const alive = Object.values(summary.mutations).filter((seed) => seed === null).length;
  if (Object.keys(summary.mutations).length > 0) say(`${summary.mutationsKilled} mutations killed, ${alive} alive`);
  if (options.json) {
    const failed = failures.map(({ seed, violations, command }) => ({ seed, violations, command }));
    process.stdout.write(`${JSON.stringify({ ...figures, ...(stopped ? { stopped } : {}), failures: failed })}\n`);
  }
  return summary.violations > 0 || alive > 0 ? 1 : 0;
}

async function replay(options: Options): Promise<number> {
  const { single, mutation } = options;
  if (!single) return 2;
  const undo = mutation === undefined ? undefined : applyMutation(mutation);
  const result = await runCase(single, true);
  for (const line of result.trace) process.stdout.write(`${line}\n`);
  say(`${result.steps} steps, trace ${result.traceHash}`);
  for (const violation of result.violations) say(`violation: ${violation}`);
  const shrunk =
    result.violations.length > 0 && single.operations === undefined ? await shrink(single, result) : undefined;
  if (shrunk) say(`smaller, after ${shrunk.runs} runs: ${commandOf(shrunk.test, mutation)}`);
  undo?.();
  return result.violations.length > 0 ? 1 : 0;
}

main().then(
  (code) => {
    process.exitCode = code;
  },
  (error: unknown) => {
    say(
      error instanceof OptionError ? error.message : error instanceof Error ? (error.stack ?? error.message) : 'failed',
    );
    process.exitCode = 2;
  },
);
