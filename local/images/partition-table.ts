/**
 * Partition tables with one Linux partition, as real disks carry them.
 *
 *   MBR:  | boot sector with 4 entries | gap up to 1 MiB | partition ............................ |
 *   GPT:  | protective MBR | header | 128 entries | gap | partition .... | 128 entries | header |
 *
 * Sources: UEFI specification 2.10, chapter 5 (GPT); the MBR layout is older than any document of it.
 * Checked against sfdisk where that is installed.
 */
import { createHash } from 'node:crypto';
import type { FileHandle } from 'node:fs/promises';
import { crc32 } from 'node:zlib';

export type TableKind = 'mbr' | 'gpt';

/** In bytes of the disk, half-open. */
export interface Partition {
  readonly start: number;
  readonly end: number;
}

const SECTOR_BYTES = 512;
const MIB = 1024 * 1024;
const ENTRY_BYTES = 128;
const ENTRY_COUNT = 128;
const ENTRY_SECTORS = (ENTRY_BYTES * ENTRY_COUNT) / SECTOR_BYTES;
const LINUX_FILESYSTEM = '0FC63DAF-8483-4772-8E79-3D69D8477DE4';

/** The one partition, aligned to 1 MiB at both ends; room for the second GPT stays behind it. */
export function partitionOf(diskBytes: number): Partition {
  return { start: MIB, end: Math.floor((diskBytes - MIB) / MIB) * MIB };
}

/** Writes the table of `kind` into an otherwise empty disk. `seed` makes the ids of disk and partition. */
export async function writePartitionTable(
  disk: FileHandle,
  options: { readonly kind: TableKind; readonly diskBytes: number; readonly seed: string },
): Promise<Partition> {
  const partition = partitionOf(options.diskBytes);
  if (options.kind === 'mbr') await disk.write(mbr(partition, 0x83, options.seed), 0, SECTOR_BYTES, 0);
  else await writeGpt(disk, partition, options.diskBytes, options.seed);
  return partition;
}

function mbr(partition: Partition, type: number, seed: string): Buffer {
  const sector = Buffer.alloc(SECTOR_BYTES);
  sector.writeUInt32LE(digest(`${seed}/disk`).readUInt32LE(), 440);
  // Cylinder, head and sector are given as "beyond their range": everybody reads the LBA fields.
  sector.set([0x00, 0xfe, 0xff, 0xff, type, 0xfe, 0xff, 0xff], 446);
  sector.writeUInt32LE(partition.start / SECTOR_BYTES, 454);
  sector.writeUInt32LE((partition.end - partition.start) / SECTOR_BYTES, 458);
  sector.writeUInt16LE(0xaa55, 510);
  return sector;
}

async function writeGpt(disk: FileHandle, partition: Partition, diskBytes: number, seed: string): Promise<void> {
  const lastSector = diskBytes / SECTOR_BYTES - 1;
  const entries = Buffer.alloc(ENTRY_BYTES * ENTRY_COUNT);
  guidBytes(LINUX_FILESYSTEM).copy(entries, 0);
  randomGuid(`${seed}/partition`).copy(entries, 16);
  entries.writeBigUInt64LE(BigInt(partition.start / SECTOR_BYTES), 32);
  entries.writeBigUInt64LE(BigInt(partition.end / SECTOR_BYTES - 1), 40);
  entries.write('root', 56, 'utf16le');
  const secondEntries = lastSector - ENTRY_SECTORS;
  const header = (own: number, other: number, entriesAt: number): Buffer => {
    const sector = Buffer.alloc(SECTOR_BYTES);
    sector.write('EFI PART', 0, 'latin1');
    sector.writeUInt32LE(0x0001_0000, 8);
    sector.writeUInt32LE(92, 12);
    sector.writeBigUInt64LE(BigInt(own), 24);
    sector.writeBigUInt64LE(BigInt(other), 32);
    sector.writeBigUInt64LE(BigInt(2 + ENTRY_SECTORS), 40);
    sector.writeBigUInt64LE(BigInt(secondEntries - 1), 48);
    randomGuid(`${seed}/disk`).copy(sector, 56);
    sector.writeBigUInt64LE(BigInt(entriesAt), 72);
    sector.writeUInt32LE(ENTRY_COUNT, 80);
    sector.writeUInt32LE(ENTRY_BYTES, 84);
    sector.writeUInt32LE(crc32(entries), 88);
    sector.writeUInt32LE(crc32(sector.subarray(0, 92)), 16);
    return sector;
  };
  const protective: Partition = { start: SECTOR_BYTES, end: diskBytes };
  await disk.write(mbr(protective, 0xee, seed), 0, SECTOR_BYTES, 0);
  await disk.write(header(1, lastSector, 2), 0, SECTOR_BYTES, SECTOR_BYTES);
  await disk.write(entries, 0, entries.length, 2 * SECTOR_BYTES);
  await disk.write(entries, 0, entries.length, secondEntries * SECTOR_BYTES);
  await disk.write(header(lastSector, 1, secondEntries), 0, SECTOR_BYTES, lastSector * SECTOR_BYTES);
}

/** The first three fields of a GUID are little-endian on disk. */
function guidBytes(text: string): Buffer {
  const bytes = Buffer.from(text.replaceAll('-', ''), 'hex');
  bytes.subarray(0, 4).reverse();
  bytes.subarray(4, 6).reverse();
  bytes.subarray(6, 8).reverse();
  return bytes;
}

function randomGuid(seed: string): Buffer {
  const bytes = digest(seed).subarray(0, 16);
  bytes.writeUInt8((bytes.readUInt8(7) & 0x0f) | 0x40, 7);
  bytes.writeUInt8((bytes.readUInt8(8) & 0x3f) | 0x80, 8);
  return bytes;
}

const digest = (seed: string): Buffer => createHash('sha256').update(seed).digest();
