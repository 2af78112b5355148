/** Makes a failing case smaller as long as it fails: fewer operations, fewer kinds of faults, fewer faults. */
import { faultKinds } from './kit/faults';
import { type Case, type Result, runCase } from './run-case';

/** Runs that shrinking may take. */
const RUNS_MAX = 250;

export interface Shrunk {
  readonly test: Case;
  readonly result: Result;
  readonly runs: number;
}

export async function shrink(test: Case, first: Result): Promise<Shrunk> {
  let runs = 0;
  let best = test;
  let result = first;
  const fails = async (candidate: Case): Promise<boolean> => {
    if (runs >= RUNS_MAX) return false;
    runs++;
    const tried = await runCase(candidate);
    if (tried.violations.length === 0) return false;
    best = candidate;
    result = tried;
    return true;
  };
  let kept = test.operations ? [...test.operations] : first.operations.map((_, index) => index);
  for (let size = Math.ceil(kept.length / 2); size >= 1; size = size === 1 ? 0 : Math.ceil(size / 2)) {
    for (let at = 0; at < kept.length; ) {
      const fewer = kept.filter((_, index) => index < at || index >= at + size);
      if (await fails({ ...best, operations: fewer })) kept = fewer;
      else at += size;
    }
  }
  for (const kind of faultKinds) {
    const off = [...(best.faultsOff ?? []), kind];
    if (result.faults[kind] !== undefined) await fails({ ...best, faultsOff: off });
  }
  const injected = faultKinds.reduce((sum, kind) => sum + (result.faults[kind] ?? 0), 0);
  for (let max = 0; max < injected; max = max === 0 ? 1 : max * 2) {
    if (await fails({ ...best, faultsMax: max })) break;
  }
  return { test: best, result: await runCase(best, true), runs };
}

/** The command that runs it again. */
export function commandOf({ seed, mode, operations, faultsOff, faultsMax }: Case, mutation?: string): string {
  return [
    `npm run sim -- --seed ${seed}`,
    ...(mode === 'liveness' ? ['--liveness'] : []),
    ...(operations ? [`--operations ${operations.join(',')}`] : []),
    ...(faultsOff?.length ? [`--faults-off ${faultsOff.join(',')}`] : []),
    ...(faultsMax === undefined ? [] : [`--faults-max ${faultsMax}`]),
    ...(mutation === undefined ? [] : [`--mutation ${mutation}`]),
  ].join(' ');
}
