/**
 * The CRCs that S3 offers as flexible checksums: CRC-32 (from zlib), CRC-32C (Castagnoli) and CRC-64/NVME.
 * All three are reflected, start with all ones and are inverted at the end, so that the checksum of a
 * concatenation follows from the checksums and lengths of its parts (`combineCrc`): that is how a
 * multipart upload gets its full-object checksum without reading the data again.
 */
import { crc32 } from 'node:zlib';

export interface CrcKind {
  readonly widthBytes: 4 | 8;
  /** Reflected generator polynomial. */
  readonly polynomial: bigint;
}

export const CRC32: CrcKind = { widthBytes: 4, polynomial: 0xedb88320n };
export const CRC32C: CrcKind = { widthBytes: 4, polynomial: 0x82f63b78n };
export const CRC64NVME: CrcKind = { widthBytes: 8, polynomial: 0x9a6c9329ac4bc9b5n };

/** A running checksum; `digest` gives it big-endian, as S3 writes it before base64. */
export interface RunningCrc {
  update(bytes: Uint8Array): void;
  digest(): Buffer;
}

export function startCrc(kind: CrcKind): RunningCrc {
  if (kind === CRC32) return startZlibCrc();
  return kind === CRC32C ? startCrc32c() : startCrc64();
}

function startZlibCrc(): RunningCrc {
  let value = 0;
  return {
    update(bytes) {
      value = crc32(bytes, value);
    },
    digest: () => uint32(value),
  };
}

function startCrc32c(): RunningCrc {
  const table = castagnoliTables();
  let crc = 0xffffffff;
  return {
    update(bytes) {
      const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
      let at = 0;
      for (; at + 8 <= bytes.length; at += 8) {
        const low = (view.getUint32(at, true) ^ crc) >>> 0;
        const high = view.getUint32(at + 4, true);
        crc =
          pick(table, 7, low & 255) ^
          pick(table, 6, (low >>> 8) & 255) ^
          pick(table, 5, (low >>> 16) & 255) ^
          pick(table, 4, low >>> 24) ^
          pick(table, 3, high & 255) ^
          pick(table, 2, (high >>> 8) & 255) ^
          pick(table, 1, (high >>> 16) & 255) ^
          pick(table, 0, high >>> 24);
      }
      for (; at < bytes.length; at += 1) crc = (crc >>> 8) ^ pick(table, 0, (crc ^ view.getUint8(at)) & 255);
    },
    digest: () => uint32(~crc),
  };
}

/** 64-bit arithmetic on BigInt is far too slow for data: each half of the register is a 32-bit number. */
function startCrc64(): RunningCrc {
  const { low: lowTable, high: highTable } = nvmeTables();
  let low = 0xffffffff;
  let high = 0xffffffff;
  return {
    update(bytes) {
      const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
      let at = 0;
      for (; at + 8 <= bytes.length; at += 8) {
        const a = (view.getUint32(at, true) ^ low) >>> 0;
        const b = (view.getUint32(at + 4, true) ^ high) >>> 0;
        const i7 = 1792 + (a & 255);
        const i6 = 1536 + ((a >>> 8) & 255);
        const i5 = 1280 + ((a >>> 16) & 255);
        const i4 = 1024 + (a >>> 24);
        const i3 = 768 + (b & 255);
        const i2 = 512 + ((b >>> 8) & 255);
        const i1 = 256 + ((b >>> 16) & 255);
        const i0 = b >>> 24;
        low = xorAt(lowTable, i7, i6, i5, i4) ^ xorAt(lowTable, i3, i2, i1, i0);
        high = xorAt(highTable, i7, i6, i5, i4) ^ xorAt(highTable, i3, i2, i1, i0);
      }
      for (; at < bytes.length; at += 1) {
        const index = (low ^ view.getUint8(at)) & 255;
        low = ((low >>> 8) | (high << 24)) ^ (lowTable[index] ?? 0);
        high = (high >>> 8) ^ (highTable[index] ?? 0);
      }
    },
    digest: () => Buffer.concat([uint32(~high), uint32(~low)]),
  };
}

function xorAt(table: Int32Array, a: number, b: number, c: number, d: number): number {
  return (table[a] ?? 0) ^ (table[b] ?? 0) ^ (table[c] ?? 0) ^ (table[d] ?? 0);
}

function pick(table: Int32Array, slice: number, index: number): number {
  return table[slice * 256 + index] ?? 0;
}

function uint32(value: number): Buffer {
  const buffer = Buffer.alloc(4);
  buffer.writeUInt32BE(value >>> 0);
  return buffer;
}

/** Checksum of A followed by B, from the checksum of each and the length of B in bytes. */
export function combineCrc(kind: CrcKind, first: Buffer, second: Buffer, secondBytes: number): Buffer {
  const bits = kind.widthBytes * 8;
  const one = 1n << BigInt(bits - 1); // x^0 in the reflected representation
  let power = one;
  let square = one >> 8n; // x^8: one byte of zeros
  for (let left = secondBytes; left > 0; left = Math.floor(left / 2)) {
    if (left % 2 === 1) power = multiply(kind, power, square);
    square = multiply(kind, square, square);
  }
  const value = multiply(kind, toBigInt(first), power) ^ toBigInt(second);
  return Buffer.from(value.toString(16).padStart(kind.widthBytes * 2, '0'), 'hex');
}

function multiply(kind: CrcKind, left: bigint, right: bigint): bigint {
  let factor = right;
  let product = 0n;
  for (let mask = 1n << BigInt(kind.widthBytes * 8 - 1); mask > 0n; mask >>= 1n) {
    if ((left & mask) !== 0n) product ^= factor;
    factor = (factor & 1n) === 1n ? (factor >> 1n) ^ kind.polynomial : factor >> 1n;
  }
  return product;
}

function toBigInt(bytes: Buffer): bigint {
  return BigInt(`0x${bytes.toString('hex')}`);
}

/** Eight tables one after the other: table n advances a byte over n more bytes of zeros. */
function tablesOf(kind: CrcKind): bigint[] {
  const table: bigint[] = [];
  for (let byte = 0n; byte < 256n; byte += 1n) {
    let value = byte;
    for (let bit = 0; bit < 8; bit += 1) value = (value & 1n) === 1n ? (value >> 1n) ^ kind.polynomial : value >> 1n;
    table.push(value);
  }
  for (let index = 256; index < 2048; index += 1) {
    const previous = table[index - 256] ?? 0n;
    table.push((previous >> 8n) ^ (table[Number(previous & 255n)] ?? 0n));
  }
  return table;
}

const castagnoliTables = once(() => Int32Array.from(tablesOf(CRC32C), (value) => Number(value) | 0));
const nvmeTables = once(() => {
  const table = tablesOf(CRC64NVME);
  return {
    low: Int32Array.from(table, (value) => Number(value & 0xffffffffn) | 0),
    high: Int32Array.from(table, (value) => Number(value >> 32n) | 0),
  };
});

function once<Value>(make: () => Value): () => Value {
  let value: Value | undefined;
  return () => {
    value ??= make();
    return value;
  };
}
