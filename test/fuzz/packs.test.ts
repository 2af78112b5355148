/** Packs: stored ones changed in any way, and ones forged by somebody who holds the keys. */
import { createCipheriv, randomBytes } from 'node:crypto';
import fc from 'fast-check';
import { blockId, idBytes } from '../../shared/format/block-id';
import { ByteWriter } from '../../shared/format/bytes';
import { openFrame, sealFrame, tagBytes } from '../../shared/format/frame';
import { deriveKeys } from '../../shared/format/keys';
import { assemblePack, openPackTail, packFooterBytes } from '../../shared/format/pack';
import { createPackContext, openPackHeader, packHeaderBytes } from '../../shared/format/pack-header';
import { propertyMs, runsOf } from './budget';
import { attempt, edits, mutate } from './mutation';

jest.setTimeout(propertyMs);

const keys = deriveKeys(Buffer.alloc(32, 3), 'contoso');
const blockBytes = 4_096;
const unit = Buffer.alloc(16, 5);
const context = createPackContext(keys, unit, blockBytes, randomBytes);
const blocks = Array.from({ length: 20 }, (_, at) =>
  at < 16 ? Buffer.alloc(blockBytes, `text ${at}`) : randomBytes(at === 19 ? 512 : blockBytes),
);
const idsOf = (some: readonly Buffer[]): Buffer => Buffer.concat(some.map((block) => blockId(keys.id, block)));
const groups = [blocks.slice(0, 16), blocks.slice(16)];
const frames = groups.map((group, at) => sealFrame(context, at, idsOf(group), Buffer.concat(group), 1));
const pack = assemblePack(context, frames, idsOf(blocks));
const otherUnit = Buffer.alloc(16, 6);
const otherContext = createPackContext(keys, otherUnit, blockBytes, randomBytes);
const otherPack = assemblePack(otherContext, frames, idsOf(blocks));

function readPack(stored: Buffer, tailBytes: number): Buffer {
  const opened = openPackHeader(keys, unit, stored.subarray(0, packHeaderBytes));
  const directory = openPackTail(opened, stored.subarray(Math.max(0, stored.length - tailBytes)), stored.length);
  return Buffer.concat(
    directory.frames.map(
      (frame) => openFrame(opened, frame.ordinal, frame, stored.subarray(frame.start, frame.end)).raw,
    ),
  );
}

test('a stored pack gives its blocks or an error, whatever was done to it', () => {
  const tails = fc.oneof(fc.constant(pack.tailBytes), fc.nat(pack.bytes.length + 10));
  fc.assert(
    fc.property(edits(), tails, (changes, tailBytes) => {
      const stored = mutate(pack.bytes, otherPack.bytes, changes);
      const result = attempt(() => readPack(stored, tailBytes));
      if (result.code === undefined) expect(result.value.equals(Buffer.concat(blocks))).toBe(true);
      else expect(stored.equals(pack.bytes) && tailBytes === pack.tailBytes).toBe(false);
    }),
    runsOf('packs'),
  );
});

test('a header gives its data key or an error', () => {
  fc.assert(
    fc.property(edits(), (changes) => {
      const stored = mutate(context.header, otherContext.header, changes);
      const result = attempt(() => openPackHeader(keys, unit, stored));
      if (result.code === undefined) expect(result.value.dataKey.equals(context.dataKey)).toBe(true);
    }),
    runsOf('packHeaders'),
  );
});

/** What only a holder of the keys can make: any bytes, sealed as the directory of this pack. */
function sealDirectory(plaintext: Buffer, frameCount: number, slots: number): Buffer {
  const footer = Buffer.alloc(packFooterBytes);
  footer.write('BFPE', 'latin1');
  footer.writeUInt32LE(plaintext.length + tagBytes, 4);
  footer.writeUInt32LE(frameCount, 8);
  footer.writeUInt32LE(slots, 12);
  const cipher = createCipheriv('aes-256-gcm', context.dataKey, Buffer.alloc(12, 0xff));
  cipher.setAAD(Buffer.concat([context.header, footer, Buffer.from('directory\0contoso')]));
  return Buffer.concat([cipher.update(plaintext), cipher.final(), cipher.getAuthTag(), footer]);
}

test('a forged directory is refused, or its frames lie in the pack one behind the other', () => {
  const frame = fc.record({
    storedBytes: fc.oneof(fc.nat(70_000), fc.constant(2 ** 32 - 1)),
    count: fc.oneof(fc.integer({ min: 1, max: 16 }), fc.nat(300)),
    codec: fc.nat(2),
    short: fc.nat(blockBytes + 10),
  });
  fc.assert(
    fc.property(
      fc.array(frame, { minLength: 1, maxLength: 6 }),
      edits(2),
      fc.integer({ min: -1, max: 1 }),
      (list, changes, lie) => {
        const writer = new ByteWriter().varint(1).varint(list.length);
        for (const { storedBytes, count, codec, short } of list) {
          writer
            .varint(storedBytes)
            .varint(count)
            .varint(codec)
            .varint(Math.max(0, count * blockBytes - short));
        }
        const slots = list.reduce((sum, { count }) => sum + count, 0);
        const valid = Buffer.concat([writer.finish(), Buffer.alloc(slots * idBytes)]);
        const tail = sealDirectory(
          mutate(valid, valid, changes),
          list.length,
          Math.max(0, slots + (changes.length === 1 ? lie : 0)),
        );
        const sizeBytes = packHeaderBytes + list.reduce((sum, one) => sum + one.storedBytes, 0) + tail.length;
        const { value: directory } = attempt(() => openPackTail(context, tail, sizeBytes));
        if (!directory) return;
        let end = packHeaderBytes;
        let slot = 0;
        for (const one of directory.frames) {
          expect(one).toMatchObject({ start: end, firstSlot: slot });
          expect(one.count >= 1 && one.count <= 16 && Math.ceil(one.rawBytes / blockBytes) === one.count).toBe(true);
          end = one.end;
          slot += one.count;
        }
        expect(end + tail.length).toBe(sizeBytes);
        expect(directory.ids.length).toBe(slot * idBytes);
      },
    ),
    runsOf('directories'),
  );
});

test('a forged frame is refused, or has the size that it declares', () => {
  const shape = fc.record({
    count: fc.integer({ min: 1, max: 16 }),
    codec: fc.constantFrom(0 as const, 1 as const),
    rawBytes: fc.nat(16 * blockBytes),
  });
  fc.assert(
    fc.property(shape, edits(), fc.boolean(), ({ count, codec, rawBytes }, changes, honest) => {
      const source = codec === 1 ? frames[0] : frames[1];
      const group = codec === 1 ? groups[0] : groups[1];
      if (!source || !group) throw new Error('two frames');
      const declared = honest ? source.shape : { count, codec, rawBytes };
      const plaintext = Buffer.alloc(source.stored.length - tagBytes);
      const opened = openFrame(context, codec === 1 ? 0 : 1, source.shape, source.stored);
      opened.ids.copy(plaintext);
      // Compressed bytes again, without our own compressor's help: the stored ones, decrypted by the stream they were made with.
      const decipher = createCipheriv('aes-256-gcm', context.dataKey, nonceOf(codec === 1 ? 0 : 1));
      decipher.update(source.stored.subarray(0, source.stored.length - tagBytes)).copy(plaintext);
      const forged = mutate(plaintext, plaintext, changes);
      const { value } = attempt(() => openFrame(context, 9, declared, sealAsFrame(forged, 9, declared)));
      if (value) {
        expect(value.raw.length).toBe(declared.rawBytes);
        expect(value.ids.length).toBe(declared.count * idBytes);
      }
      if (changes.length === 0 && honest) expect(value?.raw.equals(Buffer.concat(group))).toBe(true);
    }),
    runsOf('frames'),
  );
});

function nonceOf(ordinal: number): Buffer {
  const nonce = Buffer.alloc(12);
  nonce.writeUInt32LE(ordinal, 8);
  return nonce;
}

function sealAsFrame(
  plaintext: Buffer,
  ordinal: number,
  shape: { count: number; codec: number; rawBytes: number },
): Buffer {
  const fixed = Buffer.alloc(12);
  fixed.writeUInt32LE(ordinal, 0);
  fixed.writeUInt16LE(shape.count, 4);
  fixed.writeUInt16LE(shape.codec, 6);
  fixed.writeUInt32LE(shape.rawBytes, 8);
  const cipher = createCipheriv('aes-256-gcm', context.dataKey, nonceOf(ordinal));
  cipher.setAAD(Buffer.concat([context.header, fixed, Buffer.from('frame\0contoso')]));
  return Buffer.concat([cipher.update(plaintext), cipher.final(), cipher.getAuthTag()]);
}
