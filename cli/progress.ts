/** The progress of one piece of long work, on stderr. */
import { z } from 'zod';
import type { OutputOptions } from './output';
import { createPaint } from './paint';
import { bytes, duration, plain, rate } from './text';

export interface ProgressState {
  /** What is being done, such as the phase of the job. */
  readonly what: string;
  readonly doneBytes: number;
  /** 0 when not known yet. */
  readonly totalBytes: number;
  readonly bytesPerSecond: number;
  /** null: nobody can say. */
  readonly etaSeconds: number | null;
}

/** For the `lines` of a command that shows progress. */
export const progressLine = z.object({
  what: z.string(),
  doneBytes: z.number(),
  totalBytes: z.number(),
  bytesPerSecond: z.number(),
  etaSeconds: z.number().nullable(),
});

const BAR_CELLS = 24;
const TERMINAL_EVERY_MS = 100;
/** A log that is read afterwards wants few lines, and still a sign of life. */
const ELSEWHERE_EVERY_MS = 10_000;
const CLEAR = '\r\u001b[2K';

export class Progress {
  private shownAtMs = Number.NEGATIVE_INFINITY;
  private onScreen = false;

  constructor(private readonly options: Pick<OutputOptions, 'stderr' | 'environment' | 'nowMs' | 'json'>) {}

  /** Whether another line is wanted now; the pace is that of the reader. */
  due(): boolean {
    const everyMs = this.options.json ? 1000 : this.terminal ? TERMINAL_EVERY_MS : ELSEWHERE_EVERY_MS;
    const now = this.options.nowMs();
    if (now - this.shownAtMs < everyMs) return false;
    this.shownAtMs = now;
    return true;
  }

  show(state: ProgressState): void {
    if (!this.due()) return;
    const text = plain(describe(state));
    if (!this.terminal) {
      this.options.stderr.write(`${text}\n`);
      return;
    }
    const { dim } = createPaint(true, this.options.environment);
    const width = (this.options.stderr.columns ?? 80) - 1;
    const line = `${bar(state)} ${text}`;
    this.options.stderr.write(`${CLEAR}${dim([...line].slice(0, width).join(''))}`);
    this.onScreen = true;
  }

  /** Takes the bar away, so that what follows begins on a clean line. */
  clear(): void {
    if (!this.onScreen) return;
    this.onScreen = false;
    this.options.stderr.write(CLEAR);
  }

  private get terminal(): boolean {
    return this.options.stderr.isTTY === true && this.options.environment['TERM'] !== 'dumb';
  }
}

function describe({ what, doneBytes, totalBytes, bytesPerSecond, etaSeconds }: ProgressState): string {
  const share = totalBytes > 0 ? `${Math.floor((100 * doneBytes) / totalBytes)} %` : '';
  const amount = totalBytes > 0 ? `${bytes(doneBytes)} of ${bytes(totalBytes)}` : bytes(doneBytes);
  const pace = bytesPerSecond > 0 ? rate(bytesPerSecond) : '';
  const left = etaSeconds === null ? '' : `${duration(etaSeconds)} left`;
  return [what, share, amount, pace, left].filter((part) => part !== '').join('  ');
}

function bar({ doneBytes, totalBytes }: ProgressState): string {
  const filled = totalBytes > 0 ? Math.min(BAR_CELLS, Math.floor((BAR_CELLS * doneBytes) / totalBytes)) : 0;
  return `[${'#'.repeat(filled)}${'.'.repeat(BAR_CELLS - filled)}]`;
}
