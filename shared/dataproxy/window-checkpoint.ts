/**
 * Saving how far a window has come, and going on from there. Order as ever: packs, then the index segment that names them,
 * then the checkpoint that refers to them. Whatever is lost in between costs another reading and no more.
 */
import type { PackWriter } from '../blockstore/pack-writer';
import { putReplaced, type Repository } from '../blockstore/repository';
import { leafObject, type WindowMap } from '../blockstore/window-map';
import { checkpointKey, encodeCheckpoint, type WindowCheckpoint } from '../format/checkpoint';
import { decodeLeaves, encodeLeaves } from '../format/manifest-leaves';
import { windowPart } from '../format/store-keys';
import type { UnitRef } from '../format/unit-table';
import type { ByteRange } from '../model/byte-range';
import { AppError } from '../model/errors';
import { limits } from '../model/limits';
import type { BackupTransfer } from '../model/transfer';
import type { WindowContext } from './backup-window';
import { readCheckpoint } from './checkpoint-store';
import { type PlanRequest, replanWindow, type WindowPlan } from './plan-window';
import { statsNow, type WindowStats } from './window-stats';

export interface HeldCheckpoint {
  readonly checkpoint: WindowCheckpoint;
  readonly etag: string;
}

/** What was there to go on from, taken over into the request's map and figures; undefined when there is nothing usable. */
export async function resumeWindow(
  request: PlanRequest,
): Promise<{ readonly request: PlanRequest; readonly planned: WindowPlan; readonly held: HeldCheckpoint } | undefined> {
  const { context, transfer, map, signal } = request;
  const held = await readCheckpoint(context.repository, transfer, signal);
  if (!held) return undefined;
  const { checkpoint } = held;
  const planned = await replanWindow(request, checkpoint);
  if (!planned) return undefined;
  const name = checkpointKey(context.repository.tenant, transfer.jobId, transfer.lun, transfer.window.index);
  const leaves = decodeLeaves(Buffer.from(checkpoint.leaves, 'base64'), name);
  if (leaves.blockBytes !== limits.blockBytes || leaves.leafBlocks * leaves.blockBytes !== limits.leafBytes)
    return undefined;
  map.resume(leaves, Math.ceil((checkpoint.doneBytes - transfer.window.start) / limits.blockBytes));
  Object.assign(request.stats, checkpoint.stats);
  const { jobId, lun, window } = transfer;
  const fields = { jobId, lun: String(lun), window: window.index, doneBytes: checkpoint.doneBytes };
  context.repository.logger.info('a window goes on where another data proxy stopped', fields);
  return { request, planned, held };
}

export interface KeeperWork {
  readonly context: WindowContext;
  readonly transfer: BackupTransfer;
  readonly map: WindowMap;
  readonly stats: WindowStats;
  readonly writer: PackWriter;
  readonly epoch: number;
  readonly planned: WindowPlan;
}

export class CheckpointKeeper {
  /** Disk offset up to which everything is done, as the last checkpoint says. */
  readonly doneBytes: number;
  private passedBytes: number;
  private readSinceSave = 0;
  private packs: readonly string[];
  private segments: number;
  private etag: string | undefined;

  constructor(
    private readonly work: KeeperWork,
    held: HeldCheckpoint | undefined,
  ) {
    this.doneBytes = held?.checkpoint.doneBytes ?? work.transfer.window.start;
    this.passedBytes = this.doneBytes;
    this.packs = held?.checkpoint.packs ?? [];
    this.segments = held?.checkpoint.segments ?? 0;
    this.etag = held?.etag;
  }

  /** Packs of the window that segments name. */
  get storedPacks(): readonly string[] {
    return this.packs;
  }

  /** Every block of this read has its place. Saves when enough has come together. */
  async passed(range: ByteRange): Promise<void> {
    const { writer } = this.work;
    this.passedBytes = range.end;
    this.readSinceSave += range.end - range.start;
    const byRead = this.readSinceSave >= limits.checkpointReadBytes;
    if (!byRead && writer.untakenBytes < limits.checkpointStoredBytes) return;
    if (byRead) await writer.flush();
    await this.save();
  }

  /** Names the packs stored since the last time in an index segment. */
  async saveUnits(signal?: AbortSignal): Promise<void> {
    const { context, transfer, stats, writer, epoch } = this.work;
    const units = writer.takeStored();
    if (units.length === 0) return;
    const place = { epoch, sessionId: transfer.jobId, part: windowPart(transfer.lun, transfer.window.index) };
    const segment = await context.index.writeSegment(context.repository, place, units, this.segments, signal);
    this.segments = segment.next;
    this.packs = [...this.packs, ...units.map(({ unit }) => unit)];
    stats.packs += units.length;
    stats.storedBytes += units.reduce((sum, unit) => sum + unit.sizeBytes, segment.storedBytes);
  }

  /** After a failure or a stop: stores what is begun and saves, as far as it goes. Never throws: what is lost is read again. */
  async saveLast(signal: AbortSignal): Promise<void> {
    if (this.passedBytes === this.doneBytes) return;
    const { context, transfer, writer } = this.work;
    try {
      await writer.flush();
      await this.save(signal);
    } catch (error) {
      const code = error instanceof AppError ? error.code : 'internal';
      const { jobId, lun, window } = transfer;
      const fields = { jobId, lun: String(lun), window: window.index, code };
      context.repository.logger.warn('the position of a window could not be saved', fields);
    }
  }

  private async save(signal?: AbortSignal): Promise<void> {
    const { context, transfer, map, stats, planned } = this.work;
    const { repository } = context;
    this.readSinceSave = 0;
    await this.saveUnits(signal);
    const { units } = context.index.index;
    const refs = new Map<string, UnitRef>();
    const isSettled = (name: string): boolean => {
      const number = units.numberOf(name);
      const ref = number === undefined ? map.knownUnit(name) : units.storedRef(number);
      if (ref) refs.set(name, ref);
      return ref !== undefined;
    };
    const { start, end, index } = transfer.window;
    const { blockBytes } = limits;
    const passedBlocks = Math.ceil((this.passedBytes - start) / blockBytes);
    const blocks = map.settledBlocks(passedBlocks, isSettled);
    const plan = map.leavesUpTo(blocks);
    const known = plan.units.flatMap((name) => refs.get(name) ?? []);
    const { basePointId, note } = planned;
    const checkpoint: WindowCheckpoint = {
      version: 1,
      lun: transfer.lun,
      index,
      start,
      end,
      diskBytes: transfer.diskBytes,
      snapshotId: transfer.snapshotId,
      ...(basePointId === undefined ? {} : { basePointId }),
      ...(note === undefined ? {} : { note }),
      doneBytes: Math.min(end, start + blocks * blockBytes),
      stats: statsNow(stats, context.counts),
      packs: this.packs,
      segments: this.segments,
      leaves: encodeLeaves(leafObject(map.geometry, plan.leaves, known)).toString('base64'),
      nonce: repository.randomBytes(16).toString('hex'),
    };
    await this.write(repository, checkpoint, signal);
  }

  /** Another proxy on the same window may save too: whoever is second leaves it at that. */
  private async write(repository: Repository, checkpoint: WindowCheckpoint, signal?: AbortSignal): Promise<void> {
    const { transfer } = this.work;
    const key = checkpointKey(repository.tenant, transfer.jobId, transfer.lun, transfer.window.index);
    const body = encodeCheckpoint(checkpoint);
    const etag = await putReplaced(repository, { kind: 'checkpoint', key }, body, this.etag, signal);
    if (etag !== undefined) this.etag = etag;
  }
}
