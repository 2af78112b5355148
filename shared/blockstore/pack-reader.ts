/**
 * Reading blocks back. A pack costs two small reads (header, tail) or one when it is small, and then one read for each run of
 * neighbouring frames. Every frame authenticates and every block is hashed again before a byte of it is handed on.
 */

import { idBytes } from '../format/block-id';
import { frameOfSlot, openPackTail, type PackDirectory, type PackFrame } from '../format/pack';
import { openPackHeader, type PackContext, packHeaderBytes } from '../format/pack-header';
import { unitKey } from '../format/store-keys';
import type { UnitRef } from '../format/unit-table';
import { AppError, isAppError } from '../model/errors';
import { limits } from '../model/limits';
import type { ComputePool } from './compute-pool';
import { type Repository, signalOption } from './repository';

/** Packs up to this size are read whole, in one request. */
const SMALL_PACK_BYTES = 256 * 1024;
/** Frames with a gap up to this between them are read together. */
const READ_GAP_BYTES = 64 * 1024;
/** What one read may decompress to: well-compressed packs would otherwise unfold to gigabytes at once. */
export const rawBytesMax = 16 * 1024 * 1024;

export interface OpenedPack {
  readonly unit: UnitRef;
  readonly context: PackContext;
  readonly directory: PackDirectory;
  /** The whole object, when it was small. */
  readonly whole: Buffer | undefined;
}

export function openPack(repository: Repository, unit: UnitRef, signal?: AbortSignal): Promise<OpenedPack> {
  return readTwice(repository, unit, () => openOnce(repository, unit, signal));
}

async function openOnce(repository: Repository, unit: UnitRef, signal?: AbortSignal): Promise<OpenedPack> {
  const id = Buffer.from(unit.unit, 'hex');
  const key = unitKey(repository.tenant, id);
  const { data } = repository.stores;
  const { sizeBytes, tailBytes } = unit;
  if (sizeBytes <= SMALL_PACK_BYTES) {
    const whole = (await data.get(key, signalOption(signal))).body;
    if (whole.length !== sizeBytes) throw sizeError(unit, whole.length);
    const context = openPackHeader(repository.keys, id, whole.subarray(0, packHeaderBytes));
    return { unit, context, directory: openPackTail(context, whole.subarray(sizeBytes - tailBytes), sizeBytes), whole };
  }
  const [header, tail] = await Promise.all([
    data.get(key, { ...signalOption(signal), start: 0, end: packHeaderBytes }),
    data.get(key, { ...signalOption(signal), start: sizeBytes - tailBytes, end: sizeBytes }),
  ]);
  const context = openPackHeader(repository.keys, id, header.body);
  return { unit, context, directory: openPackTail(context, tail.body, sizeBytes), whole: undefined };
}

export interface FrameRead {
  readonly frames: readonly PackFrame[];
  /** Bytes [start, end) of the pack. */
  readonly start: number;
  readonly end: number;
}

/** The reads that fetch the frames of these slots: each frame once, neighbours together, in pack order. */
export function planFrameReads(pack: OpenedPack, slots: Iterable<number>): FrameRead[] {
  const wanted = new Map<number, PackFrame>();
  for (const slot of slots) {
    const frame = frameOfSlot(pack.directory, slot);
    if (!frame) {
      throw new AppError('manifest.corrupt', `pack ${pack.unit.unit} has no slot ${slot}`, {
        context: { unit: pack.unit.unit, slot },
      });
    }
    wanted.set(frame.ordinal, frame);
  }
  const reads: { frames: PackFrame[]; start: number; end: number; rawBytes: number }[] = [];
  for (const frame of [...wanted.values()].sort((a, b) => a.ordinal - b.ordinal)) {
    const last = reads.at(-1);
    const next = (last?.frames.at(-1)?.ordinal ?? 0) + 1;
    // Frames in a gap are opened too: the job takes consecutive frames, and checking more is never wrong.
    const joined = pack.directory.frames.slice(next, frame.ordinal + 1);
    const rawBytes = joined.reduce((sum, { rawBytes: bytes }) => sum + bytes, 0);
    const joins =
      last &&
      frame.start - last.end <= READ_GAP_BYTES &&
      frame.end - last.start <= limits.readBytesMax &&
      last.rawBytes + rawBytes <= rawBytesMax;
    if (last && joins) {
      last.frames.push(...joined);
      last.end = frame.end;
      last.rawBytes += rawBytes;
    } else {
      reads.push({ frames: [frame], start: frame.start, end: frame.end, rawBytes: frame.rawBytes });
    }
  }
  return reads;
}

/** What was damaged on its way (no checksum covers a ranged GET) is right at the second look; what is damaged in the store is not. */
async function readTwice<Result>(
  repository: Repository,
  unit: UnitRef,
  read: (again: boolean) => Promise<Result>,
): Promise<Result> {
  try {
    return await read(false);
  } catch (error) {
    if (!isAppError(error, 'pack.corrupt') && !isAppError(error, 'block.corrupt')) throw error;
    repository.logger.warn('a pack did not authenticate and is read again', { unit: unit.unit, code: error.code });
    return await read(true);
  }
}

/** Bytes that the frames of a read decompress to. */
export const rawBytesOf = (read: FrameRead): number => read.frames.reduce((sum, { rawBytes }) => sum + rawBytes, 0);

/** Memory that a read may use: for the stored bytes, and for what they unfold to (`rawBytesOf`). */
export interface ReadRoom {
  readonly stored: Buffer;
  readonly raw: Buffer;
}

/** Fetches and opens the frames of one read. Result: plaintext blocks by slot, in `room.raw` when it is given. `pack.corrupt` or `block.corrupt` otherwise. */
export function readFrames(
  repository: Repository,
  pool: ComputePool,
  pack: OpenedPack,
  read: FrameRead,
  signal?: AbortSignal,
  room?: ReadRoom,
): Promise<Map<number, Buffer>> {
  return readTwice(repository, pack.unit, (again) =>
    readOnce(repository, pool, again ? { ...pack, whole: undefined } : pack, read, room, signal),
  );
}

async function readOnce(
  repository: Repository,
  pool: ComputePool,
  pack: OpenedPack,
  read: FrameRead,
  room: ReadRoom | undefined,
  signal?: AbortSignal,
): Promise<Map<number, Buffer>> {
  const key = unitKey(repository.tenant, Buffer.from(pack.unit.unit, 'hex'));
  const { start: from, end: to } = read;
  const options = { ...signalOption(signal), ...(room ? { into: room.stored } : {}), start: from, end: to };
  const bytes = pack.whole
    ? Buffer.from(pack.whole.subarray(from, to))
    : (await repository.stores.data.get(key, options)).body;
  const into = room?.raw ?? Buffer.from(new SharedArrayBuffer(rawBytesOf(read)));
  if (bytes.length !== read.end - read.start) throw sizeError(pack.unit, bytes.length);
  const first = read.frames[0]?.firstSlot ?? 0;
  const last = read.frames.at(-1);
  const ids = Buffer.from(
    pack.directory.ids.subarray(first * idBytes, ((last?.firstSlot ?? 0) + (last?.count ?? 0)) * idBytes),
  );
  const { context } = pack;
  const { frames } = read;
  await pool.run({ kind: 'open-frames', context, idKey: repository.keys.id, frames, ids, bytes, into });
  const blocks = new Map<number, Buffer>();
  let start = 0;
  for (const frame of frames) {
    const end = start + frame.rawBytes;
    for (let slot = frame.firstSlot; slot < frame.firstSlot + frame.count; slot++) {
      blocks.set(slot, into.subarray(start, Math.min(end, start + context.blockBytes)));
      start = Math.min(end, start + context.blockBytes);
    }
  }
  return blocks;
}

const sizeError = (unit: UnitRef, bytes: number): AppError =>
  new AppError('pack.corrupt', `pack ${unit.unit} gave ${bytes} bytes where others were asked for`, {
    context: { unit: unit.unit, bytes },
  });
