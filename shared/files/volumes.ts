/** What lies on a disk: partitions, logical volumes, and the file system in each. */
import { type BlockSource, sliceSource } from '../device/block-source';
import { AppError, isAppError } from '../model/errors';
import { openExt } from './ext';
import { openFat } from './fat';
import { type FileSystem, unreadable } from './file-system';
import { guarded } from './guarded';
import { type LogicalVolume, readLvm } from './lvm';
import { openNtfs } from './ntfs';
import { type PartitionTable, readPartitions } from './partitions';

export interface Volume {
  /** By which it is asked for: the number of a partition, `group/volume`, or `disk` for a disk without a table. */
  readonly id: string;
  readonly name: string;
  /** Type of the partition, `lvm`, or empty. */
  readonly type: string;
  readonly sizeBytes: number;
  /** Kind and label of the file system; absent when there is none that can be read. */
  readonly fileSystem?: { readonly kind: string; readonly label: string };
  /** Why it cannot be read, or what is wrong with it. */
  readonly problem?: string;
}

export interface OpenVolume extends Volume {
  readonly source: BlockSource | undefined;
  readonly open: FileSystem | undefined;
}

export interface DiskContents {
  readonly scheme: 'gpt' | 'mbr' | 'none';
  readonly warnings: readonly string[];
  readonly volumes: readonly OpenVolume[];
}

interface Candidate {
  readonly id: string;
  readonly name: string;
  readonly type: string;
  readonly source: BlockSource;
}

export async function readDisk(disk: BlockSource, signal?: AbortSignal): Promise<DiskContents> {
  const table = await readPartitions(disk, signal);
  const volumes: OpenVolume[] = [];
  for (const candidate of candidatesOf(disk, table)) volumes.push(...(await openCandidate(candidate, signal)));
  return { scheme: table?.scheme ?? 'none', warnings: table?.warnings ?? [], volumes };
}

function candidatesOf(disk: BlockSource, table: PartitionTable | undefined): Candidate[] {
  if (!table) return [{ id: 'disk', name: '', type: '', source: disk }];
  return table.partitions.map(({ number, name, type, start, end }) => ({
    id: String(number),
    name,
    type,
    source: sliceSource(disk, { start, end }),
  }));
}

async function openCandidate(candidate: Candidate, signal?: AbortSignal): Promise<OpenVolume[]> {
  const { source, id, name, type } = candidate;
  const own = { id, name, type, sizeBytes: source.sizeBytes };
  try {
    const logical = await orRange(() => readLvm(source, signal));
    if (!logical) return [await withFileSystem(own, source, signal)];
    const inside: OpenVolume[] = [];
    for (const volume of logical) inside.push(await openLogical(volume, signal));
    return [{ ...own, type: type || 'lvm', source, open: undefined, problem: 'a physical volume of LVM' }, ...inside];
  } catch (error) {
    return [{ ...own, source, open: undefined, problem: reasonOf(error) }];
  }
}

function openLogical({ name, sizeBytes, source, problem }: LogicalVolume, signal?: AbortSignal): Promise<OpenVolume> {
  const own = { id: name, name, type: 'lvm', sizeBytes };
  if (!source)
    return Promise.resolve({ ...own, source, open: undefined, ...(problem === undefined ? {} : { problem }) });
  return withFileSystem(own, source, signal);
}

async function withFileSystem(own: Volume, source: BlockSource, signal?: AbortSignal): Promise<OpenVolume> {
  try {
    for (const open of [openExt, openNtfs, openFat]) {
      const found = await orRange(() => open(source, signal));
      if (!found) continue;
      const system = guarded(found);
      return { ...own, source, open: system, fileSystem: { kind: system.kind, label: system.label } };
    }
    return { ...own, source, open: undefined, problem: 'no file system that can be read (ext2/3/4, FAT, NTFS)' };
  } catch (error) {
    return { ...own, source, open: undefined, problem: reasonOf(error) };
  }
}

/** A structure that points outside of its buffer is damage of the disk, not a mistake of ours. */
async function orRange<Result>(run: () => Promise<Result>): Promise<Result> {
  try {
    return await run();
  } catch (error) {
    throw error instanceof RangeError ? unreadable('the volume', 'a structure points outside of itself') : error;
  }
}

/** What is wrong with the disk's content is shown beside the volume; what is wrong with the store is thrown. */
function reasonOf(error: unknown): string {
  if (
    isAppError(error, 'disk.unreadable') ||
    isAppError(error, 'disk.unsupported') ||
    isAppError(error, 'request.invalid')
  ) {
    return error.message.slice(error.code.length + 3);
  }
  throw error;
}

/** `request.not-found` when there is no such volume, `disk.unsupported` when it holds no file system. */
export function volumeOf(contents: DiskContents, id: string): OpenVolume & { source: BlockSource; open: FileSystem } {
  const volume = contents.volumes.find((candidate) => candidate.id === id);
  if (!volume) {
    const ids = contents.volumes.map((candidate) => candidate.id).join(', ') || 'none';
    throw new AppError('request.not-found', `there is no volume ${JSON.stringify(id.slice(0, 80))}; there are: ${ids}`);
  }
  const { source, open } = volume;
  if (!source || !open)
    throw new AppError('disk.unsupported', `volume ${id}: ${volume.problem ?? 'it cannot be read'}`);
  return { ...volume, source, open };
}
