/**
 * The 512-byte footer at the end of a fixed VHD; big-endian, as in Microsoft's "Virtual Hard Disk Image Format
 * Specification". Azure keeps it behind the disk's bytes: the blob of a disk is `diskSizeBytes + 512` long.
 */
export const FOOTER_BYTES = 512;
const COOKIE = 'conectix';
const FIXED_DISK = 2;
const CHECKSUM_AT = 64;
/** VHD counts seconds from 2000-01-01T00:00:00Z. */
const VHD_EPOCH_SECONDS = 946_684_800;

export interface FooterContent {
  readonly diskSizeBytes: number;
  /** 16 bytes. */
  readonly uniqueId: Buffer;
  readonly createdAt: number;
}

export function encodeFooter({ diskSizeBytes, uniqueId, createdAt }: FooterContent): Buffer {
  const footer = Buffer.alloc(FOOTER_BYTES);
  footer.write(COOKIE, 0, 'latin1');
  footer.writeUInt32BE(2, 8); // features: the reserved bit is always set
  footer.writeUInt32BE(0x0001_0000, 12); // file format version 1.0
  footer.writeBigUInt64BE(0xffff_ffff_ffff_ffffn, 16); // no dynamic header
  footer.writeUInt32BE(Math.max(0, Math.floor(createdAt / 1000) - VHD_EPOCH_SECONDS), 24);
  footer.write('bfsm', 28, 'latin1'); // creator application
  footer.writeUInt32BE(0x0001_0000, 32);
  footer.write('Wi2k', 36, 'latin1'); // creator host: Azure's tools expect Windows or Mac
  footer.writeBigUInt64BE(BigInt(diskSizeBytes), 40);
  footer.writeBigUInt64BE(BigInt(diskSizeBytes), 48);
  const { cylinders, heads, sectors } = geometry(diskSizeBytes);
  footer.writeUInt16BE(cylinders, 56);
  footer.writeUInt8(heads, 58);
  footer.writeUInt8(sectors, 59);
  footer.writeUInt32BE(FIXED_DISK, 60);
  uniqueId.copy(footer, 68, 0, 16);
  footer.writeUInt32BE(checksum(footer), CHECKSUM_AT);
  return footer;
}

/** What is wrong with a fixed-VHD footer for a disk of this size, or undefined when nothing is. */
export function footerDefect(footer: Buffer, diskSizeBytes: number): string | undefined {
  if (footer.length !== FOOTER_BYTES) return `footer is ${footer.length} bytes, expected ${FOOTER_BYTES}`;
  if (footer.toString('latin1', 0, 8) !== COOKIE) return "cookie value 'conectix' is missing";
  if (footer.readUInt32BE(60) !== FIXED_DISK) return 'disk type is not fixed';
  if (footer.readUInt32BE(CHECKSUM_AT) !== checksum(footer)) return 'checksum does not match';
  const sizeBytes = Number(footer.readBigUInt64BE(48));
  if (sizeBytes !== diskSizeBytes) return `virtual size is ${sizeBytes}, expected ${diskSizeBytes}`;
  return undefined;
}

/** Whether these last 512 bytes of a file make it a fixed VHD. */
export function isFixedVhdFooter(footer: Buffer, fileBytes: number): boolean {
  return footerDefect(footer, fileBytes - FOOTER_BYTES) === undefined;
}

function checksum(footer: Buffer): number {
  let sum = 0;
  for (const [at, byte] of footer.entries()) {
    if (at < CHECKSUM_AT || at >= CHECKSUM_AT + 4) sum += byte;
  }
  return ~sum >>> 0;
}

/** Cylinders, heads and sectors by the algorithm in the specification's appendix. */
function geometry(diskSizeBytes: number): { cylinders: number; heads: number; sectors: number } {
  const total = Math.min(Math.floor(diskSizeBytes / 512), 65535 * 16 * 255);
  if (total >= 65535 * 16 * 63) return { cylinders: Math.floor(total / 255 / 16), heads: 16, sectors: 255 };
  let sectors = 17;
  let cylinderTimesHeads = Math.floor(total / sectors);
  let heads = Math.max(4, Math.floor((cylinderTimesHeads + 1023) / 1024));
  if (cylinderTimesHeads >= heads * 1024 || heads > 16) {
    sectors = 31;
    heads = 16;
    cylinderTimesHeads = Math.floor(total / sectors);
  }
  if (cylinderTimesHeads >= heads * 1024) {
    sectors = 63;
    heads = 16;
    cylinderTimesHeads = Math.floor(total / sectors);
  }
  return { cylinders: Math.floor(cylinderTimesHeads / heads), heads, sectors };
}
