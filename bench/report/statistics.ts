/** Medians and ratios of interleaved rounds. */
export interface Spread {
  readonly median: number;
  readonly min: number;
  readonly max: number;
}

export function spread(values: readonly number[]): Spread {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? Number.NaN;
  const median = sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? Number.NaN) + upper) / 2;
  return { median, min: sorted[0] ?? Number.NaN, max: sorted.at(-1) ?? Number.NaN };
}

/** a/b round by round: what the machine did to both of a pair falls out. */
export const pairRatios = (a: readonly number[], b: readonly number[]): number[] =>
  a.slice(0, b.length).map((value, round) => value / (b[round] ?? Number.NaN));
