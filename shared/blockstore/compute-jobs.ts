/**
 * The CPU work: hashing, compressing, sealing, and the way back. Pure functions of their input, as generators that yield
 * between pieces of some milliseconds: a worker thread runs them through, the main thread breathes at each yield.
 */
import { assert } from '../base/assert';
import { blockId, firstWrongBlock, idBytes, isZero } from '../format/block-id';
import { type FrameShape, frameError, openFrame, sealFrame } from '../format/frame';
import type { PackFrame } from '../format/pack';
import { type PackContext, unitNameOf } from '../format/pack-header';
import { AppError } from '../model/errors';
import { limits } from '../model/limits';
import { notWritten } from './pack-check';

/** Ids of consecutive blocks and which of them are zeros (their id stays empty). */
export interface HashJob {
  readonly kind: 'hash';
  readonly idKey: Buffer;
  readonly bytes: Buffer;
  readonly blockBytes: number;
}
export interface HashResult {
  /** 32 bytes a block. */
  readonly ids: Buffer;
  /** 1 where the block is all zeros. */
  readonly zero: Buffer;
}

/** Seals the blocks of a frame and leaves it at the start of `into`, where they may lie themselves. */
export interface SealFrameJob {
  readonly kind: 'seal-frame';
  readonly context: PackContext;
  readonly ordinal: number;
  readonly ids: Buffer;
  /** The blocks, one behind the other; those that are neighbours in memory are one part. */
  readonly parts: readonly Buffer[];
  readonly into: Buffer;
  readonly level: number;
}
export interface SealFrameResult {
  readonly storedBytes: number;
  readonly shape: FrameShape;
}

/** Decodes a frame again where it lies in its pack and compares every block with the id that its source had. */
export interface VerifyFrameJob {
  readonly kind: 'verify-frame';
  readonly context: PackContext;
  readonly idKey: Buffer;
  readonly ordinal: number;
  readonly shape: FrameShape;
  readonly ids: Buffer;
  readonly stored: Buffer;
}
export interface VerifyFrameResult {
  readonly blocks: number;
}

/** Opens consecutive frames into `into`, one behind the other, and checks every block against its id. */
export interface OpenFramesJob {
  readonly kind: 'open-frames';
  readonly context: PackContext;
  readonly idKey: Buffer;
  readonly frames: readonly PackFrame[];
  /** Ids of the frames' blocks. */
  readonly ids: Buffer;
  /** Bytes of the pack from the first frame's start to the last one's end. */
  readonly bytes: Buffer;
  /** Room for the plaintext of all frames. */
  readonly into: Buffer;
}
export interface OpenFramesResult {
  readonly rawBytes: number;
}

export type ComputeJob = HashJob | SealFrameJob | VerifyFrameJob | OpenFramesJob;
export type ComputeResult = HashResult | SealFrameResult | VerifyFrameResult | OpenFramesResult;

export function* runJob(job: ComputeJob): Generator<void, ComputeResult> {
  switch (job.kind) {
    case 'hash':
      return yield* hash(job);
    case 'seal-frame':
      return seal(job);
    case 'verify-frame':
      return verifyFrame(job);
    case 'open-frames':
      return yield* openFrames(job);
  }
}

function* hash(job: HashJob): Generator<void, HashResult> {
  const count = Math.ceil(job.bytes.length / job.blockBytes);
  const ids = Buffer.from(new ArrayBuffer(count * idBytes));
  const zero = Buffer.from(new ArrayBuffer(count));
  for (let index = 0; index < count; index++) {
    const block = job.bytes.subarray(index * job.blockBytes, (index + 1) * job.blockBytes);
    if (isZero(block)) zero[index] = 1;
    else blockId(job.idKey, block).copy(ids, index * idBytes);
    if (index % 32 === 31) yield;
  }
  return { ids, zero };
}

/** A frame's worth that each thread has, for one job at a time: blocks put together, or what is decoded to be looked at. */
let scratch: Buffer | undefined;

function ownFrame(bytes: number): Buffer {
  scratch ??= Buffer.allocUnsafeSlow(limits.frameBlocks * limits.blockBytes);
  return scratch.subarray(0, bytes);
}

function seal({ context, ordinal, ids, parts, into, level }: SealFrameJob): SealFrameResult {
  const { stored, shape } = sealFrame(context, ordinal, ids, joined(parts), level, into);
  return { storedBytes: stored.length, shape };
}

function joined(parts: readonly Buffer[]): Buffer {
  const [only] = parts;
  if (only && parts.length === 1) return only;
  const whole = ownFrame(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) at += part.copy(whole, at);
  return whole;
}

function verifyFrame(job: VerifyFrameJob): VerifyFrameResult {
  const { context, ordinal, shape, ids } = job;
  const fail = (): AppError => notWritten(context, `frame ${ordinal} does not decode to its source`);
  let opened: ReturnType<typeof openFrame>;
  try {
    opened = openFrame(context, ordinal, shape, job.stored, ownFrame(shape.rawBytes));
  } catch {
    throw fail();
  }
  const wrong = firstWrongBlock(job.idKey, ids, opened.raw, context.blockBytes);
  if (wrong !== undefined || !opened.ids.equals(ids)) throw fail();
  return { blocks: ids.length / idBytes };
}

function* openFrames(job: OpenFramesJob): Generator<void, OpenFramesResult> {
  const { context, frames } = job;
  const start = frames[0]?.start ?? 0;
  const firstSlot = frames[0]?.firstSlot ?? 0;
  let rawBytes = 0;
  for (const frame of frames) {
    const ids = frameIds(job.ids, frame, firstSlot);
    const stored = job.bytes.subarray(frame.start - start, frame.end - start);
    const into = job.into.subarray(rawBytes, rawBytes + frame.rawBytes);
    assert(into.length === frame.rawBytes, 'room for the plaintext of every frame');
    const opened = openFrame(context, frame.ordinal, frame, stored, into);
    if (!opened.ids.equals(ids)) {
      throw frameError(
        context,
        frame.ordinal,
        `frame ${frame.ordinal} of pack ${unitNameOf(context)} holds other blocks`,
      );
    }
    const wrong = firstWrongBlock(job.idKey, ids, opened.raw, context.blockBytes);
    if (wrong !== undefined) {
      const slot = frame.firstSlot + wrong;
      throw new AppError(
        'block.corrupt',
        `the block in slot ${slot} of pack ${unitNameOf(context)} is not what its id says`,
        {
          context: { unit: unitNameOf(context), slot },
        },
      );
    }
    rawBytes += frame.rawBytes;
    yield;
  }
  return { rawBytes };
}

function frameIds(ids: Buffer, frame: PackFrame, firstSlot: number): Buffer {
  const start = (frame.firstSlot - firstSlot) * idBytes;
  const slice = ids.subarray(start, start + frame.count * idBytes);
  assert(slice.length === frame.count * idBytes, 'ids for every block of the frame');
  return slice;
}
