/** What of a window is to be read: what changed since the parent point, or, in any doubt, everything that is allocated. */
import { seededRandom } from '../blockstore/sample';
import type { WindowMap } from '../blockstore/window-map';
import { type ByteRange, mergeRanges } from '../model/byte-range';
import { isAppError } from '../model/errors';
import { limits } from '../model/limits';
import type { BackupTransfer } from '../model/transfer';
import { auditUnlisted } from './audit';
import type { WindowContext } from './backup-window';
import { loadBase } from './base-leaves';
import type { DiskReader } from './ports';
import { isPlausible, planReads, type ReadPlan, unlisted } from './read-plan';
import { dueBlocks } from './rolling-audit';
import type { WindowStats } from './window-stats';

export interface WindowPlan {
  readonly plan: ReadPlan;
  /** Why the window is read in full although a base was given. */
  readonly note: string | undefined;
  /** The point whose state the map holds now; undefined when the window is read in full. */
  readonly basePointId: string | undefined;
}

export interface PlanRequest {
  readonly context: WindowContext;
  readonly transfer: BackupTransfer;
  readonly reader: DiskReader;
  readonly map: WindowMap;
  readonly stats: WindowStats;
  readonly signal: AbortSignal;
}

export async function planWindow(request: PlanRequest): Promise<WindowPlan> {
  const { context, transfer, reader, map, signal } = request;
  const { window, base } = transfer;
  if (!base) return await planFull(request, undefined);
  const state = await loadBase(context.repository, { ...transfer, base }, map, signal);
  if (!state.usable) return await planFull(request, state.doubt);
  const changed = await changedSince(reader, map, window, state.diskBytes, signal);
  if (!changed) return await planFull(request, 'bad-ranges');
  const plan = planReads(changed, window, 0);
  if (!(await passesAudit(request, plan, state.createdAtMs))) return await planFull(request, 'audit-mismatch');
  return { plan, note: undefined, basePointId: base.pointId };
}

/** The same plan for a window that another proxy has begun in this way; undefined when it cannot be made any more. */
export async function replanWindow(
  request: PlanRequest,
  begun: { readonly basePointId?: string; readonly note?: string },
): Promise<WindowPlan | undefined> {
  const { context, transfer, reader, map, signal } = request;
  const { window, base } = transfer;
  if (begun.basePointId === undefined) {
    // What the parent says is loaded for the leaves that end up equal, and counts for nothing else.
    if (base) await loadBase(context.repository, { ...transfer, base }, map, signal);
    return await planFull(request, begun.note);
  }
  if (base?.pointId !== begun.basePointId) return undefined;
  const state = await loadBase(context.repository, { ...transfer, base }, map, signal);
  if (!state.usable) return undefined;
  const changed = await changedSince(reader, map, window, state.diskBytes, signal);
  return changed && { plan: planReads(changed, window, 0), note: undefined, basePointId: base.pointId };
}

async function planFull(request: PlanRequest, note: string | undefined): Promise<WindowPlan> {
  const { transfer, reader, map, signal } = request;
  map.clear();
  const allocated = await reader.allocatedRanges(transfer.window, signal);
  return { plan: planReads(allocated, transfer.window, limits.readGapBytes), note, basePointId: undefined };
}

async function passesAudit(request: PlanRequest, plan: ReadPlan, baseAtMs: number): Promise<boolean> {
  const { context, transfer, reader, map, stats, signal } = request;
  const { repository } = context;
  const { window, lun, jobId } = transfer;
  const gaps = unlisted(plan.blocks, window);
  const due = await dueBlocks({ window, map, gaps, fromMs: baseAtMs, toMs: repository.clock.now() }, (range) =>
    reader.allocatedRanges(range, signal),
  );
  const random = seededRandom(`${jobId}/${lun}/${window.index}`);
  const audit = await auditUnlisted({ ...context, reader, map, window }, { gaps, due }, random, signal);
  stats.auditBytes += audit.readBytes;
  stats.readBytes += audit.readBytes;
  const fields = { jobId, lun: String(lun), window: window.index };
  if (audit.unknownBlocks > 0) {
    const blocks = audit.unknownBlocks;
    repository.logger.warn('the index does not know some audited blocks', { ...fields, blocks });
  }
  if (audit.verdict === 'matches') return true;
  repository.logger.error('a block that was called unchanged has changed; the window is read in full', fields);
  return false;
}

/**
 * Changed ranges of the window; what lies behind the parent's end is new, and there the allocated ranges count. undefined
 * when the answer cannot be believed.
 */
async function changedSince(
  reader: DiskReader,
  map: WindowMap,
  window: ByteRange,
  baseBytes: number,
  signal: AbortSignal,
): Promise<ByteRange[] | undefined> {
  const { blockBytes } = limits;
  // A short last block of the parent is not whole in the grown disk: it counts as new. Same size: nothing is new.
  const known = baseBytes === map.geometry.diskBytes ? window.end : Math.floor(baseBytes / blockBytes) * blockBytes;
  const split = Math.min(window.end, Math.max(window.start, known));
  try {
    const old = { start: window.start, end: split };
    const grown = { start: split, end: window.end };
    const changed = old.end > old.start ? await reader.changedRanges(old, signal) : [];
    if (!isPlausible(changed, old)) return undefined;
    if (grown.end === grown.start) return changed;
    for (let block = (split - window.start) / blockBytes; block < map.blockCount; block++) map.setZero(block);
    return mergeRanges([...changed, ...(await reader.allocatedRanges(grown, signal))]);
  } catch (error) {
    if (isAppError(error, 'source.bad-ranges')) return undefined;
    throw error;
  }
}
