/**
 * A sample disk: partition table, file system, known files. It changes as a disk in use does (logs grow, database pages
 * are rewritten in place, a file goes, a file comes), and any copy of it can be checked down to its files.
 */
import { open } from 'node:fs/promises';
import { atOffset } from './ext4-tools';
import type { FileChange, SampleFileSystem } from './file-system';
import { type Partition, partitionOf, type TableKind, writePartitionTable } from './partition-table';
import { type ContentEdit, contentOf, makeContent, type SampleFile, seededNumbers, sha256Of } from './sample-content';
import { findTool, runTool } from './tools';

export interface SampleDiskSpec {
  readonly diskBytes: number;
  readonly table: TableKind;
  /** Two disks with one seed and the same files are alike, as two VMs made from one image. */
  readonly seed: string;
  readonly files: readonly SampleFile[];
}

export interface SampleDisk {
  readonly image: string;
  readonly partition: Partition;
  /** The files as they are now. */
  readonly files: readonly SampleFile[];
}

export interface DiskCheck {
  /** What judged the file system; undefined when no tool for it is installed. */
  readonly checker: string | undefined;
  readonly filesCompared: number;
  /** Empty when everything is as it was. */
  readonly problems: readonly string[];
}

export async function makeSampleDisk(
  fileSystem: SampleFileSystem,
  image: string,
  spec: SampleDiskSpec,
): Promise<SampleDisk> {
  const disk = await open(image, 'wx');
  try {
    await disk.truncate(spec.diskBytes);
    await writePartitionTable(disk, { kind: spec.table, diskBytes: spec.diskBytes, seed: spec.seed });
  } finally {
    await disk.close();
  }
  const partition = partitionOf(spec.diskBytes);
  await fileSystem.make(image, partition, spec.files, spec.seed);
  return { image, partition, files: spec.files };
}

/** Lets the disk age by one round. Answers the disk with its new files; the image is changed in place. */
export async function ageSampleDisk(
  fileSystem: SampleFileSystem,
  disk: SampleDisk,
  round: string,
): Promise<SampleDisk> {
  const { files, changes } = planAgeing(disk.files, round);
  await fileSystem.change(disk.image, disk.partition, changes);
  return { ...disk, files };
}

/** Pure: what happens to these files in a round, and what they are afterwards. */
export function planAgeing(
  files: readonly SampleFile[],
  round: string,
): { readonly files: readonly SampleFile[]; readonly changes: readonly FileChange[] } {
  const changes: FileChange[] = [];
  const victim = files.filter((file) => file.kind === 'media' || file.kind === 'text').at(-1);
  const after: SampleFile[] = [];
  for (const file of files) {
    if (file === victim) {
      changes.push({ kind: 'remove', path: file.path });
      continue;
    }
    const edits = editsOf(file, round);
    const aged = edits.length === 0 ? file : { ...file, edits: [...(file.edits ?? []), ...edits] };
    after.push(aged);
    if (file.kind === 'log') changes.push({ kind: 'replace', path: file.path, content: contentOf(aged) });
    else for (const edit of edits) changes.push(overwriteOf(file.path, edit));
  }
  const fresh: SampleFile = {
    path: `/new-in-round-${round}.bin`,
    kind: 'media',
    seed: `${round}/new`,
    bytes: 768 * 1024,
  };
  changes.push({ kind: 'add', path: fresh.path, content: contentOf(fresh) });
  return { files: [...after, fresh], changes };
}

/**
 * Is this image (a restored copy of the disk) a sound file system with exactly these contents? Uses e2fsck where it is
 * installed, and reads every file out of the image.
 */
export async function checkSampleDisk(
  fileSystem: SampleFileSystem,
  image: string,
  expected: Pick<SampleDisk, 'partition' | 'files'>,
): Promise<DiskCheck> {
  const problems: string[] = [];
  const checker = findTool('e2fsck');
  if (checker) {
    const result = await runTool(checker, ['-f', '-n', atOffset(image, expected.partition)]);
    if (result.code !== 0) problems.push(`e2fsck ended with ${result.code}: ${result.stdout.trim().slice(-300)}`);
  }
  for (const file of expected.files) {
    const found = await fileSystem.hashOf(image, expected.partition, file.path);
    if (found === undefined) problems.push(`${file.path} is missing`);
    else if (found !== sha256Of(contentOf(file))) problems.push(`${file.path} has other content`);
  }
  return { checker: checker && 'e2fsck', filesCompared: expected.files.length, problems };
}

function editsOf(file: SampleFile, round: string): ContentEdit[] {
  if (file.kind === 'log') {
    const length = contentOf(file).length;
    return [{ offset: length, kind: 'log', seed: `${file.seed}/${round}`, bytes: 192 * 1024 }];
  }
  if (file.kind !== 'database') return [];
  const number = seededNumbers(`${file.seed}/${round}`);
  const pageBytes = 8192;
  const pages = Math.floor(file.bytes / pageBytes);
  // Updates cluster around hot spots; about two in a hundred pages.
  return Array.from({ length: Math.ceil(pages / 50) }, (_none, index) => {
    const page = Math.floor(number() * number() * pages);
    return { offset: page * pageBytes + 64, kind: 'media', seed: `${file.seed}/${round}/${index}`, bytes: 2048 };
  });
}

function overwriteOf(path: string, edit: ContentEdit): FileChange {
  return { kind: 'overwrite', path, offset: edit.offset, content: makeContent(edit.kind, edit.seed, edit.bytes) };
}
