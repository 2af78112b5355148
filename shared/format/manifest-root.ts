/**
 * The root of a disk manifest: which leaf describes which span, as runs over the leaves of the disk in order.
 *
 *   version | vm key | lun | disk bytes | block bytes | leaf bytes
 *   object count | per object: key (relative to the tenant's prefix), SHA-256 of its stored bytes (32)
 *   run count | per run: leaves * 2 (all zero)   or   leaves * 2 + 1 | object number | first ordinal
 *
 * A leaf that did not change is named where the parent point named it: the object of an older session. An incremental's root
 * is therefore small, and still complete: no other point is needed to read it.
 */
import { AppError } from '../model/errors';
import type { Lun } from '../model/machine';
import { ByteReader, ByteWriter } from './bytes';
import { leavesMax } from './manifest-leaves';

/** So many leaves in a row: zeros, or the leaves from `ordinal` on of one object. */
export interface LeafRefRun {
  readonly count: number;
  readonly at?: { readonly object: string; readonly digest: string; readonly ordinal: number };
}

export interface DiskRoot {
  readonly vmKey: string;
  readonly lun: Lun;
  readonly diskBytes: number;
  readonly blockBytes: number;
  readonly leafBytes: number;
  readonly refs: readonly LeafRefRun[];
}

const VERSION = 1;
const OBJECTS_MAX = 1_048_576;
const DISK_BYTES_MAX = 2 ** 50;

export function encodeRoot(root: DiskRoot): Buffer {
  const objects = new Map<string, { number: number; digest: string }>();
  for (const { at } of root.refs) {
    if (at && !objects.has(at.object)) objects.set(at.object, { number: objects.size, digest: at.digest });
  }
  const writer = new ByteWriter(256 + objects.size * 100)
    .varint(VERSION)
    .text(root.vmKey)
    .text(String(root.lun))
    .varint(root.diskBytes)
    .varint(root.blockBytes)
    .varint(root.leafBytes)
    .varint(objects.size);
  for (const [key, { digest }] of objects) writer.text(key).bytes(Buffer.from(digest, 'hex'));
  writer.varint(root.refs.length);
  for (const { count, at } of root.refs) {
    writer.varint(count * 2 + (at ? 1 : 0));
    if (at) writer.varint(objects.get(at.object)?.number ?? 0).varint(at.ordinal);
  }
  return writer.finish();
}

/** `manifest.corrupt` unless the leaves cover the disk exactly once. */
export function decodeRoot(bytes: Buffer, name: string): DiskRoot {
  const reader = new ByteReader(bytes, name, 'manifest.corrupt');
  const version = reader.varint(255, 'version');
  if (version !== VERSION) throw new AppError('format.unknown', `${name} is a disk manifest of version ${version}`);
  const vmKey = reader.text(64, 'vm key');
  const lun = parseLun(reader.text(8, 'lun'), reader);
  const diskBytes = reader.varint(DISK_BYTES_MAX, 'disk bytes');
  const blockBytes = reader.varint(2 ** 24, 'block bytes');
  const leafBytes = reader.varint(2 ** 32, 'leaf bytes');
  if (diskBytes === 0 || blockBytes === 0 || leafBytes === 0 || leafBytes % blockBytes !== 0) {
    throw reader.bad('its geometry makes no sense');
  }
  const objects: { object: string; digest: string }[] = [];
  const names = new Set<string>();
  const objectCount = reader.varint(OBJECTS_MAX, 'object count');
  for (let index = 0; index < objectCount; index++) {
    objects.push({ object: reader.text(300, 'object key'), digest: reader.bytes(32, 'digest').toString('hex') });
    names.add(objects.at(-1)?.object ?? '');
  }
  if (names.size !== objects.length) throw reader.bad('an object is listed twice');
  let used = 0;
  const refs: LeafRefRun[] = [];
  const runCount = reader.varint(leavesMax, 'run count');
  for (let index = 0; index < runCount; index++) {
    const head = reader.varint(2 * leavesMax + 1, 'run');
    const count = Math.floor(head / 2);
    if (count === 0) throw reader.bad('an empty run');
    if (head % 2 === 0) {
      refs.push({ count });
      continue;
    }
    const number = reader.varint(OBJECTS_MAX, 'object number');
    const object = objects[number];
    if (!object || number > used) throw reader.bad('a run names no object, or not the next one');
    used = Math.max(used, number + 1);
    refs.push({ count, at: { ...object, ordinal: reader.varint(leavesMax, 'ordinal') } });
  }
  reader.end();
  if (used !== objects.length) throw reader.bad('it lists objects that no run names');
  const covered = refs.reduce((sum, run) => sum + run.count, 0);
  const leaves = Math.ceil(diskBytes / leafBytes);
  if (covered !== leaves) throw reader.bad(`it covers ${covered} leaves, the disk has ${leaves}`);
  return { vmKey, lun, diskBytes, blockBytes, leafBytes, refs };
}

/** Joins neighbours that continue each other. The order stays. */
export function joinRefs(refs: Iterable<LeafRefRun>): LeafRefRun[] {
  const joined: LeafRefRun[] = [];
  for (const run of refs) {
    const last = joined.at(-1);
    const continues =
      last &&
      (last.at === undefined
        ? run.at === undefined
        : run.at?.object === last.at.object && run.at.ordinal === last.at.ordinal + last.count);
    if (last && continues) joined[joined.length - 1] = { ...last, count: last.count + run.count };
    else joined.push(run);
  }
  return joined;
}

/** The part of a sequence of runs that describes leaves [first, first + count). */
export function sliceRefs(refs: readonly LeafRefRun[], first: number, count: number): LeafRefRun[] {
  const slice: LeafRefRun[] = [];
  let position = 0;
  for (const run of refs) {
    const start = Math.max(first, position);
    const end = Math.min(first + count, position + run.count);
    if (start < end) {
      slice.push({
        count: end - start,
        ...(run.at ? { at: { ...run.at, ordinal: run.at.ordinal + start - position } } : {}),
      });
    }
    position += run.count;
  }
  return slice;
}

function parseLun(text: string, reader: ByteReader): Lun {
  if (text === 'os') return 'os';
  if (!/^(\d|[1-5]\d|6[0-3])$/.test(text)) throw reader.bad('its lun makes no sense');
  return Number(text);
}
