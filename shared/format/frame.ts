/**
 * A frame: up to 16 consecutive new blocks of a disk, compressed together, then sealed with the pack's data key.
 *
 *   plaintext = ids of the blocks (32 each) | zstd or raw bytes of the blocks
 *   stored    = AES-256-GCM(plaintext) | tag (16)
 *
 * The nonce is the frame's ordinal in its pack. The additional data binds the pack's header and tenant, the ordinal, the
 * number of blocks, the codec and the length, so a frame moved, swapped or relabelled does not open. Only the last block of
 * a disk may be short, so only the last block of a frame can be.
 */
import { createCipheriv, createDecipheriv } from 'node:crypto';
import { assert } from '../base/assert';
import { zstdBound } from '../base/zstd-context';
import { AppError } from '../model/errors';
import { KIB, MIB } from '../model/limits';
import { idBytes } from './block-id';
import { type Codec, compress, decompressInto } from './compression';
import { type PackContext, unitNameOf } from './pack-header';

export const tagBytes = 16;
export const frameBlocksMax = 16;

export interface FrameShape {
  readonly count: number;
  readonly codec: Codec;
  readonly rawBytes: number;
}

/** What is between the steps: a thread works on one frame at a time. Larger ones, which we never write, get their own. */
const SCRATCH_BYTES = 2 * MIB;
const scratchMemory = Buffer.allocUnsafeSlow(SCRATCH_BYTES);
const scratch = (bytes: number): Buffer =>
  bytes <= SCRATCH_BYTES ? scratchMemory.subarray(0, bytes) : Buffer.allocUnsafeSlow(bytes);

/** `stored` lies at the start of `into`, which may be where `raw` lies; it needs room for ids and tag besides. */
export function sealFrame(
  context: PackContext,
  ordinal: number,
  ids: Buffer,
  raw: Buffer,
  level: number,
  into: Buffer = Buffer.allocUnsafeSlow(ids.length + raw.length + tagBytes),
): { readonly stored: Buffer; readonly shape: FrameShape } {
  const between = scratch(zstdBound(raw.length));
  const packed = compress(raw, level, between);
  // What is sealed lies where ids come to lie before it: only another place will do.
  const isInTheWay = packed.bytes.buffer === into.buffer;
  if (isInTheWay) packed.bytes.copy(between);
  const bytes = isInTheWay ? between.subarray(0, packed.bytes.length) : packed.bytes;
  const shape: FrameShape = { count: ids.length / idBytes, codec: packed.codec, rawBytes: raw.length };
  const storedBytes = ids.length + bytes.length + tagBytes;
  assert(storedBytes <= into.length, 'a sealed frame fits where it belongs');
  const cipher = createCipheriv('aes-256-gcm', context.dataKey, frameNonce(ordinal));
  cipher.setAAD(frameData(context, ordinal, shape));
  cipher.update(ids).copy(into);
  inPieces(bytes, into.subarray(ids.length), (piece) => cipher.update(piece));
  cipher.final();
  cipher.getAuthTag().copy(into, storedBytes - tagBytes);
  return { stored: into.subarray(0, storedBytes), shape };
}

/**
 * Ids and blocks of a frame, authenticated; the caller still compares each block with its id. `raw` is `into` when that is
 * given, of `rawBytes`. `pack.corrupt` otherwise, and then `into` is not to be used.
 */
export function openFrame(
  context: PackContext,
  ordinal: number,
  shape: FrameShape,
  stored: Buffer,
  into: Buffer = Buffer.allocUnsafeSlow(shape.rawBytes),
): { readonly ids: Buffer; readonly raw: Buffer } {
  const what = `frame ${ordinal} of pack ${unitNameOf(context)}`;
  const idsLength = shape.count * idBytes;
  if (stored.length < idsLength + tagBytes) throw frameError(context, ordinal, `${what} is cut off`);
  const sealed = stored.subarray(0, stored.length - tagBytes);
  const decipher = createDecipheriv('aes-256-gcm', context.dataKey, frameNonce(ordinal), { authTagLength: tagBytes });
  decipher.setAAD(frameData(context, ordinal, shape));
  decipher.setAuthTag(stored.subarray(sealed.length));
  const plaintext = scratch(sealed.length);
  try {
    inPieces(sealed, plaintext, (piece) => decipher.update(piece));
    decipher.final();
  } catch {
    throw frameError(context, ordinal, `${what} does not authenticate`);
  }
  const packed = { codec: shape.codec, bytes: plaintext.subarray(idsLength) };
  decompressInto(packed, into, what, 'pack.corrupt');
  return { ids: Buffer.from(plaintext.subarray(0, idsLength)), raw: into };
}

/**
 * A cipher gives a fresh buffer each time. Small ones come from what the allocator has at hand, and given back at once they
 * are still in the cache for the next: without that the collector lets hundreds of MiB of them pile up, and half of the time
 * of a cipher goes into making room.
 */
const PIECE_BYTES = 96 * KIB;

function inPieces(from: Buffer, into: Buffer, update: (piece: Buffer) => Buffer): void {
  for (let at = 0; at < from.length; at += PIECE_BYTES) {
    const piece = update(from.subarray(at, at + PIECE_BYTES));
    piece.copy(into, at);
    const memory = piece.buffer;
    if (memory instanceof ArrayBuffer && memory.byteLength === piece.length) memory.transfer(0);
  }
}

export function frameError(context: PackContext, ordinal: number, message: string): AppError {
  return new AppError('pack.corrupt', message, { context: { unit: unitNameOf(context), frame: ordinal } });
}

/** Frames count up from 0; the directory uses the one nonce that starts with ones. */
export function frameNonce(ordinal: number): Buffer {
  const nonce = Buffer.alloc(12);
  nonce.writeUInt32LE(ordinal, 8);
  return nonce;
}

function frameData(context: PackContext, ordinal: number, shape: FrameShape): Buffer {
  const fixed = Buffer.alloc(12);
  fixed.writeUInt32LE(ordinal, 0);
  fixed.writeUInt16LE(shape.count, 4);
  fixed.writeUInt16LE(shape.codec, 6);
  fixed.writeUInt32LE(shape.rawBytes, 8);
  return Buffer.concat([context.header, fixed, Buffer.from(`frame\0${context.tenant}`)]);
}
