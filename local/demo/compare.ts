/** Is what came back what was there? Byte for byte by ourselves, by qemu-img, by e2fsck, and file by file. */
import { stat } from 'node:fs/promises';
import type { SampleFileSystem } from '../images/file-system';
import { firstDifference } from '../images/image-files';
import { checkSampleDisk } from '../images/sample-disk';
import { findTool, runTool } from '../images/tools';
import { requireUnchanged } from '../images/user-disk';
import type { DemoDisk } from './machines';

export interface Comparison {
  readonly disk: string;
  readonly restoredAs: 'image file' | 'managed disk' | 'first point';
  readonly bytes: number;
  /** Who judged: "bytes" always, then the tools that are installed. */
  readonly judges: readonly string[];
  readonly filesCompared: number;
  /** Empty when everything is right. */
  readonly problems: readonly string[];
}

/** `restored`: an image file that should be equal to the disk as it is now. */
export async function compareDisk(
  fileSystem: SampleFileSystem,
  disk: DemoDisk,
  restored: string,
  restoredAs: Comparison['restoredAs'],
): Promise<Comparison> {
  const userDisk = restoredAs === 'first point' ? disk.userDisk : undefined;
  const original = userDisk?.file ?? disk.image;
  const problems: string[] = [];
  const judges = ['bytes'];
  const at = await firstDifference(original, restored, disk.diskBytes);
  if (at !== undefined) problems.push(`differs from byte ${at} on`);
  const qemu = findTool('qemu-img');
  if (qemu && (await stat(original)).isFile()) {
    judges.push('qemu-img');
    const result = await runTool(qemu, ['compare', '-F', 'raw', rawDisk(original, disk.diskBytes), restored]);
    if (result.code !== 0) problems.push(`qemu-img compare: ${(result.stdout || result.stderr).trim()}`);
  }
  // The first thing to be said, because it explains the others.
  if (userDisk) await requireUnchanged(userDisk).catch((error: Error) => problems.unshift(error.message));
  let filesCompared = 0;
  if (disk.sample) {
    const check = await checkSampleDisk(fileSystem, restored, disk.sample);
    if (check.checker) judges.push(check.checker);
    judges.push('files');
    filesCompared = check.filesCompared;
    problems.push(...check.problems);
  }
  return { disk: disk.name, restoredAs, bytes: disk.diskBytes, judges, filesCompared, problems };
}

/** For qemu-img: the first `diskBytes` of a file, so that the footer of a VHD is left out. Any file name will do. */
const rawDisk = (filename: string, diskBytes: number): string =>
  `json:${JSON.stringify({ driver: 'raw', size: diskBytes, file: { driver: 'file', filename } })}`;
