/**
 * The formats that users bring. Azure takes raw bytes and fixed VHDs only; the others are recognised by their magic so
 * that the refusal can name them and the command that converts.
 *
 * Fixed VHD: the raw disk followed by a footer of 512 bytes. Source: "Virtual Hard Disk Image Format Specification",
 * Microsoft, 2006; all numbers big-endian.
 */
const FOOTER_BYTES = 512;
const CHECKSUM_AT = 64;

export type ImageKind =
  | { readonly kind: 'raw' }
  | { readonly kind: 'fixed-vhd'; readonly diskBytes: number }
  /** `damaged`: not another format that could be converted. */
  | { readonly kind: 'refused'; readonly format: string; readonly why: string; readonly damaged: boolean };

/** `head`: the first 512 bytes, `tail`: the last 512 bytes, of a file of `fileBytes`. */
export function recogniseImage(head: Buffer, tail: Buffer, fileBytes: number): ImageKind {
  const magic = head.toString('latin1', 0, 8);
  if (magic.startsWith('QFI\xfb')) return refused('qcow2', 'only raw images and fixed VHDs can be read');
  if (magic === 'vhdxfile') return refused('VHDX', 'Azure disks and this program take raw images and fixed VHDs only');
  if (magic.startsWith('KDMV')) return refused('VMDK', 'only raw images and fixed VHDs can be read');
  if (head.toString('latin1', 64, 68) === '\x7f\x10\xda\xbe')
    return refused('VDI', 'only raw images and fixed VHDs can be read');
  if (magic === 'conectix') return refused('dynamic VHD', 'only fixed VHDs hold the bytes of the disk in order');
  if (tail.toString('latin1', 0, 8) !== 'conectix') return { kind: 'raw' };
  if (tail.readUInt32BE(60) !== 2) return refused('dynamic VHD', 'only fixed VHDs hold the bytes of the disk in order');
  if (tail.readUInt32BE(CHECKSUM_AT) !== footerChecksum(tail)) return damagedVhd('the checksum of its footer is wrong');
  const diskBytes = Number(tail.readBigUInt64BE(48));
  if (diskBytes !== fileBytes - FOOTER_BYTES) {
    return damagedVhd(`its footer speaks of ${diskBytes} bytes, the file holds ${fileBytes - FOOTER_BYTES}`);
  }
  return { kind: 'fixed-vhd', diskBytes };
}

/** One's complement of the sum of all bytes but the checksum's own. */
export function footerChecksum(footer: Buffer): number {
  let sum = 0;
  for (const [index, byte] of footer.entries()) if (index < CHECKSUM_AT || index >= CHECKSUM_AT + 4) sum += byte;
  return ~sum >>> 0;
}

const refused = (format: string, why: string): ImageKind => ({ kind: 'refused', format, why, damaged: false });
const damagedVhd = (why: string): ImageKind => ({ kind: 'refused', format: 'damaged VHD', why, damaged: true });
