/**
 * One part of a list of object versions: what a cycle condemns or deletes, in key order. Plaintext of a sealed object:
 *
 *   version | count | per entry: key (relative to the tenant's prefix), version id, stored bytes
 *
 * Write-once and named by digest, like everything that decides what is deleted.
 */
import { AppError } from '../model/errors';
import { ByteReader, ByteWriter } from './bytes';

export interface ListedUnit {
  /** Relative to the tenant's prefix: `u/<ff>/<unit>` or `m/<session>/<part>`. */
  readonly key: string;
  readonly versionId: string;
  readonly sizeBytes: number;
}

const VERSION = 1;
/** Entries of one part: some 5 MB, the most that whoever walks a list has in memory of it. */
export const listPartUnitsMax = 50_000;
const KEY_BYTES_MAX = 300;
const VERSION_ID_BYTES_MAX = 1024;

export function encodeUnitList(units: readonly ListedUnit[]): Buffer {
  const writer = new ByteWriter(16 + units.length * 80).varint(VERSION).varint(units.length);
  for (const { key, versionId, sizeBytes } of units) writer.text(key).text(versionId).varint(sizeBytes);
  return writer.finish();
}

/** `manifest.corrupt` unless keys ascend: a key with several versions stands in neighbouring entries. */
export function decodeUnitList(bytes: Buffer, name: string): ListedUnit[] {
  const reader = new ByteReader(bytes, name, 'manifest.corrupt');
  const version = reader.varint(255, 'version');
  if (version !== VERSION) throw new AppError('format.unknown', `${name} is a list of version ${version}`);
  const units: ListedUnit[] = [];
  const count = reader.varint(listPartUnitsMax, 'count');
  for (let index = 0; index < count; index++) {
    const key = reader.text(KEY_BYTES_MAX, 'key');
    if (key < (units.at(-1)?.key ?? '')) throw reader.bad('its keys are out of order');
    const versionId = reader.text(VERSION_ID_BYTES_MAX, 'version id');
    units.push({ key, versionId, sizeBytes: reader.varint(Number.MAX_SAFE_INTEGER, 'size') });
  }
  reader.end();
  return units;
}
