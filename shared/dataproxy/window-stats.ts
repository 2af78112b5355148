/** The figures of a window while it is worked on. */
import type { StoreCounts } from '../blockstore/counted-stores';
import { emptyStats, type TransferStats } from '../model/transfer';

export type WindowStats = { -readonly [Field in keyof TransferStats]: TransferStats[Field] };

export const startStats = (logicalBytes: number): WindowStats => ({ ...emptyStats, logicalBytes });

/** A copy with the store's counts so far. */
export const statsNow = (stats: WindowStats, counts: StoreCounts): TransferStats => ({
  ...stats,
  // What proxies before this one had counted, and what this one has.
  storeWrites: stats.storeWrites + counts.writes,
  storeReads: stats.storeReads + counts.reads,
});
