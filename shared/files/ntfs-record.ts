/** Records of NTFS: fix-ups, attributes and runs (libfsntfs and the Linux-NTFS project describe them). */
import { type FileExtent, fileLimits, notSupported, unreadable } from './file-system';

export const attributeTypes = {
  standardInformation: 0x10,
  attributeList: 0x20,
  fileName: 0x30,
  data: 0x80,
  indexRoot: 0x90,
  indexAllocation: 0xa0,
  reparsePoint: 0xc0,
} as const;

export interface NtfsAttribute {
  readonly type: number;
  readonly name: string;
  readonly flags: number;
  readonly id: number;
  readonly resident: Buffer | undefined;
  /** Of what is not resident: first cluster of the file that these runs describe, the runs, and the sizes. */
  readonly firstCluster: number;
  readonly runs: Buffer;
  readonly sizeBytes: number;
  readonly initializedBytes: number;
}

export const attributeFlags = { compressed: 0x00ff, encrypted: 0x4000, sparse: 0x8000 } as const;

/** The last two bytes of each sector stand in a table at the record's start: a torn write shows. Changes `record`. */
export function fixUp(record: Buffer, magic: string, what: string): void {
  if (record.length < 42 || record.toString('latin1', 0, 4) !== magic)
    throw unreadable(what, `there is no ${magic} record`);
  const offset = record.readUInt16LE(4);
  const count = record.readUInt16LE(6);
  if (count < 2 || offset + count * 2 > record.length || (count - 1) * 512 !== record.length) {
    throw unreadable(what, 'its update sequence does not fit');
  }
  const expected = record.readUInt16LE(offset);
  for (let sector = 1; sector < count; sector++) {
    const at = sector * 512 - 2;
    if (record.readUInt16LE(at) !== expected) throw unreadable(what, 'it was written in part only');
    record.writeUInt16LE(record.readUInt16LE(offset + sector * 2), at);
  }
}

/** The attributes of a record whose fix-up is done. */
export function attributesOf(record: Buffer, what: string): NtfsAttribute[] {
  const attributes: NtfsAttribute[] = [];
  const used = Math.min(record.length, record.readUInt32LE(24));
  for (let at = record.readUInt16LE(20); at + 8 <= used; ) {
    const type = record.readUInt32LE(at);
    if (type === 0xffffffff) return attributes;
    const length = record.readUInt32LE(at + 4);
    if (length < 24 || length % 8 !== 0 || at + length > used)
      throw unreadable(what, 'an attribute does not fit into it');
    attributes.push(readAttribute(record.subarray(at, at + length), type, what));
    at += length;
  }
  return attributes;
}

function readAttribute(bytes: Buffer, type: number, what: string): NtfsAttribute {
  const nameLength = bytes.readUInt8(9) * 2;
  const nameAt = bytes.readUInt16LE(10);
  if (nameAt + nameLength > bytes.length) throw unreadable(what, 'the name of an attribute');
  const common = {
    type,
    name: bytes.toString('utf16le', nameAt, nameAt + nameLength),
    flags: bytes.readUInt16LE(12),
    id: bytes.readUInt16LE(14),
  };
  if (bytes.readUInt8(8) === 0) {
    const length = bytes.readUInt32LE(16);
    const offset = bytes.readUInt16LE(20);
    if (offset + length > bytes.length) throw unreadable(what, 'the content of an attribute');
    const resident = bytes.subarray(offset, offset + length);
    return { ...common, resident, firstCluster: 0, runs: Buffer.alloc(0), sizeBytes: length, initializedBytes: length };
  }
  if (bytes.length < 64) throw unreadable(what, 'an attribute is cut off');
  const runsAt = bytes.readUInt16LE(32);
  if (runsAt > bytes.length) throw unreadable(what, 'the runs of an attribute');
  const numbers = [bytes.readBigUInt64LE(16), bytes.readBigUInt64LE(48), bytes.readBigUInt64LE(56)].map(Number);
  const [firstCluster = 0, sizeBytes = 0, initializedBytes = 0] = numbers;
  if (!numbers.every((value) => Number.isSafeInteger(value))) throw unreadable(what, 'the sizes of an attribute');
  return { ...common, resident: undefined, firstCluster, runs: bytes.subarray(runsAt), sizeBytes, initializedBytes };
}

export interface ClusterRun {
  /** Cluster of the file. */
  readonly first: number;
  readonly count: number;
  /** Cluster of the volume; undefined: sparse. */
  readonly at: number | undefined;
}

/** Pairs of a length and a distance to the run before, each of as many bytes as a nibble says. */
export function decodeRuns({ runs, firstCluster }: NtfsAttribute, what: string): ClusterRun[] {
  const decoded: ClusterRun[] = [];
  let first = firstCluster;
  let place = 0;
  for (let at = 0; at < runs.length && runs[at] !== 0; ) {
    const head = runs.readUInt8(at);
    const lengthBytes = head & 15;
    const placeBytes = head >> 4;
    const end = at + 1 + lengthBytes + placeBytes;
    if (lengthBytes === 0 || lengthBytes > 6 || placeBytes > 6 || end > runs.length) throw unreadable(what, 'its runs');
    const count = runs.readUIntLE(at + 1, lengthBytes);
    if (placeBytes > 0) place += runs.readIntLE(at + 1 + lengthBytes, placeBytes);
    if (count === 0 || place < 0 || !Number.isSafeInteger(first + count)) throw unreadable(what, 'its runs');
    if (decoded.length >= fileLimits.extentsMax) throw unreadable(what, 'it has too many runs');
    decoded.push({ first, count, at: placeBytes > 0 ? place : undefined });
    first += count;
    at = end;
  }
  return decoded;
}

/** Where the bytes of an attribute lie, of which `parts` are the pieces in order. */
export function* attributeExtents(
  parts: readonly NtfsAttribute[],
  clusterBytes: number,
  what: string,
): Generator<FileExtent> {
  const [head] = parts;
  if (!head) return;
  if (head.flags & attributeFlags.encrypted) throw notSupported(`${what} is encrypted by Windows (EFS)`);
  if (head.flags & attributeFlags.compressed)
    throw notSupported(`${what} is compressed by NTFS; read it on a mounted disk`);
  if (head.resident) {
    if (head.resident.length > 0) yield { start: 0, end: head.resident.length, bytes: head.resident };
    return;
  }
  // What lies behind the initialized part is on the disk and not of the file: it reads as zeros.
  const written = Math.min(head.sizeBytes, head.initializedBytes);
  let next = 0;
  for (const part of parts) {
    for (const { first, count, at } of decodeRuns(part, what)) {
      if (first !== next) throw unreadable(what, 'a piece of its runs is missing');
      next = first + count;
      const start = first * clusterBytes;
      const end = Math.min(written, next * clusterBytes);
      if (at !== undefined && start < end) yield { start, end, at: at * clusterBytes };
    }
  }
  if (next * clusterBytes < head.sizeBytes) throw unreadable(what, 'its runs end before it does');
}
