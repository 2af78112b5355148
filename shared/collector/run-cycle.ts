/**
 * One cycle from wherever it stands to its end, in one process. A cycle is resumable at every step: each step reads the state
 * first and does what is next, so a crashed collector, or two at once, do no harm.
 */
import { type CondemnOutcome, type CondemnReport, type CondemnRequest, condemn } from './condemn';
import { type CollectorContext, leaseMs } from './context';
import { type DeleteReport, deleteFixed } from './delete';
import { type FixReport, fixDeleteSet } from './fix';
import type { Stop } from './guards';
import { waitForSessions } from './wait';

export interface CycleReport {
  readonly outcome: CondemnOutcome['kind'] | 'closed' | 'open';
  readonly condemn?: CondemnReport;
  readonly stops: readonly Stop[];
  /** Sessions that were ended because they gave no sign of life. */
  readonly fenced: readonly string[];
  readonly fix?: FixReport;
  readonly delete?: DeleteReport;
  readonly why?: string;
}

export async function runCycle(
  context: CollectorContext,
  request: CondemnRequest & { readonly leaseMs?: number } = {},
): Promise<CycleReport> {
  const begun = await condemn(context, request);
  if (begun.kind === 'not-now') return { outcome: begun.kind, why: begun.why, stops: [], fenced: [] };
  const first = 'report' in begun && begun.report ? { condemn: begun.report } : {};
  if (begun.kind !== 'published' && begun.kind !== 'deleting') {
    return { outcome: begun.kind, ...first, stops: begun.stops, fenced: [] };
  }
  const fenced = begun.kind === 'published' ? await waitForSessions(context, request.leaseMs ?? leaseMs) : [];
  const fix = begun.kind === 'published' ? await fixDeleteSet(context) : undefined;
  const deleted = await deleteFixed(context);
  return {
    outcome: deleted?.closed ? 'closed' : 'open',
    ...first,
    stops: [],
    fenced,
    ...(fix === undefined ? {} : { fix }),
    ...(deleted === undefined ? {} : { delete: deleted }),
  };
}
