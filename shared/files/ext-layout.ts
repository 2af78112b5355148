/** Superblock, group descriptors and inodes of ext2, ext3 and ext4 (kernel: Documentation/filesystems/ext4). */
import { type FileNode, type NodeKind, notSupported, timeOf, unreadable, type VolumeReader } from './file-system';

export interface ExtGeometry {
  readonly kind: 'ext2' | 'ext3' | 'ext4';
  readonly label: string;
  readonly blockBytes: number;
  readonly blocks: number;
  readonly inodes: number;
  readonly inodesPerGroup: number;
  readonly inodeBytes: number;
  readonly descriptorBytes: number;
  readonly groups: number;
  readonly firstBlock: number;
  /** With META_BG: descriptors lie in their own groups from this block of descriptors on. */
  readonly firstMetaGroup: number | undefined;
  readonly blocksPerGroup: number;
}

export interface ExtInode {
  readonly number: number;
  readonly node: FileNode;
  readonly flags: number;
  readonly blockArea: Buffer;
  /** The whole record. */
  readonly bytes: Buffer;
}

const MAGIC = 0xef53;
const compat = { hasJournal: 0x4 } as const;
const incompat = {
  compression: 0x1,
  filetype: 0x2,
  recover: 0x4,
  journalDevice: 0x8,
  metaGroups: 0x10,
  extents: 0x40,
  bits64: 0x80,
  mmp: 0x100,
  flexGroups: 0x200,
  eaInode: 0x400,
  dirData: 0x1000,
  checksumSeed: 0x2000,
  largeDir: 0x4000,
  inlineData: 0x8000,
  encrypt: 0x10000,
  casefold: 0x20000,
} as const;
/** What changes where things lie in a way that is not read here. Encrypted files are refused one by one. */
const REFUSED = incompat.compression | incompat.journalDevice | incompat.dirData;
const KNOWN = Object.values(incompat).reduce((sum, bit) => sum | bit, 0);
export const inodeFlags = { encrypted: 0x800, extents: 0x80000, inlineData: 0x10000000 } as const;
const kinds: Readonly<Record<number, NodeKind>> = { 32768: 'file', 16384: 'folder', 40960: 'link' };

/** undefined: this is no ext file system. */
export async function readGeometry(volume: VolumeReader, signal?: AbortSignal): Promise<ExtGeometry | undefined> {
  if (volume.source.sizeBytes < 2048) return undefined;
  const block = await volume.read(1024, 1024, signal);
  if (block.readUInt16LE(56) !== MAGIC) return undefined;
  const features = block.readUInt32LE(96);
  const unknown = features & (REFUSED | ~KNOWN);
  if (unknown !== 0) throw notSupported(`an ext file system with features 0x${(unknown >>> 0).toString(16)}`);
  const has64 = (features & incompat.bits64) !== 0;
  const logBlock = block.readUInt32LE(24);
  const revision = block.readUInt32LE(76);
  const geometry: ExtGeometry = {
    kind: features & incompat.extents ? 'ext4' : block.readUInt32LE(92) & compat.hasJournal ? 'ext3' : 'ext2',
    label: block.toString('utf8', 120, 136).replace(/\0[\s\S]*$/, ''),
    blockBytes: logBlock <= 6 ? 1024 << logBlock : 0,
    blocks: block.readUInt32LE(4) + (has64 ? block.readUInt32LE(336) * 2 ** 32 : 0),
    inodes: block.readUInt32LE(0),
    inodesPerGroup: block.readUInt32LE(40),
    inodeBytes: revision === 0 ? 128 : block.readUInt16LE(88),
    descriptorBytes: has64 ? block.readUInt16LE(254) : 32,
    blocksPerGroup: block.readUInt32LE(32),
    firstBlock: block.readUInt32LE(20),
    groups: 0,
    firstMetaGroup: features & incompat.metaGroups ? block.readUInt32LE(260) : undefined,
  };
  const { blockBytes, inodeBytes, descriptorBytes, inodesPerGroup, blocksPerGroup, blocks } = geometry;
  const groups = Math.ceil((blocks - geometry.firstBlock) / blocksPerGroup);
  const sane =
    blockBytes > 0 &&
    inodeBytes >= 128 &&
    inodeBytes <= blockBytes &&
    descriptorBytes >= 32 &&
    descriptorBytes <= blockBytes &&
    inodesPerGroup > 0 &&
    blocksPerGroup > 0 &&
    groups > 0 &&
    groups < 2 ** 26;
  if (!sane) throw unreadable('the ext superblock', 'its sizes make no sense');
  return { ...geometry, groups };
}

/** Where the table of inodes of a group begins. */
async function inodeTable(
  volume: VolumeReader,
  geometry: ExtGeometry,
  group: number,
  signal?: AbortSignal,
): Promise<number> {
  const { blockBytes, descriptorBytes, firstBlock, firstMetaGroup, blocksPerGroup } = geometry;
  const perBlock = Math.floor(blockBytes / descriptorBytes);
  const meta = Math.floor(group / perBlock);
  let block = firstBlock + 1 + meta;
  if (firstMetaGroup !== undefined && meta >= firstMetaGroup) {
    const first = meta * perBlock;
    block = firstBlock + first * blocksPerGroup + (hasSuperblock(first) ? 1 : 0);
  }
  const descriptor = await volume.read(
    block * blockBytes + (group % perBlock) * descriptorBytes,
    descriptorBytes,
    signal,
  );
  const high = descriptorBytes >= 64 ? descriptor.readUInt32LE(40) * 2 ** 32 : 0;
  return descriptor.readUInt32LE(8) + high;
}

/** With SPARSE_SUPER, which every META_BG file system has. */
function hasSuperblock(group: number): boolean {
  if (group <= 1) return true;
  return [3, 5, 7].some((base) => {
    let power = base;
    while (power < group) power *= base;
    return power === group;
  });
}

export async function readInode(
  volume: VolumeReader,
  geometry: ExtGeometry,
  number: number,
  signal?: AbortSignal,
): Promise<ExtInode> {
  const { inodes, inodesPerGroup, inodeBytes, blockBytes } = geometry;
  if (number < 1 || number > inodes) throw unreadable(`inode ${number}`, `there are ${inodes}`);
  const table = await inodeTable(volume, geometry, Math.floor((number - 1) / inodesPerGroup), signal);
  const at = table * blockBytes + ((number - 1) % inodesPerGroup) * inodeBytes;
  const raw = await volume.read(at, inodeBytes, signal);
  const mode = raw.readUInt16LE(0);
  const kind = kinds[mode & 0xf000] ?? 'other';
  const sizeBytes =
    raw.readUInt32LE(4) + (kind === 'folder' && geometry.kind !== 'ext4' ? 0 : raw.readUInt32LE(108)) * 2 ** 32;
  if (!Number.isSafeInteger(sizeBytes)) throw unreadable(`inode ${number}`, `a size of ${sizeBytes} bytes`);
  // The low two bits of the extra field carry the time beyond 2038.
  const epoch = inodeBytes >= 140 && raw.readUInt16LE(128) >= 12 ? raw.readUInt32LE(136) & 3 : 0;
  const modifiedAt = timeOf(raw.readInt32LE(16) + epoch * 2 ** 32);
  return {
    number,
    flags: raw.readUInt32LE(32),
    blockArea: raw.subarray(40, 100),
    bytes: raw,
    node: {
      id: String(number),
      kind,
      sizeBytes,
      mode: mode & 0o7777,
      uid: raw.readUInt16LE(2) + raw.readUInt16LE(120) * 65_536,
      gid: raw.readUInt16LE(24) + raw.readUInt16LE(122) * 65_536,
      ...(modifiedAt === undefined ? {} : { modifiedAt }),
    },
  };
}
