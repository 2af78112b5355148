/** zstd, the one codec. Data that does not shrink is stored as it is, and decompression never exceeds the declared size. */
import { constants, zstdCompressSync, zstdDecompressSync } from 'node:zlib';
import { unzstdInto, zstdBound, zstdInto } from '../base/zstd-context';
import { AppError, type ErrorCode } from '../model/errors';

export const codecs = { raw: 0, zstd: 1 } as const;
export type Codec = (typeof codecs)[keyof typeof codecs];

export const isCodec = (value: number): value is Codec => value === codecs.raw || value === codecs.zstd;

export interface Packed {
  readonly codec: Codec;
  readonly bytes: Buffer;
}

/** What zstd must win to be worth the reading: 2 %. */
const WORTH = 0.98;
/** From this length on a probe of the bytes decides first whether compressing them all can pay. */
const PROBED_BYTES_MIN = 128 * 1024;
const PROBE_EVERY_BYTES = 32 * 1024;
const PROBE_BYTES = 1024;
/** As many as a frame has; of something longer its beginning is looked at. */
const PROBES_MAX = 32;
const PROBE = Buffer.allocUnsafeSlow(PROBES_MAX * PROBE_BYTES);
const PROBED = Buffer.allocUnsafeSlow(zstdBound(PROBE.length));

/** Raw when zstd wins less than 2 %: reading raw costs nothing. With `scratch` the result may lie in it. */
export function compress(raw: Buffer, level: number, scratch?: Buffer): Packed {
  if (raw.length < 64 || (raw.length >= PROBED_BYTES_MIN && !probeShrinks(raw)))
    return { codec: codecs.raw, bytes: raw };
  const length = scratch && zstdInto(raw, level, scratch);
  const bytes = length === undefined ? zstd(raw, level) : (scratch?.subarray(0, length) ?? raw);
  return bytes.length < raw.length * WORTH ? { codec: codecs.zstd, bytes } : { codec: codecs.raw, bytes: raw };
}

/**
 * A 32nd of the bytes, taken evenly: media, archives and encrypted files show at once that they do not shrink, at a
 * twentieth of what compressing them in vain costs.
 */
function probeShrinks(raw: Buffer): boolean {
  const count = Math.min(PROBES_MAX, Math.floor(raw.length / PROBE_EVERY_BYTES));
  const probe = PROBE.subarray(0, count * PROBE_BYTES);
  for (let at = 0; at < count; at++) {
    const start = at * PROBE_EVERY_BYTES + (PROBE_EVERY_BYTES - PROBE_BYTES) / 2;
    raw.copy(probe, at * PROBE_BYTES, start, start + PROBE_BYTES);
  }
  const length = zstdInto(probe, 1, PROBED) ?? zstd(probe, 1).length;
  return length < probe.length * WORTH;
}

function zstd(raw: Buffer, level: number): Buffer {
  // A chunkSize above the compress bound makes zstd write straight into one buffer: 8 to 65 % faster (measured).
  return zstdCompressSync(raw, {
    chunkSize: zstdBound(raw.length),
    params: { [constants.ZSTD_c_compressionLevel]: level },
  });
}

/** Fills `into`, exactly, otherwise `code`. */
export function decompressInto(packed: Packed, into: Buffer, what: string, code: ErrorCode): void {
  if (packed.codec === codecs.zstd && unzstdInto(packed.bytes, into)) return;
  decompress(packed, into.length, what, code).copy(into);
}

/** Exactly `rawBytes`, otherwise `code`. */
export function decompress(packed: Packed, rawBytes: number, what: string, code: ErrorCode): Buffer {
  const raw = packed.codec === codecs.raw ? packed.bytes : unzstd(packed.bytes, rawBytes, what, code);
  if (raw.length !== rawBytes) {
    throw new AppError(code, `${what} holds ${raw.length} bytes where ${rawBytes} are declared`);
  }
  return raw;
}

/** zstd may ask a reader to keep so many bytes of what came before: 8 MiB, as much as its level 19 uses. We use 2 MiB. */
const WINDOW_LOG_MAX = 23;

function unzstd(bytes: Buffer, rawBytes: number, what: string, code: ErrorCode): Buffer {
  try {
    return zstdDecompressSync(bytes, {
      // Room to spare: a buffer filled exactly makes zlib ask for a second one, 5 to 10 % of the time and 1 MiB of garbage.
      chunkSize: rawBytes + 64,
      maxOutputLength: Math.max(1, rawBytes),
      params: { [constants.ZSTD_d_windowLogMax]: WINDOW_LOG_MAX },
    });
  } catch (error) {
    throw new AppError(code, `${what} cannot be decompressed to its ${rawBytes} bytes`, { cause: error });
  }
}
