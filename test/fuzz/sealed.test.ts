/** Sealed objects, records in them, key envelopes, and compressed bytes that unfold to more than they say. */
import fc from 'fast-check';
import { decodeCheckpoint } from '../../shared/format/checkpoint';
import { decodeCollectorState, decodeCycleList } from '../../shared/format/collector-records';
import { compress, decompress } from '../../shared/format/compression';
import { authenticateEnvelope, decodeEnvelope, encodeEnvelope, rootKeyCheck } from '../../shared/format/key-envelope';
import { deriveKeys } from '../../shared/format/keys';
import { decodeFact, decodePoint, decodeRegister } from '../../shared/format/records';
import { openObject, type SealedKind, sealedKinds, sealObject } from '../../shared/format/seal';
import { decodeUnitList, encodeUnitList } from '../../shared/format/unit-list';
import { emptyStats } from '../../shared/model/transfer';
import { samplePoint } from '../helpers/samples';
import { propertyMs, runsOf } from './budget';
import { attempt, edits, mutate } from './mutation';

jest.setTimeout(propertyMs);

const rootKey = Buffer.alloc(32, 3);
const keys = deriveKeys(rootKey, 'contoso');
const identity = { kind: 'leaves', key: 't/contoso/m/job/0-0' } as const;

test('a sealed object opens to what was sealed, or not at all', () => {
  const plain = fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes));
  const kinds = Object.keys(sealedKinds) as SealedKind[];
  fc.assert(
    fc.property(plain, plain, edits(), fc.constantFrom(...kinds), (plaintext, other, changes, kind) => {
      const sealed = sealObject(keys, identity, plaintext);
      const stored = mutate(sealed, sealObject(keys, { kind, key: identity.key }, other), changes);
      const { value } = attempt(() => openObject(keys, identity, stored));
      if (stored.equals(sealed)) expect(value?.equals(plaintext)).toBe(true);
      else if (value) expect(sealObject(keys, identity, value).equals(stored)).toBe(true);
    }),
    runsOf('sealed'),
  );
});

const ref = { count: 2, at: { object: 'm/job-1/os-0', digest: 'ab'.repeat(32), ordinal: 0 } };
const register = {
  version: 1,
  kind: 'BACKUP',
  vmKey: '00ff',
  epoch: 0,
  state: 'COMMITTED',
  pointDigest: 'cd',
  pointId: 'p-job-1',
  point: 'AAAA',
  admitted: true,
  condemned: { key: 'gc/3/c/condemned-list', digest: 'ab'.repeat(32) },
  committedAt: '2026-11-22T12:00:00.000Z',
  hold: { reason: 'audit', by: 'someone', at: '2026-11-22T12:00:00.000Z' },
  beat: 3,
  nonce: '12',
};
const fact = {
  version: 1,
  kind: 'BACKUP',
  lun: 'os',
  index: 0,
  start: 0,
  end: 512,
  diskBytes: 512,
  stats: emptyStats,
  refs: [ref, { count: 1 }],
  packs: ['00'.repeat(16)],
};
const checkpoint = {
  version: 1,
  lun: 0,
  index: 0,
  start: 0,
  end: 512,
  diskBytes: 512,
  snapshotId: '/s',
  doneBytes: 0,
  stats: emptyStats,
  packs: [],
  segments: 0,
  leaves: '',
  nonce: '12',
};
const collectorState = {
  version: 1,
  epoch: 3,
  phase: 'DELETE',
  cycle: '1'.repeat(32),
  condemned: { key: 'gc/3/c/condemned-list', digest: 'ab'.repeat(32) },
  deleteSet: { key: 'gc/3/c/delete-list', digest: 'cd'.repeat(32) },
  last: { units: 3, points: 2, endedAt: '2026-11-22T12:00:00.000Z' },
  nonce: '2'.repeat(32),
};
const cycleList = {
  version: 1,
  purpose: 'condemned',
  epoch: 3,
  units: 2,
  bytes: 9,
  parts: [{ key: 'gc/3/c/condemned-0', digest: 'ab'.repeat(32), units: 2 }],
  marked: ['job-1'],
};
const records = [
  { decode: decodeCollectorState, valid: collectorState },
  { decode: decodeCycleList, valid: cycleList },
  { decode: decodeRegister, valid: register },
  { decode: decodeFact, valid: fact },
  { decode: decodePoint, valid: samplePoint('job-1', '2026-11-22T12:00:00.000Z') },
  { decode: decodeCheckpoint, valid: checkpoint },
] as const;

test('records of today are read as they are', () => {
  for (const { decode, valid } of records) expect(decode(Buffer.from(JSON.stringify(valid)), 'x')).toEqual(valid);
});

test('a newer version and an unknown field of a record are refused by name', () => {
  for (const { decode, valid } of records) {
    expect(() => decode(Buffer.from(JSON.stringify({ ...valid, version: 2 })), 'x')).toThrow(
      /format\.unknown.*record version 2/,
    );
    expect(() => decode(Buffer.from(JSON.stringify({ ...valid, sparkle: 2 })), 'x')).toThrow(
      /format\.unknown.*field sparkle/,
    );
  }
  const nested = { ...fact, refs: [{ count: 1, colour: 'red' }] };
  expect(() => decodeFact(Buffer.from(JSON.stringify(nested)), 'x')).toThrow(/format\.unknown.*field refs\.0\.colour/);
});

/** Puts `junk` somewhere into a copy of a JSON value: in place of a part of it, or beside its parts. */
function plant(value: unknown, junk: unknown, path: readonly number[]): unknown {
  const [step, ...rest] = path;
  if (step === undefined || typeof value !== 'object' || value === null) return junk;
  const names = Object.keys(value);
  const name = names[step % (names.length + 1)] ?? 'another';
  if (step % 7 === 6) return Object.fromEntries(Object.entries(value).filter(([one]) => one !== name));
  const planted = plant((value as Record<string, unknown>)[name], junk, rest);
  if (!Array.isArray(value)) return { ...value, [name]: planted };
  return value.length === 0 ? [planted] : value.with(step % value.length, planted);
}

test('a record is read as it stands or refused: nothing is bent into shape', () => {
  const junk = fc.oneof(
    fc.jsonValue({ maxDepth: 3 }),
    fc.constantFrom(-1, 2 ** 53, 1e300, '', 'COMMITTED', null, [], {}, 0.5),
  );
  fc.assert(
    fc.property(
      fc.constantFrom(...records),
      junk,
      fc.array(fc.nat(20), { maxLength: 4 }),
      edits(2),
      fc.boolean(),
      ({ decode, valid }, part, path, changes, textual) => {
        const text = Buffer.from(JSON.stringify(textual ? valid : plant(valid, part, path)));
        const bytes = textual ? mutate(text, text, changes) : text;
        const { value } = attempt(() => decode(bytes, 'x'));
        if (value) expect(value).toEqual(JSON.parse(bytes.toString('utf8')));
      },
    ),
    runsOf('records'),
  );
});

test('deep, long and odd JSON is refused like any other', () => {
  for (const text of [
    '['.repeat(200_000),
    '{"a":'.repeat(100_000),
    '"',
    'null',
    '1e999',
    '[]',
    `{"version":1${',"a":0'.repeat(50_000)}}`,
    '\u0000',
    '{"version":1,"__proto__":{"kind":"BACKUP"}}',
  ]) {
    for (const { decode } of records) expect(attempt(() => decode(Buffer.from(text), 'x')).code).toBeDefined();
  }
});

test('a key envelope that was changed is refused, or does not authenticate', () => {
  const wraps = [
    {
      kind: 'escrow',
      keyId: 'ab'.repeat(16),
      algorithm: 'RSA-OAEP-256',
      wrapped: Buffer.alloc(256, 1).toString('base64'),
    },
  ] as const;
  const envelope = {
    tenant: 'contoso',
    generation: 1,
    rewrap: 0,
    packGeneration: 1,
    check: rootKeyCheck(rootKey, 'contoso'),
    wraps,
  };
  const stored = encodeEnvelope(envelope, rootKey);
  fc.assert(
    fc.property(edits(), (changes) => {
      const bytes = mutate(stored, stored, changes);
      const { value } = attempt(() => decodeEnvelope(bytes, 't/contoso/k/1/0'));
      if (value) expect(authenticateEnvelope(bytes, rootKey, value)).toBe(bytes.equals(stored));
    }),
    runsOf('envelopes'),
  );
});

test('compressed bytes give exactly what is declared, or an error', () => {
  const raw = fc
    .uint8Array({ minLength: 64, maxLength: 400 })
    .map((bytes) => Buffer.concat([Buffer.from(bytes), Buffer.alloc(400, 'a')]));
  fc.assert(
    fc.property(raw, edits(), fc.nat(1_000), (bytes, changes, lie) => {
      const packed = compress(bytes, 1);
      const changed = { codec: packed.codec, bytes: mutate(packed.bytes, packed.bytes, changes) };
      const declared = changes.length % 2 === 0 ? bytes.length : lie;
      const { value } = attempt(() => decompress(changed, declared, 'x', 'pack.corrupt'));
      if (value) expect(value.length).toBe(declared);
      if (changed.bytes.equals(packed.bytes) && declared === bytes.length) expect(value?.equals(bytes)).toBe(true);
    }),
    runsOf('compressed'),
  );
});

/** A zstd frame by hand (RFC 8878): blocks that say "this byte, 131,072 times", 32,768 times as much as they are long. */
function bomb(blocks: number, windowDescriptor: number): Buffer {
  const frame = Buffer.alloc(6 + blocks * 4);
  frame.writeUInt32LE(0xfd2fb528, 0);
  frame[5] = windowDescriptor;
  for (let at = 0; at < blocks; at++)
    frame.writeUIntLE((at === blocks - 1 ? 1 : 0) | (1 << 1) | (131_072 << 3), 6 + at * 4, 3);
  return frame;
}
const windowOf = (log: number): number => (log - 10) << 3;

test('the bomb of this test goes off where nobody caps it', () => {
  expect(
    decompress({ codec: 1, bytes: bomb(2, windowOf(17)) }, 262_144, 'x', 'pack.corrupt').equals(Buffer.alloc(262_144)),
  ).toBe(true);
});

test.each([
  ['4 GiB in 128 KiB', bomb(32_768, windowOf(17)), 1_000],
  ['4 GiB declared as nothing', bomb(32_768, windowOf(17)), 0],
  ['4 GiB declared as a frame', bomb(32_768, windowOf(17)), 2 ** 20],
  ['a window of 2 GiB', bomb(2, windowOf(31)), 262_144],
  ['a window of 128 MiB', bomb(2, windowOf(27)), 262_144],
])('a decompression bomb is stopped at its declared size: %s', (_name, bytes, declared) => {
  const before = process.resourceUsage().maxRSS;
  expect(attempt(() => decompress({ codec: 1, bytes }, declared, 'x', 'pack.corrupt')).code).toBe('pack.corrupt');
  expect(process.resourceUsage().maxRSS - before).toBeLessThan(64 * 1024);
});

test('a mutated list of units is refused, or says exactly what its bytes say', () => {
  const units = [
    { key: 'm/job-1/0-root', versionId: 'v1', sizeBytes: 90 },
    { key: `u/ab/${'ab'.repeat(16)}`, versionId: 'v2', sizeBytes: 70_000 },
  ];
  const valid = encodeUnitList(units);
  expect(decodeUnitList(valid, 'x')).toEqual(units);
  fc.assert(
    fc.property(edits(3), (changes) => {
      const bytes = mutate(valid, valid, changes);
      const { value } = attempt(() => decodeUnitList(bytes, 'x'));
      if (value) expect(encodeUnitList(value)).toEqual(bytes);
    }),
    runsOf('records'),
  );
});
