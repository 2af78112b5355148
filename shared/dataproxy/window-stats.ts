/** The figures of a window while it is worked on. */
import type { StoreCounts } from '../blockstore/counted-stores';
import { emptyStats, type TransferStats } from '../model/transfer';

export type WindowStats = { -readonly [Field in keyof TransferStats]: TransferStats[Field] };

export const startStats = (logicalBytes: number): WindowStats => ({ ...emptyStats, logicalBytes });

/** A copy with the store's counts so far. */
export const statsNow = (stats: WindowStats, counts: StoreCounts): TransferStats => ({
  ...stats,
  storeWrites: counts.writes,
  storeReads: counts.reads,
});
