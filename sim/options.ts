/** The command line of the simulation. */
import { parseArgs } from 'node:util';
import { type FaultKind, faultKinds } from './kit/faults';
import type { Case } from './run-case';

export interface Options {
  /** Runs this one and prints its trace. */
  readonly single: Case | undefined;
  readonly seeds: number;
  readonly from: number;
  readonly mode: Case['mode'];
  readonly gate: 'also' | 'only' | 'no';
  readonly mutation: string | undefined;
  readonly json: boolean;
  readonly workers: number;
}

export class OptionError extends Error {}

export function parseOptions(args: readonly string[]): Options {
  let values: Record<string, string | boolean | undefined>;
  try {
    ({ values } = parseArgs({
      args: [...args],
      options: {
        seeds: { type: 'string', default: '200' },
        from: { type: 'string', default: '1' },
        seed: { type: 'string' },
        operations: { type: 'string' },
        'faults-off': { type: 'string' },
        'faults-max': { type: 'string' },
        mutation: { type: 'string' },
        liveness: { type: 'boolean', default: false },
        mutations: { type: 'boolean', default: false },
        'no-mutations': { type: 'boolean', default: false },
        json: { type: 'boolean', default: false },
        workers: { type: 'string', default: '2' },
      },
    }));
  } catch (error) {
    throw new OptionError(error instanceof Error ? error.message : 'unknown option');
  }
  const mode = values['liveness'] === true ? 'liveness' : 'safety';
  return {
    single: values['seed'] === undefined ? undefined : caseOf(values, mode),
    seeds: numberOf(values, 'seeds'),
    from: numberOf(values, 'from'),
    mode,
    gate:
      values['mutations'] === true ? 'only' : values['no-mutations'] === true || mode === 'liveness' ? 'no' : 'also',
    mutation: typeof values['mutation'] === 'string' ? values['mutation'] : undefined,
    json: values['json'] === true,
    workers: numberOf(values, 'workers'),
  };
}

function caseOf(values: Record<string, string | boolean | undefined>, mode: Case['mode']): Case {
  const { operations, 'faults-off': off } = values;
  return {
    seed: numberOf(values, 'seed'),
    mode,
    ...(typeof operations === 'string' ? { operations: operations.split(',').filter(Boolean).map(Number) } : {}),
    ...(typeof off === 'string' ? { faultsOff: off.split(',').map(kindOf) } : {}),
    ...(values['faults-max'] === undefined ? {} : { faultsMax: numberOf(values, 'faults-max') }),
  };
}

function kindOf(name: string): FaultKind {
  const kind = faultKinds.find((candidate) => candidate === name);
  if (!kind) throw new OptionError(`no kind of fault is called ${name}; there are ${faultKinds.join(', ')}`);
  return kind;
}

function numberOf(values: Record<string, string | boolean | undefined>, name: string): number {
  const value = Number(values[name]);
  if (!Number.isSafeInteger(value) || value < 0) throw new OptionError(`--${name} takes a number`);
  return value;
}
