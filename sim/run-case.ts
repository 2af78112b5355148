/** One run: a seed, what of it is left out, and what came of it. */
import './geometry';
import { isAppError } from '../shared/model/errors';
import type { FaultKind } from './kit/faults';
import { installTimers, useScheduler } from './kit/globals';
import { Random } from './kit/random';
import { type Operation, perform, planOperations } from './operations';
import { World } from './world';

export interface Case {
  readonly seed: number;
  readonly mode: 'safety' | 'liveness';
  /** Positions of the operations that are done; all when absent. */
  readonly operations?: readonly number[];
  readonly faultsOff?: readonly FaultKind[];
  readonly faultsMax?: number;
}

export interface Result {
  readonly steps: number;
  readonly traceHash: string;
  readonly violations: readonly string[];
  readonly faults: Readonly<Record<string, number>>;
  readonly outcomes: Readonly<Record<string, number>>;
  readonly operations: readonly Operation[];
  readonly trace: readonly string[];
}

const STEPS_MAX = 40_000;

export async function runCase(test: Case, tracing = false): Promise<Result> {
  installTimers();
  const root = new Random(`seed ${test.seed}`);
  const shape = root.fork('shape');
  const planned = planOperations(root.fork('operations'), shape.between(6, 26));
  const operations = test.operations ? test.operations.flatMap((index) => planned[index] ?? []) : planned;
  const off = new Set(test.faultsOff ?? []);
  const world = new World({
    seed: `seed ${test.seed}`,
    faults: { off, max: test.faultsMax ?? Number.POSITIVE_INFINITY },
    tracing,
  });
  const { scheduler, checker, durable, azure } = world;
  const rejected = (error: unknown): void => checker.unexpected('a promise that nobody looks at', error);
  process.on('unhandledRejection', rejected);
  try {
    for (const name of shape.chance(0.5) ? ['web'] : ['web', 'db']) {
      const sizes = Array.from({ length: shape.between(1, 3) }, () => 512 * shape.between(8, 64));
      azure.addMachine(name, sizes);
    }
    let done = false;
    world.spawn(
      operate(world, operations).then(() => {
        done = true;
      }),
    );
    const isRunning = (): boolean => [...durable.instances.values()].some(({ status }) => status === 'running');
    const ending = await scheduler.run(() => done && !isRunning(), STEPS_MAX);
    checker.count(`run ended: ${ending}`);
    await checker.judge();
  } catch (error) {
    checker.unexpected('the simulation itself', error);
  } finally {
    process.off('unhandledRejection', rejected);
    useScheduler(undefined);
  }
  return {
    steps: scheduler.steps,
    traceHash: scheduler.traceHash,
    violations: checker.violations,
    faults: Object.fromEntries(world.faults.counts),
    outcomes: Object.fromEntries(checker.outcomes),
    operations: planned,
    trace: scheduler.trace,
  };
}

async function operate(world: World, operations: readonly Operation[]): Promise<void> {
  const { scheduler } = world;
  const operator = scheduler.actor('operator');
  for (const operation of operations) {
    await new Promise<void>((resolve) => {
      scheduler.post(operator, `operation ${operation.kind}`, operation.afterMs, resolve);
    });
    world.faults.count(`operation ${operation.kind}`);
    // Asked for and let go: what comes of it is seen elsewhere.
    world.spawn(
      perform(world, operation).catch((error: unknown) => {
        if (!isAppError(error)) throw error;
        scheduler.say(`operation ${operation.kind}: ${error.message}`);
      }),
    );
  }
}
