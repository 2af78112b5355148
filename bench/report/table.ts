/** The figures as rows: one table for the terminal and the document. */
import type { Images } from '../images/recipe';
import type { Limits } from '../limits';
import type { LocalityRow } from '../locality-simulation';
import type { IndexAnswer } from '../ours/index-main';
import type { SparseAnswer } from '../ours/sparse-main';
import { type CaseName, caseNames, DENSE, FAST, type Results } from '../rounds';
import { cpuRatio, pageRangeShare, type Summary, storedRatio, wallRatio } from './figures';
import type { Machine } from './machine';
import { type Spread, spread } from './statistics';

export interface Report {
  readonly machine: Machine;
  readonly images: Images;
  readonly results: Results;
  readonly sparse: SparseAnswer;
  readonly index: IndexAnswer;
  readonly limits: Limits;
  readonly locality: readonly LocalityRow[];
  readonly summary: Summary;
}

export type Rows = readonly (readonly string[])[];
const MIB = 1024 * 1024;

/** A line a tool and case: wall median (min-max), CPU and peak memory medians, bytes that the repository grew by. */
export function measuredRows({ results }: Report): Rows {
  const rows: string[][] = [['case', 'tool', 'wall s (min-max)', 'CPU s', 'peak MiB', 'stored MiB']];
  for (const name of caseNames) {
    for (const [tool, cases] of results.samples) {
      const samples = cases.get(name);
      if (!samples) continue;
      const wall = spread(samples.map(({ wallS }) => wallS));
      const stored = (results.stored.get(tool)?.get(name) ?? 0) / MIB;
      rows.push([
        name,
        tool,
        `${wall.median.toFixed(2)} (${wall.min.toFixed(2)}-${wall.max.toFixed(2)})`,
        spread(samples.map(({ cpuS }) => cpuS)).median.toFixed(2),
        spread(samples.map(({ rssMib }) => rssMib)).median.toFixed(0),
        name === 'restore' ? '' : stored.toFixed(1),
      ]);
    }
  }
  return rows;
}

export interface Target {
  readonly what: string;
  readonly target: string;
  readonly measured: string;
  readonly reached: boolean;
  /** What is to be said of a target that was reached. */
  readonly doubt?: string;
  /** How far from the target, in words, where it is not reached. */
  readonly gap: string;
}

export function targets(report: Report): Target[] {
  const { results, summary, index } = report;
  const [page] = results.answers.get('page ranges 1 %') ?? [];
  const changed = (page?.changedBytes ?? 0) + (page?.auditBytes ?? 0);
  const most = (what: string, max: number, value: number, text: string): Target =>
    row(what, `<= ${max}`, text, value <= max, `${((value / max - 1) * 100).toFixed(0)} % above`);
  const speed = (what: string, name: CaseName, peer: string, min: number, ours = FAST): Target => {
    const ratio = wallRatio(results, name, peer, ours);
    const measured = `${timesText(ratio)}; CPU ${cpuRatio(results, name, peer, ours).toFixed(2)}x`;
    const below = `${((1 - ratio.median / min) * 100).toFixed(0)} % below`;
    const always = ratio.min >= min ? '' : ', not in every round';
    return { ...row(what, `>= ${min}x`, measured, ratio.median >= min, below), doubt: always };
  };
  const stored = (what: string, name: CaseName, max: number, ours = FAST): Target => {
    const ratio = storedRatio(results, name, 'restic', ours);
    return most(what, max, ratio, ratio.toFixed(3));
  };
  const share = pageRangeShare(results);
  return [
    speed('initial backup against restic', 'initial', 'restic', 3),
    speed('initial backup against borg (encrypted)', 'initial', 'borg', 2),
    speed('full-scan incremental against restic', 'full scan', 'restic', 4),
    speed('restore against restic', 'restore', 'restic', 2.5),
    speed('initial at zstd 3 against restic', 'initial', 'restic', 2.5, DENSE),
    stored('stored, initial, over restic', 'initial', 1.1),
    stored('stored, incremental, over restic', 'full scan', 1),
    stored('stored, initial at zstd 3, over restic', 'initial', 1, DENSE),
    most('page ranges, 1 % changed: time over the full', 0.05, share.median, share.median.toFixed(3)),
    most(
      'page ranges: bytes read over change and sample',
      1,
      (page?.readBytes ?? 0) / changed,
      ((page?.readBytes ?? 0) / changed).toFixed(3),
    ),
    most('peak memory, MiB (32 TiB sparse disk included)', 512, summary.rss_mib, String(summary.rss_mib)),
    most('writes a GiB stored', 45, summary.writes_per_gib, String(summary.writes_per_gib)),
    most('index, bytes a block', 24, index.bytesPerBlock, index.bytesPerBlock.toFixed(1)),
    row(
      'index look-ups a second, one core',
      '>= 1 M',
      millions(Math.min(index.hitsPerSecond, index.missesPerSecond)),
      Math.min(index.hitsPerSecond, index.missesPerSecond) >= 1e6,
      '',
    ),
    most(
      `index of ${(index.blocks / 1e6).toFixed(1)} M blocks rebuilt, peak MiB`,
      512,
      index.rebuildRssMib,
      index.rebuildRssMib.toFixed(0),
    ),
  ];
}

export function targetRows(report: Report): Rows {
  const rows = targets(report).map(({ what, target, measured, reached, gap, doubt = '' }) => [
    ...[what, target, measured],
    reached ? `reached${doubt}` : `not reached${gap === '' ? '' : `: ${gap}`}`,
  ]);
  return [['what', 'target', 'measured (median, min-max of pairs)', ''], ...rows];
}

export function textTable(report: Report): string {
  return `${aligned(measuredRows(report))}\n\n${aligned(targetRows(report))}`;
}

export function markdownTable(rows: Rows): string {
  const [head = [], ...body] = rows;
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...body.map(line)].join('\n');
}

function aligned(rows: Rows): string {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((cells) => cells[column]?.length ?? 0)));
  return rows
    .map((cells) =>
      cells
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

const row = (what: string, target: string, measured: string, reached: boolean, gap: string): Target => ({
  ...{ what, target, measured, reached, gap },
});
export const millions = (value: number): string => `${(value / 1e6).toFixed(1)} M`;
export const timesText = ({ median, min, max }: Spread): string =>
  `${median.toFixed(2)}x (${min.toFixed(2)}-${max.toFixed(2)})`;
