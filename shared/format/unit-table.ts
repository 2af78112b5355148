/** Packs as manifests and index segments name them: id, stored size, size of the tail. */

import type { ByteReader, ByteWriter } from './bytes';
import { packBytesMax } from './pack';
import { unitIdBytes } from './pack-header';

export interface UnitRef {
  /** 32 hex characters. */
  readonly unit: string;
  readonly sizeBytes: number;
  /** Directory and footer: the last bytes of the pack. */
  readonly tailBytes: number;
}

export function writeUnit(writer: ByteWriter, unit: UnitRef): void {
  writer.bytes(Buffer.from(unit.unit, 'hex')).varint(unit.sizeBytes).varint(unit.tailBytes);
}

export function readUnit(reader: ByteReader): UnitRef {
  const unit = reader.bytes(unitIdBytes, 'unit id').toString('hex');
  const sizeBytes = reader.varint(packBytesMax, 'size of a unit');
  const tailBytes = reader.varint(packBytesMax, 'tail of a unit');
  if (tailBytes >= sizeBytes) throw reader.bad(`unit ${unit} has a tail longer than itself`);
  return { unit, sizeBytes, tailBytes };
}
