/**
 * Partition tables: GPT (UEFI 2.10, section 5) with its copy at the end of the disk, and MBR with logical partitions. Sectors
 * have 512 bytes, or 4096 on disks that say so by where their GPT lies.
 */
import { crc32 } from 'node:zlib';
import type { BlockSource } from '../device/block-source';
import type { ByteRange } from '../model/byte-range';

export interface Partition extends ByteRange {
  /** 1, 2, ... as the system on the disk would count. */
  readonly number: number;
  /** GPT: GUID of the type; MBR: two hex digits. */
  readonly type: string;
  readonly name: string;
}

export interface PartitionTable {
  readonly scheme: 'gpt' | 'mbr';
  readonly partitions: readonly Partition[];
  /** What is wrong with it, and was got around. */
  readonly warnings: readonly string[];
}

const GPT_ENTRIES_MAX = 1024;
const GPT_ENTRY_BYTES_MAX = 4096;
/** Linux stops here too. */
const LOGICAL_MAX = 128;
const SIGNATURE = 0xaa55;
const PROTECTIVE = 0xee;
const EXTENDED = [0x05, 0x0f, 0x85];
const MICROSOFT_BASIC = 'ebd0a0a2-b9e5-4433-87c0-68b6b72699c7';

/** undefined: there is no table; the disk may be one volume. */
export async function readPartitions(disk: BlockSource, signal?: AbortSignal): Promise<PartitionTable | undefined> {
  if (disk.sizeBytes < 512) return undefined;
  const sector = await disk.read(0, 512, signal);
  const hasSignature = sector.readUInt16LE(510) === SIGNATURE;
  const primaries = hasSignature ? readEntries(sector) : [];
  // A table with other partitions beside the protective one (hybrid) is a GPT all the same.
  if (!hasSignature || primaries.some(({ type }) => type === PROTECTIVE)) {
    for (const sectorBytes of [512, 4096]) {
      const table = await readGpt(disk, sectorBytes, signal);
      if (table) return table;
    }
  }
  if (!hasSignature || !looksLikeTable(sector, primaries)) return undefined;
  return readMbr(disk, primaries, signal);
}

interface MbrEntry {
  readonly slot: number;
  readonly type: number;
  readonly firstSector: number;
  readonly sectors: number;
}

function readEntries(sector: Buffer): MbrEntry[] {
  return [0, 1, 2, 3]
    .map((slot) => ({
      slot,
      type: sector.readUInt8(446 + slot * 16 + 4),
      firstSector: sector.readUInt32LE(446 + slot * 16 + 8),
      sectors: sector.readUInt32LE(446 + slot * 16 + 12),
    }))
    .filter(({ type, sectors }) => type !== 0 && sectors > 0);
}

/** The boot sector of a FAT or NTFS volume has the signature as well, and code where the table would be. */
function looksLikeTable(sector: Buffer, entries: readonly MbrEntry[]): boolean {
  if (entries.length === 0) return false;
  return [0, 1, 2, 3].every((slot) => (sector.readUInt8(446 + slot * 16) & 0x7f) === 0);
}

async function readMbr(
  disk: BlockSource,
  primaries: readonly MbrEntry[],
  signal?: AbortSignal,
): Promise<PartitionTable> {
  const warnings: string[] = [];
  const partitions: Partition[] = [];
  const add = (number: number, { type, firstSector, sectors }: Omit<MbrEntry, 'slot'>, base: number): void => {
    const start = (base + firstSector) * 512;
    const end = Math.min(disk.sizeBytes, start + sectors * 512);
    if (start >= end) warnings.push(`partition ${number} lies behind the end of the disk`);
    else partitions.push({ number, type: type.toString(16).padStart(2, '0'), name: '', start, end });
  };
  for (const entry of primaries) {
    if (!EXTENDED.includes(entry.type)) add(entry.slot + 1, entry, 0);
  }
  const extended = primaries.find(({ type }) => EXTENDED.includes(type));
  if (extended) {
    const seen = new Set<number>();
    let number = 5;
    for (let at: number | undefined = extended.firstSector; at !== undefined; ) {
      if (seen.has(at) || seen.size >= LOGICAL_MAX || (at + 1) * 512 > disk.sizeBytes) {
        warnings.push('the chain of logical partitions leads in a circle or off the disk');
        break;
      }
      seen.add(at);
      const sector = await disk.read(at * 512, 512, signal);
      if (sector.readUInt16LE(510) !== SIGNATURE) {
        warnings.push(`logical partition ${number} has no table`);
        break;
      }
      const entries = readEntries(sector);
      const own = entries.find(({ type }) => !EXTENDED.includes(type));
      if (own) add(number++, own, at);
      const next = entries.find(({ type }) => EXTENDED.includes(type));
      at = next && extended.firstSector + next.firstSector;
    }
  }
  return { scheme: 'mbr', partitions, warnings };
}

async function readGpt(
  disk: BlockSource,
  sectorBytes: number,
  signal?: AbortSignal,
): Promise<PartitionTable | undefined> {
  const main = await readGptAt(disk, sectorBytes, sectorBytes, signal);
  if (main) return { scheme: 'gpt', partitions: main, warnings: [] };
  const sectors = Math.floor(disk.sizeBytes / sectorBytes);
  const copy = await readGptAt(disk, sectorBytes, (sectors - 1) * sectorBytes, signal);
  if (!copy) return undefined;
  return { scheme: 'gpt', partitions: copy, warnings: ['the first partition table is damaged; its copy was used'] };
}

async function readGptAt(
  disk: BlockSource,
  sectorBytes: number,
  offset: number,
  signal?: AbortSignal,
): Promise<Partition[] | undefined> {
  if (offset < 0 || offset + sectorBytes > disk.sizeBytes) return undefined;
  const header = await disk.read(offset, sectorBytes, signal);
  if (header.toString('latin1', 0, 8) !== 'EFI PART') return undefined;
  const headerBytes = header.readUInt32LE(12);
  if (headerBytes < 92 || headerBytes > sectorBytes) return undefined;
  const summed = Buffer.from(header.subarray(0, headerBytes));
  summed.writeUInt32LE(0, 16);
  if (crc32(summed) !== header.readUInt32LE(16)) return undefined;
  if (Number(header.readBigUInt64LE(24)) * sectorBytes !== offset) return undefined;
  const entriesAt = Number(header.readBigUInt64LE(72)) * sectorBytes;
  const count = header.readUInt32LE(80);
  const entryBytes = header.readUInt32LE(84);
  const fits = count <= GPT_ENTRIES_MAX && entryBytes >= 128 && entryBytes <= GPT_ENTRY_BYTES_MAX;
  if (!fits || !Number.isSafeInteger(entriesAt) || entriesAt + count * entryBytes > disk.sizeBytes) return undefined;
  const entries = await disk.read(entriesAt, count * entryBytes, signal);
  if (crc32(entries) !== header.readUInt32LE(88)) return undefined;
  return Array.from({ length: count }, (_, index) =>
    readGptEntry(disk, entries.subarray(index * entryBytes), index, sectorBytes),
  ).filter((partition) => partition !== undefined);
}

function readGptEntry(disk: BlockSource, entry: Buffer, index: number, sectorBytes: number): Partition | undefined {
  const type = guidOf(entry.subarray(0, 16));
  if (/^[0-]+$/.test(type)) return undefined;
  const start = Number(entry.readBigUInt64LE(32)) * sectorBytes;
  const end = Math.min(disk.sizeBytes, (Number(entry.readBigUInt64LE(40)) + 1) * sectorBytes);
  if (!Number.isSafeInteger(start) || start >= end) return undefined;
  const name = entry.toString('utf16le', 56, 128).replace(/\0[\s\S]*$/, '');
  return { number: index + 1, type: type === MICROSOFT_BASIC ? 'basic-data' : type, name, start, end };
}

/** The first three fields of a GUID are little-endian. */
export function guidOf(bytes: Buffer): string {
  const hex = (start: number, end: number): string => bytes.toString('hex', start, end);
  const swapped = (...at: number[]): string => at.map((index) => hex(index, index + 1)).join('');
  return `${swapped(3, 2, 1, 0)}-${swapped(5, 4)}-${swapped(7, 6)}-${hex(8, 10)}-${hex(10, 16)}`;
}
