/** The index of an NTFS folder: its root in the record, its blocks behind. All blocks are read in a row; the tree is not walked. */
import { unreadable } from './file-system';
import { attributeTypes, type NtfsAttribute } from './ntfs-record';

export interface IndexEntry {
  readonly record: number;
  readonly name: string;
  /** A name for DOS beside the real one. */
  readonly isShort: boolean;
}

const FOLDER_INDEX = '$I30';
const DOS_NAMESPACE = 2;
const LAST = 2;

export function indexPartsOf(attributes: readonly NtfsAttribute[], what: string) {
  const named = attributes.filter(({ name }) => name === FOLDER_INDEX);
  const root = named.find(({ type }) => type === attributeTypes.indexRoot)?.resident;
  if (!root || root.length < 32) throw unreadable(what, 'it has no index');
  const blockBytes = root.readUInt32LE(8);
  if (blockBytes < 512 || blockBytes > 65_536 || blockBytes % 512 !== 0)
    throw unreadable(what, `index blocks of ${blockBytes} bytes`);
  const allocation = named
    .filter(({ type }) => type === attributeTypes.indexAllocation)
    .sort((a, b) => a.firstCluster - b.firstCluster);
  return { root, allocation, blockBytes };
}

export async function* indexEntries(
  root: Buffer,
  blocks: AsyncIterable<Buffer>,
  what: string,
): AsyncGenerator<IndexEntry> {
  yield* entriesOf(root, 16, what);
  for await (const block of blocks) yield* entriesOf(block, 24, what);
}

/** `header`: where the index header begins, from which its offsets count. */
function* entriesOf(bytes: Buffer, header: number, what: string): Generator<IndexEntry> {
  const bad = () => unreadable(what, 'the entries of its index are damaged');
  const end = Math.min(bytes.length, header + bytes.readUInt32LE(header + 4));
  for (let at = header + bytes.readUInt32LE(header); at + 16 <= end; ) {
    const length = bytes.readUInt16LE(at + 8);
    if (length < 16 || at + length > end) throw bad();
    if (bytes.readUInt16LE(at + 12) & LAST) return;
    if (length < 16 + 66) throw bad();
    const nameLength = bytes.readUInt8(at + 16 + 64) * 2;
    if (16 + 66 + nameLength > length) throw bad();
    yield {
      record: bytes.readUIntLE(at, 6),
      name: bytes.toString('utf16le', at + 82, at + 82 + nameLength),
      isShort: bytes.readUInt8(at + 16 + 65) === DOS_NAMESPACE,
    };
    at += length;
  }
}
