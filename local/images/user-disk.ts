/** Vets the disk image files that a user brings, before anything is started. The files are only ever read. */
import { constants, type FileHandle, open, stat } from 'node:fs/promises';
import path from 'node:path';
import { recogniseImage } from './vhd';

export interface UserDisk {
  readonly file: string;
  readonly kind: 'raw' | 'fixed-vhd';
  /** Of the disk: without the footer of a VHD. */
  readonly diskBytes: number;
  /** Of the file, when it was vetted. */
  readonly modifiedAtMs: number;
}

/** What is wrong with a user's file, and what to do about it: shown as it is, exit code 2. */
export class UserDiskError extends Error {
  override readonly name = 'UserDiskError';
}

const MIB = 1024 * 1024;
/** The smallest disk that takes an upload; without one nothing could be restored to a managed disk. */
const DISK_BYTES_MIN = 20 * MIB;
const SECTOR_BYTES = 512;

/** Throws UserDiskError. */
export async function inspectUserDisk(file: string): Promise<UserDisk> {
  const shown = JSON.stringify(file);
  const facts = await stat(file).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT' || error.code === 'ENOTDIR') throw new UserDiskError(`${shown} does not exist`);
    throw new UserDiskError(`${shown} cannot be looked at: ${error.code}`);
  });
  if (facts.isDirectory()) throw new UserDiskError(`${shown} is a folder, not a disk image`);
  if (!facts.isFile() && !facts.isBlockDevice())
    throw new UserDiskError(`${shown} is neither a file nor a block device`);
  const disk = await open(file, constants.O_RDONLY).catch((error: NodeJS.ErrnoException) => {
    throw new UserDiskError(`${shown} cannot be read (${error.code}); give this user the right to read it`);
  });
  try {
    const fileBytes = facts.isFile() ? facts.size : await deviceBytes(disk);
    return { ...(await inspectContent(disk, path.resolve(file), fileBytes)), modifiedAtMs: facts.mtimeMs };
  } catch (error) {
    if (error instanceof UserDiskError) throw error;
    throw new UserDiskError(`${shown} cannot be read: ${error instanceof Error ? error.message : String(error)}`);
  } finally {
    await disk.close();
  }
}

/** What came back can only be compared with a file at rest. Throws UserDiskError when somebody has written to it since. */
export async function requireUnchanged(disk: Pick<UserDisk, 'file' | 'modifiedAtMs'>): Promise<void> {
  const facts = await stat(disk.file).catch((error: NodeJS.ErrnoException) => error);
  if (!(facts instanceof Error) && facts.mtimeMs === disk.modifiedAtMs) return;
  throw new UserDiskError(
    `${JSON.stringify(disk.file)} was changed by somebody else meanwhile; give the demo a file that nobody writes to`,
  );
}

async function inspectContent(
  disk: FileHandle,
  file: string,
  fileBytes: number,
): Promise<Omit<UserDisk, 'modifiedAtMs'>> {
  const shown = JSON.stringify(file);
  if (fileBytes === 0) throw new UserDiskError(`${shown} is empty`);
  const head = Buffer.alloc(SECTOR_BYTES);
  const tail = Buffer.alloc(SECTOR_BYTES);
  await disk.read(head, 0, SECTOR_BYTES, 0);
  await disk.read(tail, 0, SECTOR_BYTES, Math.max(0, fileBytes - SECTOR_BYTES));
  const image = recogniseImage(head, tail, fileBytes);
  if (image.kind === 'refused') {
    const wayOut = image.damaged
      ? `If it is meant to be a raw image, cut the footer off a copy: truncate -s -512 COPY`
      : `Convert it: qemu-img convert -O raw ${shown} disk.img`;
    throw new UserDiskError(`${shown} is a ${image.format}: ${image.why}. ${wayOut}`);
  }
  const diskBytes = image.kind === 'raw' ? fileBytes : image.diskBytes;
  if (diskBytes < DISK_BYTES_MIN || diskBytes % MIB !== 0) {
    const wanted = Math.ceil(Math.max(diskBytes, DISK_BYTES_MIN) / MIB);
    const why =
      diskBytes < DISK_BYTES_MIN
        ? 'less than the 20 MiB that Azure demands of a disk to upload'
        : 'which is no multiple of 1 MiB as Azure demands of a disk';
    throw new UserDiskError(
      `${shown} has ${diskBytes} bytes, ${why}. ` +
        (image.kind === 'raw'
          ? `Make a copy longer: truncate -s ${wanted}M COPY`
          : `Resize a copy: qemu-img resize -f vpc COPY ${wanted}M`),
    );
  }
  return { file, kind: image.kind, diskBytes };
}

/** A block device tells no size by stat; reading at a position beyond its end gives nothing. */
async function deviceBytes(disk: FileHandle): Promise<number> {
  const byte = Buffer.alloc(1);
  const has = async (position: number): Promise<boolean> => (await disk.read(byte, 0, 1, position)).bytesRead === 1;
  let above = 1;
  while (above < 2 ** 52 && (await has(above - 1))) above *= 2;
  let below = Math.floor(above / 2);
  while (above - below > 1) {
    const middle = Math.floor((above + below) / 2);
    if (await has(middle - 1)) below = middle;
    else above = middle;
  }
  return below;
}
