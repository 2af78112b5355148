/**
 * zstd with a context that is kept and buffers that the caller owns. The documented calls of node:zlib make a new context
 * and a new output buffer each time: for frames of 1 MiB that costs as much again as compressing them, and the buffers make
 * the collector run. The handle below such a stream takes both; it is not documented, so it is tried before it is trusted,
 * and whoever calls must be able to go the documented way where this one says no.
 *
 * What it gives is the same, byte for byte. One context a thread and level; every call is synchronous.
 */
import { constants, createZstdCompress, createZstdDecompress } from 'node:zlib';

/** The handle of Node 22 to 24. `_writeState`: what was left of output and input after a write. */
interface Stream {
  readonly _handle: {
    onerror: () => void;
    writeSync(flush: number, from: Buffer, at: number, length: number, into: Buffer, to: number, room: number): void;
    close(): void;
  };
  readonly _writeState: Uint32Array;
}

interface Context {
  /** Bytes written, when all of `from` was taken and the frame ended; undefined otherwise, and the context is spoilt. */
  run(from: Buffer, into: Buffer): number | undefined;
  close(): void;
}

/** Compresses into `into`, which should have `zstdBound` bytes. Undefined: it does not fit, or there is no such context. */
export function zstdInto(raw: Buffer, level: number, into: Buffer): number | undefined {
  return isUsable() && into.length > 0 ? compressors.run(level, raw, into) : undefined;
}

/**
 * Fills `into` from one whole frame that declares exactly so many bytes, as ours do. False: it is something else or damaged,
 * or there is no such context; `into` may have been written to.
 */
export function unzstdInto(bytes: Buffer, into: Buffer): boolean {
  return isUsable() && isOneFrame(bytes, into.length) && decompressors.run(0, bytes, into) === into.length;
}

/** Room with which zstd writes straight into the output. */
export const zstdBound = (rawBytes: number): number => rawBytes + Math.ceil(rawBytes / 128) + 1024;

/** Levels at a time that a thread keeps a context of: the probe's, a policy's, another policy's. */
const KEPT_MAX = 3;

class Contexts {
  private readonly kept = new Map<number, Context>();

  constructor(private readonly make: (level: number) => Context) {}

  run(level: number, from: Buffer, into: Buffer): number | undefined {
    const context = this.kept.get(level) ?? this.make(level);
    // Until it has come to its end it is not there: what is in the middle of a frame would go on with it.
    this.kept.delete(level);
    const written = context.run(from, into);
    if (written === undefined) context.close();
    else this.keep(level, context);
    return written;
  }

  /** The one used longest ago goes first. */
  private keep(level: number, context: Context): void {
    this.kept.set(level, context);
    for (const [oldest, other] of this.kept) {
      if (this.kept.size <= KEPT_MAX) return;
      this.kept.delete(oldest);
      other.close();
    }
  }
}

const CHUNK_BYTES_MIN = 64;
const compressors = new Contexts((level) =>
  contextOf(
    createZstdCompress({ chunkSize: CHUNK_BYTES_MIN, params: { [constants.ZSTD_c_compressionLevel]: level } }),
    constants.ZSTD_e_end,
  ),
);
const decompressors = new Contexts(() =>
  contextOf(createZstdDecompress({ chunkSize: CHUNK_BYTES_MIN }), constants.ZSTD_e_continue),
);

function contextOf(stream: unknown, flush: number): Context {
  const { _handle: handle, _writeState: state } = stream as Stream;
  let failed = false;
  handle.onerror = () => {
    failed = true;
  };
  return {
    run: (from, into) => {
      handle.writeSync(flush, from, 0, from.length, into, 0, into.length);
      const [room = 0, left = 0] = state;
      // Without room left there may be more to come.
      const isEnd = !failed && left === 0 && (room > 0 || flush === constants.ZSTD_e_continue);
      return isEnd ? into.length - room : undefined;
    },
    close: () => handle.close(),
  };
}

/**
 * Whether `bytes` are exactly one frame of `rawBytes` (RFC 8878, 3.1.1). Only then does a context decode it in one pass and
 * stand at a beginning again; how far it had come otherwise, the handle does not tell.
 */
function isOneFrame(bytes: Buffer, rawBytes: number): boolean {
  if (bytes.length < 9 || bytes.readUInt32LE(0) !== 0xfd2fb528) return false;
  const descriptor = bytes[4] ?? 0;
  const isSingleSegment = (descriptor & 0x20) !== 0;
  const hasDictionary = (descriptor & 3) !== 0;
  if (hasDictionary || (descriptor & 8) !== 0) return false;
  const sizeBytes = [isSingleSegment ? 1 : 0, 2, 4, 8][descriptor >> 6] ?? 0;
  let at = isSingleSegment ? 5 : 6;
  if (sizeBytes === 0 || sizeBytes === 8 || at + sizeBytes > bytes.length) return false;
  if (bytes.readUIntLE(at, sizeBytes) + (sizeBytes === 2 ? 256 : 0) !== rawBytes) return false;
  at += sizeBytes;
  for (let isLast = false; !isLast; ) {
    if (at + 3 > bytes.length) return false;
    const header = bytes.readUIntLE(at, 3);
    isLast = (header & 1) === 1;
    const kind = (header >> 1) & 3;
    at += 3 + (kind === 1 ? 1 : header >> 3);
  }
  return at + ((descriptor & 4) !== 0 ? 4 : 0) === bytes.length;
}

let usable: boolean | undefined;

/** A frame there and back, twice with the same contexts. */
function isUsable(): boolean {
  usable ??= tries();
  return usable;
}

function tries(): boolean {
  try {
    const raw = Buffer.alloc(2000, 'blockferry ');
    const packed = Buffer.alloc(zstdBound(raw.length));
    for (let round = 0; round < 2; round++) {
      const length = compressors.run(1, raw, packed);
      const back = Buffer.alloc(raw.length);
      const frame = packed.subarray(0, length ?? 0);
      if (!isOneFrame(frame, raw.length) || decompressors.run(0, frame, back) !== raw.length) return false;
      if (!back.equals(raw)) return false;
    }
    return true;
  } catch {
    return false;
  }
}
