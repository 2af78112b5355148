/** Is what came back what was there? Byte for byte by ourselves, by qemu-img, by e2fsck, and file by file. */
import { stat } from 'node:fs/promises';
import type { SampleFileSystem } from '../images/file-system';
import { firstDifference } from '../images/image-files';
import { checkSampleDisk } from '../images/sample-disk';
import { findTool, runTool } from '../images/tools';
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
  const original = restoredAs === 'first point' ? (disk.userFile ?? disk.image) : disk.image;
  const problems: string[] = [];
  const judges = ['bytes'];
  const at = await firstDifference(original, restored, disk.diskBytes);
  if (at !== undefined) problems.push(`differs from byte ${at} on`);
  const qemu = findTool('qemu-img');
  // Of a VHD qemu would compare the footer too, which is not part of the disk.
  if (qemu && (await stat(original)).size === disk.diskBytes) {
    judges.push('qemu-img');
    const result = await runTool(qemu, ['compare', '-f', 'raw', '-F', 'raw', original, restored]);
    if (result.code !== 0) problems.push(`qemu-img compare: ${(result.stdout || result.stderr).trim()}`);
  }
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
