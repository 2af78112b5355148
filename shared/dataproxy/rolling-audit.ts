/**
 * The rolling cursor: over a fixed time, every block that no change list ever names is read again, whatever the pace of the
 * backups. The cursor is the time itself: it sweeps each window once a cycle, and a run looks at the stretch that it passed
 * since the parent point was made, so no state is kept and nothing is left out when a run is late.
 */
import type { WindowMap } from '../blockstore/window-map';
import { alignOut, type ByteRange, intersect } from '../model/byte-range';
import { limits } from '../model/limits';

export interface DueRequest {
  readonly window: ByteRange;
  /** The parent's state. */
  readonly map: WindowMap;
  /** What the change list does not name: sorted, disjoint. */
  readonly gaps: readonly ByteRange[];
  /** When the parent point was made, and now: epoch ms. */
  readonly fromMs: number;
  readonly toMs: number;
}

/** Stretches of [0, count) that the cursor passed between the two times: one, or two when it came round. */
export function passedBlocks(count: number, fromMs: number, toMs: number): (readonly [number, number])[] {
  const { auditCycleMs } = limits;
  if (!(toMs > fromMs)) return [];
  if (toMs - fromMs >= auditCycleMs) return [[0, count]];
  const at = (ms: number): number => Math.floor(((ms % auditCycleMs) / auditCycleMs) * count);
  const [from, to] = [at(fromMs), at(toMs)];
  return Math.floor(fromMs / auditCycleMs) === Math.floor(toMs / auditCycleMs)
    ? [[from, to]]
    : [
        [from, count],
        [0, to],
      ];
}

/**
 * Blocks (disk offsets, sorted) that are due: in the cursor's stretch, named by no change list, and not empty: either the
 * parent holds something there, or the snapshot says that something is allocated. Costs one listing of that stretch.
 */
export async function dueBlocks(
  request: DueRequest,
  allocatedIn: (range: ByteRange) => Promise<readonly ByteRange[]>,
): Promise<number[]> {
  const { window, map, gaps } = request;
  const { blockBytes } = limits;
  const due: number[] = [];
  for (const [from, to] of passedBlocks(map.blockCount, request.fromMs, request.toMs)) {
    if (to <= from) continue;
    const stretch = {
      start: window.start + from * blockBytes,
      end: Math.min(window.end, window.start + to * blockBytes),
    };
    const inside = gaps.flatMap((gap) => intersect(gap, stretch) ?? []);
    if (inside.length === 0) continue;
    const allocated = (await allocatedIn(stretch)).map((range) => alignOut(range, blockBytes, window.end));
    let next = 0;
    for (const gap of inside) {
      for (let start = gap.start; start < gap.end; start += blockBytes) {
        while ((allocated[next]?.end ?? Number.POSITIVE_INFINITY) <= start) next++;
        const isAllocated = (allocated[next]?.start ?? Number.POSITIVE_INFINITY) <= start;
        if (isAllocated || map.at((start - window.start) / blockBytes) !== undefined) due.push(start);
      }
    }
  }
  return [...new Set(due)].sort((a, b) => a - b);
}
