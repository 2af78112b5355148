/** S3's flexible checksums: names, headers, running values (base64 on the wire). */
import { createHash } from 'node:crypto';
import { CRC32, CRC32C, CRC64NVME, type CrcKind, startCrc } from './crc';

export const CHECKSUM_ALGORITHMS = ['CRC32', 'CRC32C', 'CRC64NVME', 'SHA1', 'SHA256'] as const;
export type ChecksumAlgorithm = (typeof CHECKSUM_ALGORITHMS)[number];
export type ChecksumType = 'COMPOSITE' | 'FULL_OBJECT';

export interface Checksum {
  readonly algorithm: ChecksumAlgorithm;
  /** Base64; a composite one ends with `-<number of parts>`. */
  readonly value: string;
  readonly type: ChecksumType;
}

export interface RunningChecksum {
  update(bytes: Uint8Array): void;
  digest(): Buffer;
}

const CRC_KINDS: Readonly<Partial<Record<ChecksumAlgorithm, CrcKind>>> = { CRC32, CRC32C, CRC64NVME };

/** Undefined for the algorithms that are no CRC and so have no full-object form in a multipart upload. */
export function crcKindOf(algorithm: ChecksumAlgorithm): CrcKind | undefined {
  return CRC_KINDS[algorithm];
}

export function startChecksum(algorithm: ChecksumAlgorithm): RunningChecksum {
  const kind = CRC_KINDS[algorithm];
  if (kind !== undefined) return startCrc(kind);
  const hash = createHash(algorithm === 'SHA1' ? 'sha1' : 'sha256');
  return { update: (bytes) => void hash.update(bytes), digest: () => hash.digest() };
}

export function checksumOf(algorithm: ChecksumAlgorithm, bytes: Uint8Array): Buffer {
  const running = startChecksum(algorithm);
  running.update(bytes);
  return running.digest();
}

/** Whether a base64 text has the length of this algorithm's value. */
export function isChecksumValue(algorithm: ChecksumAlgorithm, value: string): boolean {
  const lengthBytes = { CRC32: 4, CRC32C: 4, CRC64NVME: 8, SHA1: 20, SHA256: 32 }[algorithm];
  return /^[A-Za-z0-9+/]+={0,2}$/.test(value) && Buffer.from(value, 'base64').length === lengthBytes;
}

export function checksumHeader(algorithm: ChecksumAlgorithm): string {
  return `x-amz-checksum-${algorithm.toLowerCase()}`;
}

/** Element name in XML bodies: `ChecksumCRC32`. */
export function checksumElement(algorithm: ChecksumAlgorithm): string {
  return `Checksum${algorithm}`;
}

export function parseChecksumAlgorithm(name: string): ChecksumAlgorithm | undefined {
  const upper = name.toUpperCase();
  return CHECKSUM_ALGORITHMS.find((algorithm) => algorithm === upper);
}

/** The algorithm that a header or trailer name such as `x-amz-checksum-crc32` stands for. */
export function algorithmOfHeader(name: string): ChecksumAlgorithm | undefined {
  const lower = name.toLowerCase();
  return CHECKSUM_ALGORITHMS.find((algorithm) => checksumHeader(algorithm) === lower);
}
