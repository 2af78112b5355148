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

const sampleSchema = z.strictObject({
  at: z.number(),
  /** How far the window was; see `positionOf`. */
  position: z.number().int().min(0),
  /** Bytes read from the snapshot, or written to the target. */
  moved: z.number().int().min(0),
});
type Sample = z.infer<typeof sampleSchema>;

export const windowRowSchema = z.strictObject({
  lun: diskInfoSchema.shape.lun,
  windowIndex: z.number().int().min(0),
  state: z.enum(['copying', 'done', 'failed']),
  stats: transferStatsSchema,
  /** Epoch ms of the event that wrote this row. */
  at: z.number(),
  /** Oldest first. */
  samples: z.array(sampleSchema).max(SAMPLES_MAX),
  failure: z.strictObject({ code: z.string(), message: z.string(), retryable: z.boolean() }).optional(),
});
export type WindowRow = z.infer<typeof windowRowSchema>;

export interface JobProgress {
  readonly stats: TransferStats;
  /** Bytes of the disks behind us, whether read, unchanged or zero. */
  readonly bytesDone: number;
  readonly windowsDone: number;
  /** Bytes moved a second in the last moments. */
  readonly rateBytesPerSecond: number;
  /** Bytes of the disks that came behind us a second: faster than the rate where little has changed. For the ETA. */
  readonly paceBytesPerSecond: number;
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
  const state = event.kind === 'finished' ? 'done' : 'copying';
  const sample = { at: base.at, position: positionOf(event.stats, state), moved: event.stats.readBytes };
  // A second proxy that starts the window over reports less than the first did: its samples begin a new series.
  const series = (samples.at(-1)?.moved ?? 0) > sample.moved ? [] : samples;
  return {
    ...base,
    state,
    stats: event.stats,
    samples: [...series, sample].slice(-SAMPLES_MAX),
  };
}

/**
 * Bytes of the window behind us. A backup knows at once what it need not read: all but the changed bytes. A restore reports no
 * changed bytes: it writes or clears all of them.
 */
function positionOf(stats: TransferStats, state: WindowRow['state']): number {
  if (state === 'done') return stats.logicalBytes;
  if (stats.changedBytes === 0) return Math.min(stats.logicalBytes, stats.readBytes + stats.zeroBytes);
  const left = Math.max(0, stats.changedBytes - (stats.readBytes - stats.auditBytes));
  return Math.max(0, stats.logicalBytes - left);
}

/** `nowMs`: wall time, for the rates; events carry wall times too. */
export function sumProgress(windows: readonly WindowRow[], nowMs: number): JobProgress {
  const since = nowMs - RATE_SPAN_MS;
  const firstAt = Math.max(since, Math.min(nowMs, ...windows.flatMap((row) => row.samples[0]?.at ?? [])));
  // Under a second the span says more about chance than about speed.
  const seconds = Math.max(1000, nowMs - firstAt) / 1000;
  const gained = (of: (sample: Sample) => number): number =>
    windows.reduce((sum, row) => sum + gainedSince(row, since, of), 0);
  return {
    stats: windows.reduce((sum, row) => addStats(sum, row.stats), emptyStats),
    bytesDone: windows.reduce((sum, row) => sum + positionOf(row.stats, row.state), 0),
    windowsDone: windows.filter((row) => row.state === 'done').length,
    rateBytesPerSecond: Math.round(gained((sample) => sample.moved) / seconds),
    paceBytesPerSecond: Math.round(gained((sample) => sample.position) / seconds),
    windows,
  };
}

/** What this window gained after `since`. Its first sample starts from zero: the window began between the two. */
function gainedSince(row: WindowRow, since: number, of: (sample: Sample) => number): number {
  const last = row.samples.at(-1);
  if (last === undefined || last.at <= since) return 0;
  const earlier = row.samples.filter((sample) => sample.at <= since).at(-1);
  // Older samples were dropped: the oldest one kept is the earliest we know.
  const known = earlier ?? (row.samples.length === SAMPLES_MAX ? row.samples[0] : undefined);
  return Math.max(0, of(last) - (known === undefined ? 0 : of(known)));
}
