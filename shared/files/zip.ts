/** A zip archive as a stream (PKWARE APPNOTE 6.3): stored, sizes behind the content, zip64 throughout where a size may need it. */
import { crc32 } from 'node:zlib';

export interface ZipMember {
  /** Relative, `/` between names, at its end for a folder. */
  readonly path: string;
  readonly modifiedAt: string | undefined;
  readonly mode: number;
}

interface WrittenMember extends ZipMember {
  readonly crc: number;
  readonly sizeBytes: number;
  readonly offset: number;
}

const UTF8_AND_DESCRIPTOR = 0x0808;
const VERSION = 45;
const MADE_BY_UNIX = (3 << 8) | VERSION;
const FULL = 0xffffffff;

export class ZipWriter {
  private readonly members: WrittenMember[] = [];
  private offset = 0;

  /** Header, content and descriptor of a member. */
  async *add(member: ZipMember, content: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
    const offset = this.offset;
    yield this.count(localHeader(member));
    let crc = 0;
    let sizeBytes = 0;
    for await (const piece of content) {
      crc = crc32(piece, crc);
      sizeBytes += piece.length;
      yield this.count(piece);
    }
    const descriptor = Buffer.alloc(24);
    descriptor.writeUInt32LE(0x08074b50, 0);
    descriptor.writeUInt32LE(crc, 4);
    descriptor.writeBigUInt64LE(BigInt(sizeBytes), 8);
    descriptor.writeBigUInt64LE(BigInt(sizeBytes), 16);
    yield this.count(descriptor);
    this.members.push({ ...member, crc, sizeBytes, offset });
  }

  *end(): Generator<Buffer> {
    const start = this.offset;
    for (const member of this.members) yield this.count(centralHeader(member));
    yield endRecords(this.members.length, start, this.offset - start);
  }

  private count(bytes: Buffer): Buffer {
    this.offset += bytes.length;
    return bytes;
  }
}

function localHeader({ path, modifiedAt }: ZipMember): Buffer {
  const name = Buffer.from(path);
  const header = Buffer.alloc(30);
  header.writeUInt32LE(0x04034b50, 0);
  header.writeUInt16LE(VERSION, 4);
  header.writeUInt16LE(UTF8_AND_DESCRIPTOR, 6);
  header.writeUInt32LE(dosTime(modifiedAt), 10);
  // Full fields and a zip64 extra: the descriptor has 64-bit sizes then.
  header.writeUInt32LE(FULL, 18);
  header.writeUInt32LE(FULL, 22);
  header.writeUInt16LE(name.length, 26);
  header.writeUInt16LE(20, 28);
  const extra = Buffer.alloc(20);
  extra.writeUInt16LE(1, 0);
  extra.writeUInt16LE(16, 2);
  return Buffer.concat([header, name, extra]);
}

function centralHeader({ path, modifiedAt, mode, crc, sizeBytes, offset }: WrittenMember): Buffer {
  const name = Buffer.from(path);
  const header = Buffer.alloc(46);
  header.writeUInt32LE(0x02014b50, 0);
  header.writeUInt16LE(MADE_BY_UNIX, 4);
  header.writeUInt16LE(VERSION, 6);
  header.writeUInt16LE(UTF8_AND_DESCRIPTOR, 8);
  header.writeUInt32LE(dosTime(modifiedAt), 12);
  header.writeUInt32LE(crc, 16);
  header.writeUInt32LE(FULL, 20);
  header.writeUInt32LE(FULL, 24);
  header.writeUInt16LE(name.length, 28);
  header.writeUInt16LE(28, 30);
  header.writeUInt32LE(((mode & 0xffff) << 16) >>> 0, 38);
  header.writeUInt32LE(FULL, 42);
  const extra = Buffer.alloc(28);
  extra.writeUInt16LE(1, 0);
  extra.writeUInt16LE(24, 2);
  extra.writeBigUInt64LE(BigInt(sizeBytes), 4);
  extra.writeBigUInt64LE(BigInt(sizeBytes), 12);
  extra.writeBigUInt64LE(BigInt(offset), 20);
  return Buffer.concat([header, name, extra]);
}

function endRecords(count: number, start: number, length: number): Buffer {
  const end64 = Buffer.alloc(56);
  end64.writeUInt32LE(0x06064b50, 0);
  end64.writeBigUInt64LE(44n, 4);
  end64.writeUInt16LE(MADE_BY_UNIX, 12);
  end64.writeUInt16LE(VERSION, 14);
  end64.writeBigUInt64LE(BigInt(count), 24);
  end64.writeBigUInt64LE(BigInt(count), 32);
  end64.writeBigUInt64LE(BigInt(length), 40);
  end64.writeBigUInt64LE(BigInt(start), 48);
  const locator = Buffer.alloc(20);
  locator.writeUInt32LE(0x07064b50, 0);
  locator.writeBigUInt64LE(BigInt(start + length), 8);
  locator.writeUInt32LE(1, 16);
  const end = Buffer.alloc(22);
  end.writeUInt32LE(0x06054b50, 0);
  end.writeUInt16LE(Math.min(count, 0xffff), 8);
  end.writeUInt16LE(Math.min(count, 0xffff), 10);
  end.writeUInt32LE(Math.min(length, FULL), 12);
  end.writeUInt32LE(Math.min(start, FULL), 16);
  return Buffer.concat([end64, locator, end]);
}

/** Time in the low half, date in the high one; from 1980 to 2107. */
function dosTime(modifiedAt: string | undefined): number {
  const at = new Date(modifiedAt ?? '1980-01-01T00:00:00Z');
  const year = at.getUTCFullYear();
  if (!(year >= 1980 && year <= 2107)) return 0x210000;
  const date = ((year - 1980) << 9) | ((at.getUTCMonth() + 1) << 5) | at.getUTCDate();
  const time = (at.getUTCHours() << 11) | (at.getUTCMinutes() << 5) | (at.getUTCSeconds() >> 1);
  return ((date << 16) | time) >>> 0;
}
