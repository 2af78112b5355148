/** Manifests and segments: what is accepted has exactly one encoding, the one that was given; all else is a typed error. */
import fc from 'fast-check';
import { ByteReader } from '../../shared/format/bytes';
import { decodeSegment, encodeSegment } from '../../shared/format/index-segment';
import { decodeLeaves, encodeLeaves, type LeafObject } from '../../shared/format/manifest-leaves';
import { type DiskRoot, decodeRoot, encodeRoot } from '../../shared/format/manifest-root';
import { cases, propertyMs, runsOf } from './budget';
import { attempt, edits, mutate } from './mutation';

jest.setTimeout(propertyMs);

const hex = (bytes: number): fc.Arbitrary<string> =>
  fc.uint8Array({ minLength: bytes, maxLength: bytes }).map((value) => Buffer.from(value).toString('hex'));
const unit = fc.record({
  unit: hex(16),
  sizeBytes: fc.integer({ min: 200, max: 2 ** 32 - 1 }),
  tailBytes: fc.integer({ min: 32, max: 150 }),
});

const leafObject: fc.Arbitrary<LeafObject> = fc
  .tuple(
    fc.array(unit, { minLength: 1, maxLength: 3 }),
    fc.array(
      fc.array(
        fc.record({ count: fc.integer({ min: 1, max: 200 }), slot: fc.option(fc.integer({ min: 0, max: 16_000 })) }),
        {
          minLength: 1,
          maxLength: 5,
        },
      ),
      { maxLength: 4 },
    ),
  )
  .map(([units, leaves]) => ({
    blockBytes: 65_536,
    leafBlocks: 1_024,
    units,
    leaves: leaves.map((runs, index) => ({
      index: index * 2,
      blockCount: runs.reduce((sum, { count }) => sum + count, 0),
      runs: runs.map(({ count, slot }) =>
        slot === null ? { count } : { count, data: { unit: slot % units.length, slot } },
      ),
    })),
  }));

const root: fc.Arbitrary<DiskRoot> = fc
  .record({
    vmKey: fc.stringMatching(/^[0-9a-f]{16}$/),
    lun: fc.oneof(fc.constant('os' as const), fc.integer({ min: 0, max: 63 })),
    objects: fc.uniqueArray(fc.record({ object: fc.stringMatching(/^m\/[a-z0-9-]{3,20}\/os-\d$/), digest: hex(32) }), {
      selector: ({ object }) => object,
      minLength: 1,
      maxLength: 3,
    }),
    runs: fc.array(
      fc.record({ count: fc.integer({ min: 1, max: 300 }), object: fc.option(fc.nat()), ordinal: fc.nat(1_000) }),
      {
        minLength: 1,
        maxLength: 6,
      },
    ),
    short: fc.integer({ min: 0, max: 1_000 }),
  })
  .map(({ vmKey, lun, objects, runs, short }) => ({
    vmKey,
    lun,
    diskBytes: runs.reduce((sum, { count }) => sum + count, 0) * 2 ** 26 - short * 512,
    blockBytes: 65_536,
    leafBytes: 2 ** 26,
    refs: runs.map(({ count, object, ordinal }) => {
      const at = object === null ? undefined : objects[object % objects.length];
      return at ? { count, at: { ...at, ordinal } } : { count };
    }),
  }));

const segment = fc.array(
  fc
    .tuple(unit, fc.array(hex(32), { maxLength: 4 }))
    .map(([one, ids]) => ({ ...one, ids: Buffer.from(ids.join(''), 'hex') })),
  { maxLength: 4 },
);

/** `decode(x)` gives `v` only when `encode(v)` is `x`: no byte is ignored, no value has two faces. */
function holds<Value>(
  encode: (value: Value) => Buffer,
  decode: (bytes: Buffer, name: string) => Value,
  one: fc.Arbitrary<Value>,
) {
  return fc.property(one, one, edits(), (value, other, changes) => {
    const valid = encode(value);
    const bytes = mutate(valid, encode(other), changes);
    const result = attempt(() => decode(bytes, 'x'));
    if (bytes.equals(valid)) expect(result.value).toEqual(value);
    if (result.code === undefined && !encode(result.value).equals(bytes)) {
      throw new Error(`${bytes.toString('hex')} was taken for ${JSON.stringify(result.value)}`);
    }
  });
}

test('leaves', () => fc.assert(holds(encodeLeaves, decodeLeaves, leafObject), runsOf('leaves')));
test('roots', () => fc.assert(holds(encodeRoot, decodeRoot, root), runsOf('roots')));
test('index segments', () => fc.assert(holds(encodeSegment, decodeSegment, segment), runsOf('segments')));

test('numbers and texts, from any bytes', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 24 }), fc.array(fc.boolean(), { maxLength: 5 }), (bytes, fields) => {
      const reader = new ByteReader(Buffer.from(bytes), 'x', 'manifest.corrupt');
      const result = attempt(() => {
        const values = fields.map((text) =>
          text ? reader.text(16, 'text') : reader.varint(Number.MAX_SAFE_INTEGER, 'number'),
        );
        reader.end();
        return values;
      });
      for (const value of result.value ?? []) {
        if (typeof value === 'number') expect(Number.isSafeInteger(value) && value >= 0).toBe(true);
        else expect(Buffer.byteLength(value)).toBeLessThanOrEqual(16);
      }
    }),
    runsOf('numbers'),
  );
});

test('counts that promise more than there is cost nothing', () => {
  const before = process.memoryUsage().arrayBuffers;
  const most = Buffer.from('ffffffffffffff0f', 'hex');
  for (const decode of [decodeLeaves, decodeRoot, decodeSegment]) {
    for (let fields = 0; fields < 6; fields++) {
      const bytes = Buffer.concat([Buffer.from([1]), Buffer.alloc(fields, 1), most]);
      expect(attempt(() => decode(bytes, 'x')).code).toBeDefined();
    }
  }
  expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(2 ** 20);
});

test('a normal run tries more than a hundred thousand cases', () => {
  expect(Object.values(cases).reduce((sum, count) => sum + count, 0)).toBeGreaterThanOrEqual(100_000);
});
