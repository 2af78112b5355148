/** What the rows of a job's windows add up to: bytes, windows, and the rate of the last moments. Pure. */
import { z } from 'zod';
import { diskInfoSchema } from '../model/machine';
import { addStats, emptyStats, type TransferEvent, type TransferStats, transferStatsSchema } from '../model/transfer';

export const jobPlanSchema = z.strictObject({
  /** Sum of the spans of all windows. */
  bytesTotal: z.number().int().min(0),
  windowsTotal: z.number().int().min(0),
});
export type JobPlan = z.infer<typeof jobPlanSchema>;

/** Reports of one window that are kept to compute a rate from. Data proxies report every second or two. */
const SAMPLES_MAX = 8;
/** The rate is that of this last while: long enough to be steady, short enough to show a stall. */
const RATE_SPAN_MS = 20_000;

const sampleSchema = z.strictObject({ at: z.number(), bytes: z.number().int().min(0) });

export const windowRowSchema = z.strictObject({
  lun: diskInfoSchema.shape.lun,
  windowIndex: z.number().int().min(0),
  state: z.enum(['copying', 'done', 'failed']),
  stats: transferStatsSchema,
  /** Epoch ms of the event that wrote this row. */
  at: z.number(),
  /** Oldest first; bytes of the window behind us at that time. */
  samples: z.array(sampleSchema).max(SAMPLES_MAX),
  failure: z.strictObject({ code: z.string(), message: z.string(), retryable: z.boolean() }).optional(),
});
export type WindowRow = z.infer<typeof windowRowSchema>;

export interface JobProgress {
  readonly stats: TransferStats;
  /** Bytes of the disks behind us, whether read, unchanged or zero. */
  readonly bytesDone: number;
  readonly windowsDone: number;
  readonly rateBytesPerSecond: number;
  readonly windows: readonly WindowRow[];
}

/** The row after the event, or undefined when the event brings nothing new: it is older, or the window is done already. */
export function mergeWindow(current: WindowRow | undefined, event: TransferEvent): WindowRow | undefined {
  if (current && (current.state === 'done' || (event.at < current.at && event.kind !== 'finished'))) return undefined;
  const base = { lun: event.lun, windowIndex: event.windowIndex, at: Math.max(event.at, current?.at ?? 0) };
  const samples = current?.samples ?? [];
  if (event.kind === 'failed') {
    const { code, message, retryable } = event;
    return {
      ...base,
      state: 'failed',
      stats: current?.stats ?? emptyStats,
      samples,
      failure: { code, message, retryable },
    };
  }
  const sample = { at: base.at, bytes: event.stats.logicalBytes };
  // A second proxy that starts the window over reports less than the first did: its samples begin a new series.
  const series = (samples.at(-1)?.bytes ?? 0) > sample.bytes ? [] : samples;
  return {
    ...base,
    state: event.kind === 'finished' ? 'done' : 'copying',
    stats: event.stats,
    samples: [...series, sample].slice(-SAMPLES_MAX),
  };
}

/** `nowMs`: wall time, for the rate; events carry wall times too. */
export function sumProgress(windows: readonly WindowRow[], nowMs: number): JobProgress {
  const since = nowMs - RATE_SPAN_MS;
  const stats = windows.reduce((sum, row) => addStats(sum, row.stats), emptyStats);
  const firstAt = Math.max(since, Math.min(nowMs, ...windows.flatMap((row) => row.samples[0]?.at ?? [])));
  const gained = windows.reduce((sum, row) => sum + gainedSince(row, since), 0);
  // Under a second the span says more about chance than about speed.
  const spanMs = Math.max(1000, nowMs - firstAt);
  return {
    stats,
    bytesDone: stats.logicalBytes,
    windowsDone: windows.filter((row) => row.state === 'done').length,
    rateBytesPerSecond: Math.round((gained * 1000) / spanMs),
    windows,
  };
}

/** Bytes this window advanced after `since`. Its first sample starts from zero: the window began between the two. */
function gainedSince(row: WindowRow, since: number): number {
  const last = row.samples.at(-1);
  if (last === undefined || last.at <= since) return 0;
  const before = row.samples.filter((sample) => sample.at <= since).at(-1);
  const kept = row.samples.length === SAMPLES_MAX ? (row.samples[0]?.bytes ?? 0) : 0;
  return Math.max(0, last.bytes - (before?.bytes ?? kept));
}
