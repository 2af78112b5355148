/**
 * The footer of a fixed VHD (Virtual Hard Disk Image Format Specification 1.0): the last 512 bytes of what Azure exports and
 * takes as an upload. All numbers big-endian.
 *
 *   0 "conectix" | 8 features | 12 version | 16 data offset (all ones: fixed) | 24 time | 28 creator | 32 creator version
 *   36 creator host | 40 original size | 48 current size | 56 geometry | 60 disk type | 64 checksum | 68 unique id | 84 saved
 */
import { createHash } from 'node:crypto';
import { assert } from '../base/assert';
import { limits } from '../model/limits';

const COOKIE = 'conectix';
const FIXED_DISK = 2;

/** Depends on the size and on `identity` only, so that several writers of one disk write the same footer. */
export function vhdFooter(diskBytes: number, identity: string): Buffer {
  assert(diskBytes > 0 && diskBytes % limits.pageBytes === 0, `a disk of ${diskBytes} bytes has no whole pages`);
  const footer = Buffer.alloc(limits.vhdFooterBytes);
  footer.write(COOKIE, 0, 'latin1');
  footer.writeUInt32BE(2, 8);
  footer.writeUInt32BE(0x0001_0000, 12);
  footer.fill(0xff, 16, 24);
  footer.writeUInt32BE(0, 24); // seconds since 2000: constant on purpose, see above
  footer.write('win ', 28, 'latin1'); // qemu takes the size from the geometry, rounded, for creators it does not know
  footer.writeUInt32BE(0x0001_0000, 32);
  footer.write('Wi2k', 36, 'latin1'); // tools know Windows and Mac hosts only
  footer.writeBigUInt64BE(BigInt(diskBytes), 40);
  footer.writeBigUInt64BE(BigInt(diskBytes), 48);
  const { cylinders, heads, sectors } = geometryOf(diskBytes / 512);
  footer.writeUInt16BE(cylinders, 56);
  footer.writeUInt8(heads, 58);
  footer.writeUInt8(sectors, 59);
  footer.writeUInt32BE(FIXED_DISK, 60);
  createHash('sha256').update(identity).digest().copy(footer, 68, 0, 16);
  footer.writeUInt32BE(checksumOf(footer), 64);
  return footer;
}

/** Is this the footer of a fixed VHD with a right checksum? Its size field is not looked at: the blob's length counts. */
export function isVhdFooter(bytes: Buffer): boolean {
  return (
    bytes.length === limits.vhdFooterBytes &&
    bytes.toString('latin1', 0, 8) === COOKIE &&
    bytes.readUInt32BE(60) === FIXED_DISK &&
    bytes.readUInt32BE(64) === checksumOf(bytes)
  );
}

/** One's complement of the sum of all bytes, the checksum field taken as zero. */
function checksumOf(footer: Buffer): number {
  let sum = 0;
  for (const [index, byte] of footer.entries()) if (index < 64 || index >= 68) sum += byte;
  return ~sum >>> 0;
}

/** The CHS calculation of the specification's appendix. */
function geometryOf(totalSectors: number): { cylinders: number; heads: number; sectors: number } {
  const total = Math.min(totalSectors, 65_535 * 16 * 255);
  if (total >= 65_535 * 16 * 63) return { cylinders: Math.floor(total / 255 / 16), heads: 16, sectors: 255 };
  let sectors = 17;
  let tracks = Math.floor(total / sectors);
  let heads = Math.max(4, Math.floor((tracks + 1023) / 1024));
  if (tracks >= heads * 1024 || heads > 16) {
    sectors = 31;
    heads = 16;
    tracks = Math.floor(total / sectors);
  }
  if (tracks >= heads * 1024) {
    sectors = 63;
    heads = 16;
    tracks = Math.floor(total / sectors);
  }
  return { cylinders: Math.floor(tracks / heads), heads, sectors };
}
