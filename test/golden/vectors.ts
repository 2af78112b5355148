/** One value for each pure encoder of version 1, from fixed inputs. What they must give stands in v1/vectors.json. */
import { createHash } from 'node:crypto';
import { vhdFooter } from '../../shared/azure/vhd-footer';
import { blake3Keyed } from '../../shared/format/blake3';
import { blockId } from '../../shared/format/block-id';
import { ByteWriter } from '../../shared/format/bytes';
import { checkpointKey, encodeCheckpoint } from '../../shared/format/checkpoint';
import { encodeCollectorRecord } from '../../shared/format/collector-records';
import { compress } from '../../shared/format/compression';
import { frameNonce, sealFrame } from '../../shared/format/frame';
import { encodeSegment } from '../../shared/format/index-segment';
import { encodeEnvelope, rootKeyCheck } from '../../shared/format/key-envelope';
import { aesKeyId, aesWrap } from '../../shared/format/key-envelope-wrap';
import { deriveKeys } from '../../shared/format/keys';
import { encodeLeaves } from '../../shared/format/manifest-leaves';
import { encodeRoot } from '../../shared/format/manifest-root';
import { assemblePack, sealPackTail } from '../../shared/format/pack';
import { createPackContext } from '../../shared/format/pack-header';
import { encodeRecord } from '../../shared/format/records';
import { type SealedKind, sealedKinds, sealObject } from '../../shared/format/seal';
import * as places from '../../shared/format/store-keys';
import { encodeUnitList } from '../../shared/format/unit-list';
import { emptyStats } from '../../shared/model/transfer';
import { samplePoint } from '../helpers/samples';

const bytes = (name: string, length: number): Buffer =>
  createHash('shake256', { outputLength: length }).update(name).digest();
const rootKey = bytes('root key', 32);
const keys = deriveKeys(rootKey, 'contoso', 2);
const unit = bytes('unit', 16);
let counter = 0;
const context = createPackContext(keys, unit, 4_096, (count) => bytes(`random ${counter++}`, count));
const blocks = [bytes('one', 4_096), bytes('two', 512)];
const ids = Buffer.concat(blocks.map((block) => blockId(keys.id, block)));
const frame = sealFrame(context, 0, ids, Buffer.concat(blocks), 1);
const unitRef = { unit: unit.toString('hex'), sizeBytes: 70_000, tailBytes: 120 };
const at = { object: 'm/job-1/os-0', digest: 'ab'.repeat(32), ordinal: 3 };
const place = { version: 1, lun: 'os', index: 1, start: 0, end: 512, diskBytes: 1_024, stats: emptyStats } as const;
const sealed = (kind: SealedKind): Buffer => sealObject(keys, { kind, key: `t/contoso/${kind}` }, bytes('plain', 60));
const wraps = [{ kind: 'escrow', keyId: 'k', algorithm: 'RSA-OAEP-256', wrapped: 'AAAA' }] as const;
const check = rootKeyCheck(rootKey, 'contoso');

/** Longer ones stand as the SHA-256 of their bytes. */
const shown = (value: Buffer | string): string => {
  if (typeof value === 'string') return value;
  return value.length <= 256 ? value.toString('hex') : `sha256:${createHash('sha256').update(value).digest('hex')}`;
};

export const vectors: Readonly<Record<string, string>> = Object.fromEntries(
  Object.entries<Buffer | string>({
    'key id': keys.id,
    'key mac': keys.mac,
    'key meta': keys.meta,
    'key wrap 1': keys.wraps[0] ?? '',
    'key wrap 2': keys.wrap,
    'key check': keys.check,
    'root key check': check,
    'key file id': aesKeyId(bytes('file key', 32)),
    'key file wrap': aesWrap(bytes('file key', 32), rootKey, { tenant: 'contoso', generation: 1 }, bytes('nonce', 12)),
    'key envelope': encodeEnvelope(
      { tenant: 'contoso', generation: 1, rewrap: 0, packGeneration: 1, check, wraps },
      rootKey,
    ),
    'block id of nothing': blockId(keys.id, Buffer.alloc(0)),
    'block id': blockId(keys.id, bytes('block', 65_536)),
    'block id, plain implementation': blake3Keyed(keys.id, bytes('block', 65_536)),
    numbers: [0, 1, 127, 128, 16_383, 16_384, 2 ** 32, Number.MAX_SAFE_INTEGER]
      .reduce((writer, value) => writer.varint(value), new ByteWriter())
      .finish(),
    text: new ByteWriter().text('Blöcke').finish(),
    'stored raw': compress(bytes('noise', 100), 1).bytes,
    'pack header': context.header,
    'frame nonce': frameNonce(258),
    frame: frame.stored,
    'pack tail': sealPackTail(context, [{ storedBytes: frame.stored.length, shape: frame.shape }], ids),
    pack: assemblePack(context, [frame], ids).bytes,
    leaves: encodeLeaves({
      blockBytes: 65_536,
      leafBlocks: 1_024,
      units: [unitRef],
      leaves: [{ index: 7, blockCount: 1_024, runs: [{ count: 1_000 }, { count: 24, data: { unit: 0, slot: 300 } }] }],
    }),
    root: encodeRoot({
      vmKey: '0123456789abcdef',
      lun: 12,
      diskBytes: 9 * 2 ** 26 - 512,
      blockBytes: 65_536,
      leafBytes: 2 ** 26,
      refs: [{ count: 7 }, { count: 1, at }, { count: 1, at: { ...at, object: 'm/job-0/os-0.1' } }],
    }),
    segment: encodeSegment([{ ...unitRef, ids }]),
    register: encodeRecord({
      version: 1,
      kind: 'BACKUP',
      vmKey: '00',
      epoch: 0,
      state: 'PENDING',
      admitted: true,
      beat: 1,
      nonce: '11',
    }),
    'collector state': encodeCollectorRecord({
      version: 1,
      epoch: 8,
      phase: 'SWEEP',
      cycle: '1'.repeat(32),
      condemned: { key: 'gc/8/c/condemned-list', digest: at.digest },
      last: { units: 12, points: 3, endedAt: '2026-11-22T12:00:00.000Z' },
      nonce: '2'.repeat(32),
    }),
    'cycle list': encodeCollectorRecord({
      version: 1,
      purpose: 'condemned',
      epoch: 8,
      units: 2,
      bytes: 70_100,
      parts: [{ key: 'gc/8/c/condemned-0', digest: at.digest, units: 2 }],
      listed: 14,
      marked: ['job-1'],
      gone: ['job-0'],
    }),
    'unit list': encodeUnitList([
      { key: 'm/job-0/os-root', versionId: 'v1', sizeBytes: 100 },
      { key: `u/${unitRef.unit.slice(0, 2)}/${unitRef.unit}`, versionId: 'v2', sizeBytes: 70_000 },
    ]),
    fact: encodeRecord({
      ...place,
      kind: 'BACKUP',
      note: 'bad-ranges',
      refs: [{ count: 1, at }],
      packs: [unitRef.unit],
    }),
    checkpoint: encodeCheckpoint({
      ...place,
      snapshotId: '/s',
      doneBytes: 0,
      packs: [],
      segments: 1,
      leaves: '',
      nonce: '11',
    }),
    point: encodeRecord(samplePoint('job-1', '2026-11-22T12:00:00.000Z')),
    ...Object.fromEntries((Object.keys(sealedKinds) as SealedKind[]).map((kind) => [`sealed ${kind}`, sealed(kind)])),
    'digest of stored bytes': places.digestOf(bytes('stored', 9)),
    'VHD footer': vhdFooter(20 * 2 ** 20, 'disk'),
    places: [
      places.unitKey('contoso', unit),
      places.segmentKey('contoso', 0, 'job-1', 'os-3', 0),
      places.segmentKey('contoso', 4, 'job-1', '0-3', 2),
      places.leavesKey('job-1', 'os-3', 1),
      places.rootKeyOf('job-1', 'os'),
      places.pointKey('contoso', '0123456789abcdef', 'p-job-1'),
      places.registerKey('contoso', 'job-1'),
      places.factKey('contoso', 'job-1', 'os', 3),
      places.begunKey('contoso', 'job-1', 3, 0),
      checkpointKey('contoso', 'job-1', 3, 0),
      places.envelopeKey('contoso', 1, 2),
      places.collectorStateKey('contoso'),
      places.keeperStateKey('contoso'),
      `${places.cyclePrefix('contoso', 8, '1'.repeat(32))}condemned-0`,
    ].join(' '),
  }).map(([name, value]) => [name, shown(value)]),
);
