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
import { AppError } from '../model/errors';
import { idBytes } from './block-id';
import { type Codec, compress, decompress } from './compression';
import { type PackContext, unitNameOf } from './pack-header';

export const tagBytes = 16;
export const frameBlocksMax = 16;

export interface FrameShape {
  readonly count: number;
  readonly codec: Codec;
  readonly rawBytes: number;
}

export function sealFrame(
  context: PackContext,
  ordinal: number,
  ids: Buffer,
  raw: Buffer,
  level: number,
): { readonly stored: Buffer; readonly shape: FrameShape } {
  const packed = compress(raw, level);
  const shape: FrameShape = { count: ids.length / idBytes, codec: packed.codec, rawBytes: raw.length };
  const cipher = createCipheriv('aes-256-gcm', context.dataKey, frameNonce(ordinal));
  cipher.setAAD(frameData(context, ordinal, shape));
  const stored = Buffer.concat([cipher.update(ids), cipher.update(packed.bytes), cipher.final(), cipher.getAuthTag()]);
  return { stored, shape };
}

/** Ids and blocks of a frame, authenticated; the caller still compares each block with its id. `pack.corrupt` otherwise. */
export function openFrame(
  context: PackContext,
  ordinal: number,
  shape: FrameShape,
  stored: Buffer,
): { readonly ids: Buffer; readonly raw: Buffer } {
  const what = `frame ${ordinal} of pack ${unitNameOf(context)}`;
  const idsLength = shape.count * idBytes;
  if (stored.length < idsLength + tagBytes) throw frameError(context, ordinal, `${what} is cut off`);
  const decipher = createDecipheriv('aes-256-gcm', context.dataKey, frameNonce(ordinal), { authTagLength: tagBytes });
  decipher.setAAD(frameData(context, ordinal, shape));
  decipher.setAuthTag(stored.subarray(stored.length - tagBytes));
  let plaintext: Buffer;
  try {
    plaintext = decipher.update(stored.subarray(0, stored.length - tagBytes));
    decipher.final();
  } catch {
    throw frameError(context, ordinal, `${what} does not authenticate`);
  }
  const packed = { codec: shape.codec, bytes: plaintext.subarray(idsLength) };
  return { ids: plaintext.subarray(0, idsLength), raw: decompress(packed, shape.rawBytes, what, 'pack.corrupt') };
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
