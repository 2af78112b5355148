/** Small files and folders of ext4 that lie in their inode: the first 60 bytes where block numbers would be, the rest in an attribute. */
import type { ExtInode } from './ext-layout';
import { unreadable } from './file-system';

const INLINE_BYTES = 60;
const ATTRIBUTE_MAGIC = 0xea020000;
const SYSTEM_INDEX = 7;

export function inlineOf(inode: ExtInode, sizeBytes: number): Buffer {
  const first = inode.blockArea.subarray(0, Math.min(INLINE_BYTES, sizeBytes));
  if (sizeBytes <= INLINE_BYTES) return first;
  const rest = attributeData(inode).subarray(0, sizeBytes - INLINE_BYTES);
  if (rest.length < sizeBytes - INLINE_BYTES) {
    throw unreadable(`inode ${inode.number}`, `it says ${sizeBytes} bytes and holds ${INLINE_BYTES + rest.length}`);
  }
  return Buffer.concat([first, rest]);
}

/** The value of `system.data` among the attributes behind the fields of the inode. */
function attributeData({ bytes, number }: ExtInode): Buffer {
  if (bytes.length < 132) return Buffer.alloc(0);
  const start = 128 + bytes.readUInt16LE(128);
  if (start + 4 > bytes.length || bytes.readUInt32LE(start) !== ATTRIBUTE_MAGIC) return Buffer.alloc(0);
  const first = start + 4;
  for (let at = first; at + 16 <= bytes.length && bytes.readUInt32LE(at) !== 0; ) {
    const nameLength = bytes.readUInt8(at);
    const isData =
      bytes.readUInt8(at + 1) === SYSTEM_INDEX && bytes.toString('latin1', at + 16, at + 16 + nameLength) === 'data';
    if (isData) {
      const offset = first + bytes.readUInt16LE(at + 2);
      const size = bytes.readUInt32LE(at + 8);
      if (bytes.readUInt32LE(at + 4) !== 0 || offset + size > bytes.length) break;
      return bytes.subarray(offset, offset + size);
    }
    at += 16 + Math.ceil(nameLength / 4) * 4;
  }
  throw unreadable(`inode ${number}`, 'its inline data');
}
