/** What does not shrink is seen from a probe; what does is compressed, whatever it is mixed with. */
import { createHash } from 'node:crypto';
import { codecs, compress, decompress } from '../../shared/format/compression';

const noise = (length: number): Buffer => createHash('shake256', { outputLength: length }).update('noise').digest();
const frameBytes = 1024 * 1024;

test('noise is stored raw, in the very buffer', () => {
  const raw = noise(frameBytes);
  const packed = compress(raw, 19);
  expect(packed.codec).toBe(codecs.raw);
  expect(packed.bytes).toBe(raw);
});

test.each([2, 8, 14])('a frame of which %i of 16 blocks are text is compressed', (blocks) => {
  const raw = noise(frameBytes);
  for (let block = 0; block < blocks; block++)
    raw.fill(`line of block ${block}\n`, block * 65_536, (block + 1) * 65_536);
  const packed = compress(raw, 1);
  expect(packed.codec).toBe(codecs.zstd);
  expect(packed.bytes.length).toBeLessThan(raw.length * (1 - blocks / 17));
  expect(decompress(packed, raw.length, 'frame', 'pack.corrupt').equals(raw)).toBe(true);
});

test('short pieces are not probed', () => {
  const raw = Buffer.concat([noise(60_000), Buffer.alloc(5_000)]);
  expect(compress(raw, 1).codec).toBe(codecs.zstd);
});
