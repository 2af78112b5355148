/** From samples to the figures of issue and document. Speed ratios: how many times faster; stored ratios: ours over theirs. */
import type { IndexAnswer } from '../ours/index-main';
import type { SparseAnswer } from '../ours/sparse-main';
import { type CaseName, DENSE, FAST, type Results } from '../rounds';
import { pairRatios, type Spread, spread } from './statistics';

const GIB = 1024 ** 3;

/** The object that `--json` prints, with exactly these keys. */
export interface Summary {
  readonly ratios: {
    readonly initial_vs_restic: number;
    readonly initial_vs_borg: number;
    readonly fullscan_vs_restic: number;
    readonly restore_vs_restic: number;
    readonly stored_initial_vs_restic: number;
    readonly stored_incremental_vs_restic: number;
    /** Time of the page-range incremental of 1 % over the time of the initial backup. */
    readonly pageranges_vs_full: number;
  };
  readonly rss_mib: number;
  readonly writes_per_gib: number;
  readonly index_bytes_per_block: number;
}

export function wallRatio(results: Results, name: CaseName, peer: string, ours = FAST): Spread {
  return spread(pairRatios(wallsOf(results, peer, name), wallsOf(results, ours, name)));
}

/** The same by CPU seconds of all threads: what a busy machine changes least. */
export function cpuRatio(results: Results, name: CaseName, peer: string, ours = FAST): number {
  const cpu = (tool: string): number[] => (results.samples.get(tool)?.get(name) ?? []).map(({ cpuS }) => cpuS);
  return spread(pairRatios(cpu(peer), cpu(ours))).median;
}

export function storedRatio(results: Results, name: CaseName, peer: string, ours = FAST): number {
  return (results.stored.get(ours)?.get(name) ?? Number.NaN) / (results.stored.get(peer)?.get(name) ?? Number.NaN);
}

/** Both as work of a data proxy that is running: from the session to the published point. */
export function pageRangeShare(results: Results): Spread {
  const work = (name: CaseName): number[] => (results.answers.get(name) ?? []).map(({ workS }) => workS);
  return spread(pairRatios(work('page ranges 1 %'), work('initial')));
}

export function writesPerGib(results: Results): number {
  const [first] = results.answers.get('initial') ?? [];
  return first ? first.puts / (first.storedBytes / GIB) : Number.NaN;
}

export function peakRssMib(results: Results, sparse: SparseAnswer): number {
  const peaks = [FAST, DENSE].flatMap((tool) => [...(results.samples.get(tool)?.values() ?? [])].flat());
  return Math.max(sparse.rssMib, ...peaks.map(({ rssMib }) => rssMib));
}

export function summarize(results: Results, sparse: SparseAnswer, index: IndexAnswer): Summary {
  const rounded = (value: number, digits = 2): number => Number(value.toFixed(digits));
  return {
    ratios: {
      initial_vs_restic: rounded(wallRatio(results, 'initial', 'restic').median),
      initial_vs_borg: rounded(wallRatio(results, 'initial', 'borg').median),
      fullscan_vs_restic: rounded(wallRatio(results, 'full scan', 'restic').median),
      restore_vs_restic: rounded(wallRatio(results, 'restore', 'restic').median),
      stored_initial_vs_restic: rounded(storedRatio(results, 'initial', 'restic'), 3),
      stored_incremental_vs_restic: rounded(storedRatio(results, 'full scan', 'restic'), 3),
      pageranges_vs_full: rounded(pageRangeShare(results).median, 3),
    },
    rss_mib: rounded(peakRssMib(results, sparse), 0),
    writes_per_gib: rounded(writesPerGib(results), 1),
    index_bytes_per_block: rounded(index.bytesPerBlock, 1),
  };
}

export function wallsOf(results: Results, tool: string, name: CaseName): number[] {
  return (results.samples.get(tool)?.get(name) ?? []).map(({ wallS }) => wallS);
}
