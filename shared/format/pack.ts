/**
 * A pack: header | frames in disk order | sealed directory | footer. One S3 object, written once, never changed.
 *
 *   directory plaintext: version | frame count | per frame (stored bytes, blocks, codec, raw bytes) | ids of all blocks
 *   footer (16): magic "BFPE" | directory bytes with tag (u32 LE) | frames (u32 LE) | blocks (u32 LE)
 *
 * A slot is a block's position in the pack, from 0. Directory and footer together are the pack's tail; whoever knows a
 * pack's size and tail size needs one ranged read for the directory and one for each run of frames.
 */
import { createCipheriv, createDecipheriv } from 'node:crypto';
import { assert } from '../base/assert';
import { AppError } from '../model/errors';
import { idBytes } from './block-id';
import { ByteReader, ByteWriter } from './bytes';
import { codecs, isCodec } from './compression';
import { type FrameShape, frameBlocksMax, tagBytes } from './frame';
import { type PackContext, packHeaderBytes, unitNameOf } from './pack-header';

export const packFooterBytes = 16;
/** Slots are kept in 16 bits by the index; also bounds what one pack decompresses to (1 GiB). */
export const packSlotsMax = 16_384;
const FOOTER_MAGIC = Buffer.from('BFPE');
const DIRECTORY_NONCE = Buffer.alloc(12, 0xff);
const DIRECTORY_VERSION = 1;
/** Stored sizes are 32 bits in unit tables. */
export const packBytesMax = 2 ** 32 - 1;

export interface PackFrame extends FrameShape {
  readonly ordinal: number;
  /** Bytes [start, end) of the pack. */
  readonly start: number;
  readonly end: number;
  readonly firstSlot: number;
}

export interface PackDirectory {
  readonly frames: readonly PackFrame[];
  /** Ids of all blocks in slot order, 32 bytes each. */
  readonly ids: Buffer;
}

export interface SealedFrame {
  readonly stored: Buffer;
  readonly shape: FrameShape;
}

/** The last bytes of a pack: sealed directory and footer. `ids`: of all blocks, in slot order. */
export function sealPackTail(
  context: PackContext,
  frames: readonly { readonly storedBytes: number; readonly shape: FrameShape }[],
  ids: Buffer,
): Buffer {
  const slots = ids.length / idBytes;
  assert(frames.length > 0 && slots <= packSlotsMax, `a pack of ${frames.length} frames and ${slots} blocks`);
  const plaintext = new ByteWriter(ids.length + frames.length * 12 + 16)
    .varint(DIRECTORY_VERSION)
    .varint(frames.length);
  for (const { storedBytes, shape } of frames) {
    plaintext.varint(storedBytes).varint(shape.count).varint(shape.codec).varint(shape.rawBytes);
  }
  plaintext.bytes(ids);
  const directory = plaintext.finish();
  const footer = makeFooter(directory.length + tagBytes, frames.length, slots);
  const cipher = createCipheriv('aes-256-gcm', context.dataKey, DIRECTORY_NONCE);
  cipher.setAAD(directoryData(context, footer));
  return Buffer.concat([cipher.update(directory), cipher.final(), cipher.getAuthTag(), footer]);
}

/** The finished object and the size of its tail. */
export function assemblePack(
  context: PackContext,
  frames: readonly SealedFrame[],
  ids: Buffer,
): { readonly bytes: Buffer; readonly tailBytes: number } {
  const tail = sealPackTail(
    context,
    frames.map(({ stored, shape }) => ({ storedBytes: stored.length, shape })),
    ids,
  );
  return {
    bytes: Buffer.concat([context.header, ...frames.map(({ stored }) => stored), tail]),
    tailBytes: tail.length,
  };
}

/** Opens the last `tail.length` bytes of a pack of `sizeBytes`. `pack.corrupt` when anything at all is off. */
export function openPackTail(context: PackContext, tail: Buffer, sizeBytes: number): PackDirectory {
  const name = unitNameOf(context);
  const bad = (why: string): AppError =>
    new AppError('pack.corrupt', `the directory of pack ${name} cannot be read: ${why}`, { context: { unit: name } });
  const sealedBytes = tail.length - packFooterBytes;
  if (sealedBytes < tagBytes) throw bad('it is cut off');
  const footer = tail.subarray(sealedBytes);
  if (!footer.subarray(0, 4).equals(FOOTER_MAGIC)) throw bad('there is no footer');
  if (footer.readUInt32LE(4) !== sealedBytes) throw bad('the footer names another length');
  const decipher = createDecipheriv('aes-256-gcm', context.dataKey, DIRECTORY_NONCE, { authTagLength: tagBytes });
  decipher.setAAD(directoryData(context, footer));
  decipher.setAuthTag(tail.subarray(sealedBytes - tagBytes, sealedBytes));
  let plaintext: Buffer;
  try {
    plaintext = decipher.update(tail.subarray(0, sealedBytes - tagBytes));
    decipher.final();
  } catch {
    throw bad('it does not authenticate');
  }
  const directory = decodeDirectory(context, plaintext);
  const end = directory.frames.at(-1)?.end ?? packHeaderBytes;
  if (end + tail.length !== sizeBytes) throw bad(`its frames end at ${end}, the pack has ${sizeBytes} bytes`);
  if (
    footer.readUInt32LE(8) !== directory.frames.length ||
    footer.readUInt32LE(12) * idBytes !== directory.ids.length
  ) {
    throw bad('the footer counts otherwise');
  }
  return directory;
}

/** The frame that holds a slot; undefined when the pack has no such slot. */
export function frameOfSlot(directory: PackDirectory, slot: number): PackFrame | undefined {
  let low = 0;
  let high = directory.frames.length - 1;
  while (low <= high) {
    const middle = (low + high) >> 1;
    const frame = directory.frames[middle];
    if (!frame) return undefined;
    if (slot < frame.firstSlot) high = middle - 1;
    else if (slot >= frame.firstSlot + frame.count) low = middle + 1;
    else return frame;
  }
  return undefined;
}

function decodeDirectory(context: PackContext, plaintext: Buffer): PackDirectory {
  const { blockBytes } = context;
  const reader = new ByteReader(plaintext, `the directory of pack ${unitNameOf(context)}`, 'pack.corrupt');
  const version = reader.varint(255, 'version');
  if (version !== DIRECTORY_VERSION) {
    throw new AppError('format.unknown', `pack ${unitNameOf(context)} has a directory of version ${version}`);
  }
  const frames: PackFrame[] = [];
  const frameCount = reader.varint(packSlotsMax, 'frame count');
  let start = packHeaderBytes;
  let firstSlot = 0;
  for (let ordinal = 0; ordinal < frameCount; ordinal++) {
    const end = start + reader.varint(packBytesMax, 'stored bytes');
    const count = reader.varint(frameBlocksMax, 'blocks of a frame');
    const codec = reader.varint(codecs.zstd, 'codec');
    const rawBytes = reader.varint(frameBlocksMax * blockBytes, 'raw bytes');
    if (!isCodec(codec) || count === 0 || rawBytes <= (count - 1) * blockBytes || rawBytes > count * blockBytes) {
      throw reader.bad(`frame ${ordinal} declares ${count} blocks in ${rawBytes} bytes`);
    }
    frames.push({ ordinal, start, end, count, codec, rawBytes, firstSlot });
    start = end;
    firstSlot += count;
  }
  if (firstSlot > packSlotsMax) throw reader.bad(`${firstSlot} blocks`);
  const ids = reader.bytes(firstSlot * idBytes, 'block ids');
  reader.end();
  return { frames, ids };
}

function makeFooter(directoryBytes: number, frames: number, slots: number): Buffer {
  const footer = Buffer.alloc(packFooterBytes);
  FOOTER_MAGIC.copy(footer);
  footer.writeUInt32LE(directoryBytes, 4);
  footer.writeUInt32LE(frames, 8);
  footer.writeUInt32LE(slots, 12);
  return footer;
}

const directoryData = (context: PackContext, footer: Buffer): Buffer =>
  Buffer.concat([context.header, footer, Buffer.from(`directory\0${context.tenant}`)]);
