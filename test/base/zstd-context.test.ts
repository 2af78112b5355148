/** Kept contexts give what the documented calls of node:zlib give, byte for byte, also behind a frame that went wrong. */
import { createHash } from 'node:crypto';
import { constants, zstdCompressSync, zstdDecompressSync } from 'node:zlib';
import fc from 'fast-check';
import { unzstdInto, zstdBound, zstdInto } from '../../shared/base/zstd-context';

const noise = (length: number, seed = ''): Buffer =>
  createHash('shake256', { outputLength: length }).update(`noise${seed}`).digest();
/** Half noise, half text, mixed in pieces of a kilobyte. */
const mixed = (length: number): Buffer => {
  const raw = noise(length);
  for (let at = 0; at < length; at += 2048) raw.fill(`line ${at}\n`, at, Math.min(length, at + 1024));
  return raw;
};
const documented = (raw: Buffer, level: number): Buffer =>
  zstdCompressSync(raw, {
    chunkSize: zstdBound(raw.length),
    params: { [constants.ZSTD_c_compressionLevel]: level },
  });
const packed = (raw: Buffer, level = 1): Buffer => {
  const into = Buffer.alloc(zstdBound(raw.length));
  const length = zstdInto(raw, level, into);
  if (length === undefined) throw new Error('this Node has no such handle: the documented way would be used');
  return into.subarray(0, length);
};

test.each([1, 2, 3, 9, 19])('level %i: the same bytes as by the documented call, again and again', (level) => {
  for (const length of [1, 63, 255, 256, 65_535, 65_792, 300_000, 1_048_576]) {
    const raw = mixed(length);
    const bytes = packed(raw, level);
    expect(bytes.equals(documented(raw, level))).toBe(true);
    const back = Buffer.alloc(length);
    expect(unzstdInto(bytes, back)).toBe(true);
    expect(back.equals(raw)).toBe(true);
  }
});

test('what does not fit leaves nothing behind for the next frame', () => {
  const raw = mixed(300_000);
  for (const room of [0, 1, 1000, 100_000]) expect(zstdInto(raw, 1, Buffer.alloc(room))).toBeUndefined();
  expect(packed(raw).equals(documented(raw, 1))).toBe(true);
});

test('a frame that is cut off, followed by more, of another size or damaged is refused, and the next one is right', () => {
  const raw = mixed(200_000);
  const frame = Buffer.from(packed(raw));
  const into = Buffer.alloc(raw.length);
  const refused = (bytes: Buffer, room = into): void => {
    expect(unzstdInto(bytes, room)).toBe(false);
    expect(unzstdInto(frame, into)).toBe(true);
    expect(into.equals(raw)).toBe(true);
  };
  for (const length of [0, 4, 8, 20, frame.length - 1]) refused(frame.subarray(0, length));
  refused(Buffer.concat([frame, frame]));
  refused(Buffer.concat([frame, Buffer.of(0)]));
  refused(frame, Buffer.alloc(raw.length - 1));
  refused(frame, Buffer.alloc(raw.length + 1));
  // Without a declared size, as a stream writes it: not ours, so it goes the documented way.
  refused(zstdCompressSync(Buffer.alloc(0)));
});

test('whatever bits flip, it says so or gives what the documented call gives', () => {
  const raw = mixed(70_000);
  const frame = packed(raw);
  const into = Buffer.alloc(raw.length);
  let taken = 0;
  fc.assert(
    // Half of them among the headers, where everything hangs on each bit.
    fc.property(fc.oneof(fc.nat(frame.length * 8 - 1), fc.nat(255)), (bit) => {
      const bytes = Buffer.from(frame);
      bytes[bit >> 3] = (bytes[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      if (!unzstdInto(bytes, into)) return;
      taken++;
      expect(zstdDecompressSync(bytes, { maxOutputLength: raw.length }).equals(into)).toBe(true);
    }),
    { numRuns: 1500 },
  );
  // zstd has no checksum of its own here: most flips in literals decode, to other bytes, as they do the documented way.
  expect(taken).toBeGreaterThan(100);
});

test('where Node has no such handle, it says no, and frames are packed the documented way', () => {
  jest.isolateModules(() => {
    jest.doMock('node:zlib', () => ({
      ...jest.requireActual('node:zlib'),
      createZstdCompress: () => ({}),
      createZstdDecompress: () => ({}),
    }));
    const without = require('../../shared/base/zstd-context') as typeof import('../../shared/base/zstd-context');
    const { compress, decompressInto } =
      require('../../shared/format/compression') as typeof import('../../shared/format/compression');
    const raw = mixed(1_048_576);
    const scratch = Buffer.alloc(zstdBound(raw.length));
    expect(without.zstdInto(raw, 1, scratch)).toBeUndefined();
    expect(without.unzstdInto(documented(raw, 1), Buffer.alloc(raw.length))).toBe(false);
    const done = compress(raw, 1, scratch);
    expect(done.bytes.equals(documented(raw, 1))).toBe(true);
    const back = Buffer.alloc(raw.length);
    decompressInto(done, back, 'frame', 'pack.corrupt');
    expect(back.equals(raw)).toBe(true);
  });
});
