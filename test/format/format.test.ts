/** Every codec gives back what it was given, refuses what is cut, changed, swapped or of another version. */
import { randomBytes } from 'node:crypto';
import {
  array,
  boolean,
  assert as check,
  constantFrom,
  integer,
  option,
  property,
  record,
  uint8Array,
} from 'fast-check';
import { blake3Keyed } from '../../shared/format/blake3';
import { blockId, firstWrongBlock, idBytes, isZero } from '../../shared/format/block-id';
import { ByteReader, ByteWriter } from '../../shared/format/bytes';
import { compress, decompress } from '../../shared/format/compression';
import { openFrame, sealFrame } from '../../shared/format/frame';
import { decodeSegment, encodeSegment } from '../../shared/format/index-segment';
import { deriveKeys } from '../../shared/format/keys';
import { decodeLeaves, encodeLeaves } from '../../shared/format/manifest-leaves';
import { decodeRoot, encodeRoot, joinRefs, type LeafRefRun, sliceRefs } from '../../shared/format/manifest-root';
import { assemblePack, frameOfSlot, openPackTail } from '../../shared/format/pack';
import { createPackContext, openPackHeader, packHeaderBytes } from '../../shared/format/pack-header';
import { openObject, sealObject } from '../../shared/format/seal';
import { AppError } from '../../shared/model/errors';

const keys = deriveKeys(Buffer.alloc(32, 1), 'contoso');
const blockBytes = 4096;

const codeOf = (run: () => unknown): string | undefined => {
  try {
    run();
    return undefined;
  } catch (error) {
    // Anything but our own error is a decoder that trips over its input.
    if (!(error instanceof AppError)) throw error;
    return error.code;
  }
};

describe('block ids', () => {
  test('the plain implementation gives the published vectors of keyed BLAKE3', () => {
    const key = Buffer.from('whats the Elvish word for friend');
    const input = (length: number): Buffer => Buffer.from(Array.from({ length }, (_, index) => index % 251));
    expect(blake3Keyed(key, input(0)).toString('hex')).toBe(
      '92b2b75604ed3c761f9d6f62392c8a9227ad0ea3f09573e783f1498a4ed60d26',
    );
    expect(blake3Keyed(key, input(1)).toString('hex')).toBe(
      '6d7878dfff2f485635d39013278ae14f1454b8c0a3a2d34bc1ab38228a80c95b',
    );
  });

  test('the native package and the plain implementation agree at every kind of length', () => {
    for (const length of [0, 1, 63, 64, 65, 1023, 1024, 1025, 2048, 2049, 3072, 5000, 65_536, 65_024]) {
      const bytes = randomBytes(length);
      expect(blockId(keys.id, bytes).equals(blake3Keyed(keys.id, bytes))).toBe(true);
    }
  });

  test('ids differ between tenants, and the wrong block is named', () => {
    const other = deriveKeys(Buffer.alloc(32, 1), 'fabrikam');
    const raw = randomBytes(3 * blockBytes - 100);
    const ids = Buffer.concat(
      [0, 1, 2].map((at) => blockId(keys.id, raw.subarray(at * blockBytes, (at + 1) * blockBytes))),
    );
    expect(firstWrongBlock(keys.id, ids, raw, blockBytes)).toBeUndefined();
    expect(firstWrongBlock(other.id, ids, raw, blockBytes)).toBe(0);
    raw[2 * blockBytes] = (raw[2 * blockBytes] ?? 0) ^ 1;
    expect(firstWrongBlock(keys.id, ids, raw, blockBytes)).toBe(2);
  });

  test('the zero test looks at every byte', () => {
    const zeros = Buffer.alloc(200_000);
    expect(isZero(zeros)).toBe(true);
    for (const at of [0, 65_535, 65_536, 199_999]) {
      const bytes = Buffer.from(zeros);
      bytes[at] = 1;
      expect(isZero(bytes)).toBe(false);
    }
  });
});

describe('bytes', () => {
  test('varints of any size come back, in one encoding only', () => {
    void check(
      property(array(integer({ min: 0, max: Number.MAX_SAFE_INTEGER })), (values) => {
        const writer = new ByteWriter(1);
        for (const value of values) writer.varint(value);
        const reader = new ByteReader(writer.finish(), 'test', 'manifest.corrupt');
        expect(values.map(() => reader.varint(Number.MAX_SAFE_INTEGER, 'value'))).toEqual(values);
        reader.end();
      }),
    );
    for (const bytes of [[0x80, 0x00], [0xff], [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]]) {
      const reader = new ByteReader(Buffer.from(bytes), 'test', 'manifest.corrupt');
      expect(codeOf(() => reader.varint(Number.MAX_SAFE_INTEGER, 'value'))).toBe('manifest.corrupt');
    }
  });

  test('compression never gives back another size than declared', () => {
    const raw = Buffer.alloc(100_000, 'abc');
    const packed = compress(raw, 1);
    expect(packed.bytes.length).toBeLessThan(1_000);
    expect(decompress(packed, raw.length, 'x', 'pack.corrupt').equals(raw)).toBe(true);
    for (const declared of [raw.length - 1, raw.length + 1, 10]) {
      expect(codeOf(() => decompress(packed, declared, 'x', 'pack.corrupt'))).toBe('pack.corrupt');
    }
    expect(compress(randomBytes(10_000), 1).codec).toBe(0);
  });
});

describe('sealed objects', () => {
  const identity = { kind: 'leaves', key: 't/contoso/m/job/0-0' } as const;
  const plaintext = Buffer.from('manifest '.repeat(50));
  const sealed = sealObject(keys, identity, plaintext);

  test('open again, and sealing the same twice gives the same bytes', () => {
    expect(openObject(keys, identity, sealed).equals(plaintext)).toBe(true);
    expect(sealObject(keys, identity, plaintext).equals(sealed)).toBe(true);
    expect(sealObject(keys, identity, Buffer.from('x')).subarray(16, 48).equals(sealed.subarray(16, 48))).toBe(false);
  });

  test('do not open when any bit is flipped or the end is cut', () => {
    for (let bit = 0; bit < sealed.length * 8; bit++) {
      const damaged = Buffer.from(sealed);
      damaged[bit >> 3] = (damaged[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      expect(codeOf(() => openObject(keys, identity, damaged))).toMatch(/manifest.corrupt|key.wrong|format.unknown/);
    }
    for (let length = 0; length < sealed.length; length++) {
      expect(codeOf(() => openObject(keys, identity, sealed.subarray(0, length)))).toBe('manifest.corrupt');
    }
  });

  test('do not open elsewhere, as something else, or under another key', () => {
    expect(codeOf(() => openObject(keys, { ...identity, key: 't/contoso/m/job/0-1' }, sealed))).toBe(
      'manifest.corrupt',
    );
    expect(codeOf(() => openObject(keys, { ...identity, kind: 'root' }, sealed))).toBe('manifest.corrupt');
    expect(codeOf(() => openObject(deriveKeys(Buffer.alloc(32, 2), 'contoso'), identity, sealed))).toBe('key.wrong');
    expect(codeOf(() => openObject(deriveKeys(Buffer.alloc(32, 1), 'fabrikam'), identity, sealed))).toBe('key.wrong');
  });
});

describe('packs', () => {
  const unit = Buffer.alloc(16, 5);
  const context = createPackContext(keys, unit, blockBytes, randomBytes);
  const blocks = Array.from({ length: 35 }, (_, index) =>
    index === 34 ? randomBytes(512) : Buffer.alloc(blockBytes, `block ${index}`),
  );
  const idsOf = (part: readonly Buffer[]): Buffer => Buffer.concat(part.map((block) => blockId(keys.id, block)));
  const groups = [blocks.slice(0, 16), blocks.slice(16, 32), blocks.slice(32)];
  const frames = groups.map((group, ordinal) => sealFrame(context, ordinal, idsOf(group), Buffer.concat(group), 1));
  const { bytes, tailBytes } = assemblePack(context, frames, idsOf(blocks));

  const readBack = (stored: Buffer): Buffer[] => {
    const opened = openPackHeader(keys, unit, stored.subarray(0, packHeaderBytes));
    const directory = openPackTail(opened, stored.subarray(stored.length - tailBytes), stored.length);
    return directory.frames.flatMap((frame) => {
      const { ids, raw } = openFrame(opened, frame.ordinal, frame, stored.subarray(frame.start, frame.end));
      const start = frame.firstSlot * idBytes;
      if (!ids.equals(directory.ids.subarray(start, start + ids.length))) throw new AppError('pack.corrupt', 'ids');
      return Array.from({ length: frame.count }, (_, at) => raw.subarray(at * blockBytes, (at + 1) * blockBytes));
    });
  };

  test('give back every block, and find the frame of every slot', () => {
    expect(Buffer.concat(readBack(bytes)).equals(Buffer.concat(blocks))).toBe(true);
    const directory = openPackTail(context, bytes.subarray(bytes.length - tailBytes), bytes.length);
    for (let slot = 0; slot < 35; slot++) expect(frameOfSlot(directory, slot)?.ordinal).toBe(Math.floor(slot / 16));
    expect(frameOfSlot(directory, 35)).toBeUndefined();
  });

  test('any flipped bit is found', () => {
    for (let bit = 0; bit < bytes.length * 8; bit += 5) {
      const damaged = Buffer.from(bytes);
      damaged[bit >> 3] = (damaged[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      expect(codeOf(() => readBack(damaged))).toMatch(/pack.corrupt|key.wrong|format.unknown/);
    }
  });

  test('frames do not open in another place, shape or pack', () => {
    const [first, second] = frames;
    if (!first || !second) throw new Error('frames');
    expect(codeOf(() => openFrame(context, 1, first.shape, first.stored))).toBe('pack.corrupt');
    expect(codeOf(() => openFrame(context, 0, { ...first.shape, rawBytes: 5 }, first.stored))).toBe('pack.corrupt');
    const other = createPackContext(keys, Buffer.alloc(16, 6), blockBytes, randomBytes);
    expect(codeOf(() => openFrame(other, 0, first.shape, first.stored))).toBe('pack.corrupt');
    expect(codeOf(() => openPackHeader(keys, Buffer.alloc(16, 6), context.header))).toBe('pack.corrupt');
  });
});

describe('manifests and segments', () => {
  const unitRef = record({
    unit: uint8Array({ minLength: 16, maxLength: 16 }).map((bytes) => Buffer.from(bytes).toString('hex')),
    sizeBytes: integer({ min: 1_000, max: 2 ** 32 - 1 }),
    tailBytes: integer({ min: 1, max: 999 }),
  });
  const run = record({ count: integer({ min: 1, max: 64 }), slot: option(integer({ min: 0, max: 16_000 })) });

  test('leaves come back as they were', () => {
    void check(
      property(
        array(unitRef, { minLength: 1, maxLength: 4 }),
        array(array(run, { minLength: 1, maxLength: 8 })),
        (units, all) => {
          const leaves = all.map((runs, index) => ({
            index: index * 3,
            blockCount: runs.reduce((sum, { count }) => sum + count, 0),
            runs: runs.map(({ count, slot }) =>
              slot === null ? { count } : { count, data: { unit: slot % units.length, slot } },
            ),
          }));
          const object = { blockBytes: 65_536, leafBlocks: 1024, units, leaves };
          expect(decodeLeaves(encodeLeaves(object), 'x')).toEqual(object);
        },
      ),
    );
  });

  test('a leaf that covers too much, too little, or points outside is refused', () => {
    const units = [{ unit: '00'.repeat(16), sizeBytes: 1_000, tailBytes: 10 }];
    const leaf = (blockCount: number, runs: readonly { count: number; data?: { unit: number; slot: number } }[]) =>
      encodeLeaves({ blockBytes: 65_536, leafBlocks: 1024, units, leaves: [{ index: 0, blockCount, runs }] });
    for (const bytes of [
      leaf(5, [{ count: 4 }]),
      leaf(5, [{ count: 6 }]),
      leaf(5, [{ count: 5, data: { unit: 1, slot: 0 } }]),
      leaf(5, [{ count: 5, data: { unit: 0, slot: 16_380 } }]),
      leaf(1025, [{ count: 1025 }]),
    ]) {
      expect(codeOf(() => decodeLeaves(bytes, 'x'))).toBe('manifest.corrupt');
    }
  });

  test('roots come back, and joining and slicing keep every leaf', () => {
    const ref = record({
      count: integer({ min: 1, max: 5 }),
      object: option(constantFrom('m/a/0-0', 'm/b/0-1')),
      ordinal: integer({ min: 0, max: 9 }),
    });
    void check(
      property(array(ref, { minLength: 1 }), boolean(), (raw, odd) => {
        const refs: LeafRefRun[] = raw.map(({ count, object, ordinal }) =>
          object === null ? { count } : { count, at: { object, digest: 'ab'.repeat(32), ordinal } },
        );
        const single = (runs: readonly LeafRefRun[]): LeafRefRun[] => runs.flatMap((one) => sliceAll(one));
        const sliceAll = (one: LeafRefRun): LeafRefRun[] =>
          Array.from({ length: one.count }, (_, at) => sliceRefs([one], at, 1)).flat();
        const leaves = single(refs).length;
        const diskBytes = leaves * 64 * 2 ** 20 - (odd ? 512 : 0);
        const root = { vmKey: 'ab', lun: 'os', diskBytes, blockBytes: 65_536, leafBytes: 64 * 2 ** 20, refs } as const;
        expect(decodeRoot(encodeRoot(root), 'x')).toEqual(root);
        expect(single(joinRefs(refs))).toEqual(single(refs));
        const middle = Math.floor(leaves / 2);
        expect(single([...sliceRefs(refs, 0, middle), ...sliceRefs(refs, middle, leaves)])).toEqual(single(refs));
        expect(codeOf(() => decodeRoot(encodeRoot({ ...root, diskBytes: diskBytes + 2 ** 27 }), 'x'))).toBe(
          'manifest.corrupt',
        );
      }),
    );
  });

  test('index segments come back', () => {
    const units = [
      { unit: '01'.repeat(16), sizeBytes: 5_000, tailBytes: 99, ids: randomBytes(64) },
      { unit: '02'.repeat(16), sizeBytes: 9_000, tailBytes: 98, ids: randomBytes(32) },
    ];
    expect(decodeSegment(encodeSegment(units), 'x')).toEqual(units);
  });

  test('no decoder trips over arbitrary bytes, or over its own with one byte changed', () => {
    const leaves = encodeLeaves({
      blockBytes: 65_536,
      leafBlocks: 1024,
      units: [{ unit: '00'.repeat(16), sizeBytes: 1_000, tailBytes: 10 }],
      leaves: [{ index: 0, blockCount: 9, runs: [{ count: 4 }, { count: 5, data: { unit: 0, slot: 3 } }] }],
    });
    const decoders = [decodeLeaves, decodeRoot, decodeSegment] as const;
    void check(
      property(
        uint8Array({ maxLength: 200 }),
        integer({ min: 0, max: leaves.length - 1 }),
        integer({ min: 0, max: 255 }),
        (bytes, at, value) => {
          const changed = Buffer.from(leaves);
          changed[at] = value;
          for (const decode of decoders) {
            codeOf(() => decode(Buffer.from(bytes), 'x'));
            codeOf(() => decode(changed, 'x'));
          }
        },
      ),
      { numRuns: 2_000 },
    );
  });
});
