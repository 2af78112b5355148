/**
 * Leaves of a disk manifest. A leaf says where each block of a fixed span of the disk (64 MiB) lies, as runs that follow each
 * other without gap: so many zero blocks, or so many blocks from slot s of pack u on. The leaves that one window wrote share
 * one sealed object and one table of packs. Plaintext:
 *
 *   version | block bytes | blocks per full leaf | unit count, units | leaf count
 *   per leaf: leaf index | block count | run count | runs
 *   run: count * 2 (zero)   or   count * 2 + 1 | unit number | first slot
 *
 * Leaf indexes ascend strictly; the place in the object is the leaf's ordinal, by which roots name it. Blocks are of one
 * size here; a later version may cut runs at any multiple of 4 KiB, which is why the block size stands in the object.
 */
import { AppError } from '../model/errors';
import { ByteReader, ByteWriter } from './bytes';
import { packSlotsMax } from './pack';
import { readUnit, type UnitRef, writeUnit } from './unit-table';

export interface LeafRun {
  readonly count: number;
  /** Absent: the blocks are zeros. */
  readonly data?: { readonly unit: number; readonly slot: number };
}

export interface Leaf {
  /** Position on the disk in leaf spans. */
  readonly index: number;
  readonly blockCount: number;
  readonly runs: readonly LeafRun[];
}

export interface LeafObject {
  readonly blockBytes: number;
  readonly leafBlocks: number;
  readonly units: readonly UnitRef[];
  readonly leaves: readonly Leaf[];
}

const VERSION = 1;
/** 64 TiB in leaves of 64 MiB. */
export const leavesMax = 1_048_576;
const LEAF_BLOCKS_MAX = 65_536;
const UNITS_MAX = 16_777_216;

export function encodeLeaves(object: LeafObject): Buffer {
  const writer = new ByteWriter(1024 + object.units.length * 24)
    .varint(VERSION)
    .varint(object.blockBytes)
    .varint(object.leafBlocks)
    .varint(object.units.length);
  for (const unit of object.units) writeUnit(writer, unit);
  writer.varint(object.leaves.length);
  for (const leaf of object.leaves) {
    writer.varint(leaf.index).varint(leaf.blockCount).varint(leaf.runs.length);
    for (const run of leaf.runs) {
      writer.varint(run.count * 2 + (run.data ? 1 : 0));
      if (run.data) writer.varint(run.data.unit).varint(run.data.slot);
    }
  }
  return writer.finish();
}

/** Checks everything that can be checked alone: ascending leaves, exact coverage of each, runs inside their packs. */
export function decodeLeaves(bytes: Buffer, name: string): LeafObject {
  const reader = new ByteReader(bytes, name, 'manifest.corrupt');
  const version = reader.varint(255, 'version');
  if (version !== VERSION) throw new AppError('format.unknown', `${name} holds manifest leaves of version ${version}`);
  const blockBytes = reader.varint(2 ** 24, 'block bytes');
  const leafBlocks = reader.varint(LEAF_BLOCKS_MAX, 'blocks per leaf');
  if (blockBytes < 512 || leafBlocks === 0) throw reader.bad('blocks or leaves without extent');
  const units: UnitRef[] = [];
  const unitCount = reader.varint(UNITS_MAX, 'unit count');
  for (let index = 0; index < unitCount; index++) units.push(readUnit(reader));
  const leaves: Leaf[] = [];
  const leafCount = reader.varint(leavesMax, 'leaf count');
  for (let index = 0; index < leafCount; index++) {
    const leaf = readLeaf(reader, leafBlocks, units.length);
    if (leaf.index <= (leaves.at(-1)?.index ?? -1)) throw reader.bad('its leaves are out of order');
    leaves.push(leaf);
  }
  reader.end();
  return { blockBytes, leafBlocks, units, leaves };
}

function readLeaf(reader: ByteReader, leafBlocks: number, unitCount: number): Leaf {
  const index = reader.varint(leavesMax, 'leaf index');
  const blockCount = reader.varint(leafBlocks, 'block count');
  if (blockCount === 0) throw reader.bad(`leaf ${index} has no blocks`);
  const runs: LeafRun[] = [];
  const runCount = reader.varint(blockCount, 'run count');
  let covered = 0;
  for (let number = 0; number < runCount; number++) {
    const head = reader.varint(2 * blockCount + 1, 'run');
    const count = Math.floor(head / 2);
    covered += count;
    if (count === 0 || covered > blockCount) throw reader.bad(`leaf ${index} is covered more than once`);
    if (head % 2 === 0) {
      runs.push({ count });
      continue;
    }
    const unit = reader.varint(Math.max(0, unitCount - 1), 'unit number');
    const slot = reader.varint(packSlotsMax - 1, 'slot');
    if (unitCount === 0 || slot + count > packSlotsMax) throw reader.bad(`leaf ${index} points outside of its packs`);
    runs.push({ count, data: { unit, slot } });
  }
  if (covered !== blockCount) throw reader.bad(`leaf ${index} leaves ${blockCount - covered} blocks uncovered`);
  return { index, blockCount, runs };
}
