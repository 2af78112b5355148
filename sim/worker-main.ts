/** A worker: runs the cases it is sent, one after the other, and sends back what came of them. */
import './geometry';
import { applyMutation } from './mutations';
import { addAll, type Failure, type Report, type Work } from './report';
import { type Case, type Result, runCase } from './run-case';
import { commandOf, shrink } from './shrink';

const TRACE_LINES = 120;

async function work(order: Work): Promise<Report> {
  const undo = order.mutation === undefined ? undefined : applyMutation(order.mutation);
  const total = { seeds: 0, steps: 0, faults: {} as Record<string, number>, outcomes: {} as Record<string, number> };
  const failures: Failure[] = [];
  let killedBy: number | undefined;
  try {
    for (const test of order.cases) {
      const result = await runCase(test);
      total.seeds++;
      total.steps += result.steps;
      addAll(total.faults, result.faults);
      addAll(total.outcomes, result.outcomes);
      if (result.violations.length === 0) continue;
      killedBy ??= test.seed;
      if (order.onlyKill) break;
      failures.push(await explain(test, result));
    }
  } finally {
    undo?.();
  }
  return { ...total, failures, ...(killedBy === undefined ? {} : { killedBy }) };
}

async function explain(test: Case, result: Result): Promise<Failure> {
  const again = await runCase(test);
  const unstable =
    again.traceHash === result.traceHash ? [] : ['the same seed took other steps: the simulation is at fault'];
  const shrunk = await shrink(test, result);
  return {
    seed: test.seed,
    mode: test.mode,
    violations: [...unstable, ...shrunk.result.violations],
    command: commandOf(shrunk.test),
    trace: shrunk.result.trace.slice(-TRACE_LINES),
  };
}

process.on('message', (order: Work) => {
  work(order).then(
    (report) => process.send?.(report),
    (error: unknown) => {
      process.stderr.write(`sim: a worker failed: ${error instanceof Error ? error.stack : String(error)}\n`);
      process.exit(1);
    },
  );
});
