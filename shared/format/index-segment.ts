/**
 * An index segment: which blocks the new packs of one window hold. Plaintext of a sealed object:
 *
 *   version | unit count | per unit: unit id (16), size, tail size, block count, block ids (32 each, in slot order)
 *
 * Only deduplication reads it. A lost or damaged segment costs space, never data: pack directories hold the same ids.
 */
import { AppError } from '../model/errors';
import { idBytes } from './block-id';
import { ByteReader, ByteWriter } from './bytes';
import { packSlotsMax } from './pack';
import { readUnit, type UnitRef, writeUnit } from './unit-table';

export interface SegmentUnit extends UnitRef {
  /** Ids of the pack's blocks in slot order, 32 bytes each. */
  readonly ids: Buffer;
}

const VERSION = 1;
const UNITS_MAX = 1_000_000;

export function encodeSegment(units: readonly SegmentUnit[]): Buffer {
  const bytes = units.reduce((sum, unit) => sum + unit.ids.length + 32, 16);
  const writer = new ByteWriter(bytes).varint(VERSION).varint(units.length);
  for (const unit of units) {
    writeUnit(writer, unit);
    writer.varint(unit.ids.length / idBytes).bytes(unit.ids);
  }
  return writer.finish();
}

export function decodeSegment(bytes: Buffer, name: string): SegmentUnit[] {
  const reader = new ByteReader(bytes, name, 'manifest.corrupt');
  const version = reader.varint(255, 'version');
  if (version !== VERSION) throw new AppError('format.unknown', `${name} is an index segment of version ${version}`);
  const units: SegmentUnit[] = [];
  const count = reader.varint(UNITS_MAX, 'unit count');
  for (let index = 0; index < count; index++) {
    const unit = readUnit(reader);
    units.push({ ...unit, ids: reader.bytes(reader.varint(packSlotsMax, 'block count') * idBytes, 'block ids') });
  }
  reader.end();
  return units;
}
