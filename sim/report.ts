/** What goes to a worker and what comes back. */
import type { Case } from './run-case';

export interface Work {
  readonly cases: readonly Case[];
  readonly mutation?: string;
  /** Stop at the first violation, and tell only which seed it was. */
  readonly onlyKill?: boolean;
}

export interface Failure {
  readonly seed: number;
  readonly mode: Case['mode'];
  readonly violations: readonly string[];
  readonly command: string;
  readonly trace: readonly string[];
}

export interface Report {
  readonly seeds: number;
  readonly steps: number;
  readonly faults: Readonly<Record<string, number>>;
  readonly outcomes: Readonly<Record<string, number>>;
  readonly failures: readonly Failure[];
  readonly killedBy?: number;
}

export function addAll(into: Record<string, number>, from: Readonly<Record<string, number>>): void {
  for (const [name, count] of Object.entries(from)) into[name] = (into[name] ?? 0) + count;
}
