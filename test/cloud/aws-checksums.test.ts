import { createHash, randomBytes } from 'node:crypto';
import { CHECKSUM_ALGORITHMS, checksumOf, startChecksum } from '../../local/cloud/aws/wire/checksums';
import { CRC32, CRC32C, CRC64NVME, combineCrc, startCrc } from '../../local/cloud/aws/wire/crc';

test.each([
  ['CRC32', 'cbf43926'],
  ['CRC32C', 'e3069283'],
  ['CRC64NVME', 'ae8b14860a799888'],
] as const)('%s has the check value of its specification', (algorithm, hex) => {
  expect(checksumOf(algorithm, Buffer.from('123456789')).toString('hex')).toBe(hex);
});

test('SHA checksums are those of node:crypto', () => {
  const bytes = randomBytes(1000);
  expect(checksumOf('SHA256', bytes)).toEqual(createHash('sha256').update(bytes).digest());
  expect(checksumOf('SHA1', bytes)).toEqual(createHash('sha1').update(bytes).digest());
});

test.each(CHECKSUM_ALGORITHMS)('%s does not depend on how the data is cut', (algorithm) => {
  const bytes = randomBytes(10_007);
  const running = startChecksum(algorithm);
  for (let at = 0; at < bytes.length; ) {
    const next = Math.min(bytes.length, at + 1 + ((at * 7919) % 97));
    running.update(bytes.subarray(at, next));
    at = next;
  }
  expect(running.digest()).toEqual(checksumOf(algorithm, bytes));
});

test.each([
  ['CRC32', CRC32],
  ['CRC32C', CRC32C],
  ['CRC64NVME', CRC64NVME],
] as const)('two %s combine to that of the whole, for any cut', (_name, kind) => {
  const bytes = randomBytes(70_001);
  const crc = (part: Uint8Array): Buffer => {
    const running = startCrc(kind);
    running.update(part);
    return running.digest();
  };
  for (const cut of [0, 1, 8, 65_536, 70_000, 70_001]) {
    const second = bytes.subarray(cut);
    expect(combineCrc(kind, crc(bytes.subarray(0, cut)), crc(second), second.length)).toEqual(crc(bytes));
  }
});
