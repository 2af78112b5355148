/** The boot sector and the allocation table of FAT12, FAT16 and FAT32 (Microsoft: FAT32 File System Specification 1.03). */
import { fileLimits, notSupported, unreadable, type VolumeReader } from './file-system';

export interface FatGeometry {
  readonly kind: 'fat12' | 'fat16' | 'fat32';
  readonly label: string;
  readonly clusterBytes: number;
  readonly clusters: number;
  readonly fatStart: number;
  readonly fatBytes: number;
  /** Where cluster 2 begins. */
  readonly dataStart: number;
  /** FAT12 and FAT16: the root folder has a place of its own. */
  readonly root: { readonly start: number; readonly end: number } | { readonly cluster: number };
}

const SIGNATURE = 0xaa55;
const power = (value: number): boolean => value > 0 && (value & (value - 1)) === 0;

/** undefined: this is no FAT file system. */
export async function readFatGeometry(volume: VolumeReader, signal?: AbortSignal): Promise<FatGeometry | undefined> {
  const { sizeBytes } = volume.source;
  if (sizeBytes < 512) return undefined;
  const sector = await volume.read(0, 512, signal);
  if (sector.readUInt16LE(510) !== SIGNATURE) return undefined;
  if (sector.toString('latin1', 3, 11) === 'EXFAT   ') throw notSupported('an exFAT file system');
  const sectorBytes = sector.readUInt16LE(11);
  const clusterSectors = sector.readUInt8(13);
  const reserved = sector.readUInt16LE(14);
  const fats = sector.readUInt8(16);
  const rootEntries = sector.readUInt16LE(17);
  const media = sector.readUInt8(21);
  const total = sector.readUInt16LE(19) || sector.readUInt32LE(32);
  const fatSectors = sector.readUInt16LE(22) || sector.readUInt32LE(36);
  const looksRight =
    [512, 1024, 2048, 4096].includes(sectorBytes) &&
    power(clusterSectors) &&
    reserved > 0 &&
    (fats === 1 || fats === 2) &&
    (media === 0xf0 || media >= 0xf8) &&
    fatSectors > 0 &&
    total > 0;
  if (!looksRight) return undefined;
  const rootStart = (reserved + fats * fatSectors) * sectorBytes;
  const dataStart = rootStart + Math.ceil((rootEntries * 32) / sectorBytes) * sectorBytes;
  const end = Math.min(total * sectorBytes, sizeBytes);
  const clusterBytes = clusterSectors * sectorBytes;
  if (dataStart >= end) throw unreadable('the FAT boot sector', 'its areas do not fit into the volume');
  const clusters = Math.floor((end - dataStart) / clusterBytes);
  // The count alone decides the kind; it is that of the whole volume, also where its end is cut off.
  const declared = Math.floor((total * sectorBytes - dataStart) / clusterBytes);
  const kind = declared < 4085 ? 'fat12' : declared < 65_525 ? 'fat16' : 'fat32';
  const isOld = kind !== 'fat32';
  return {
    kind,
    label: sector.toString('latin1', isOld ? 43 : 71, isOld ? 54 : 82).trimEnd(),
    clusterBytes,
    clusters,
    fatStart: reserved * sectorBytes,
    fatBytes: fatSectors * sectorBytes,
    dataStart,
    root: isOld ? { start: rootStart, end: rootStart + rootEntries * 32 } : { cluster: sector.readUInt32LE(44) },
  };
}

/** Runs of clusters of a chain, in order. `disk.unreadable` for a circle or a link out of the volume. */
export async function* chainRuns(
  volume: VolumeReader,
  geometry: FatGeometry,
  first: number,
  signal?: AbortSignal,
): AsyncGenerator<{ readonly cluster: number; readonly count: number }> {
  let start = first;
  let count = 0;
  let followed = 0;
  let pieces = 0;
  for (let cluster = first; ; ) {
    if (cluster < 2 || cluster >= geometry.clusters + 2)
      throw unreadable(`cluster ${cluster}`, 'a chain leads out of the volume');
    // No chain is longer than there are clusters: one that is goes in a circle.
    if (++followed > geometry.clusters) throw unreadable(`cluster ${first}`, 'its chain leads in a circle');
    if (cluster === start + count) {
      count++;
    } else {
      if (++pieces > fileLimits.extentsMax) throw unreadable(`cluster ${first}`, 'its chain has too many pieces');
      yield { cluster: start, count };
      start = cluster;
      count = 1;
    }
    const next = await nextCluster(volume, geometry, cluster, signal);
    if (next === undefined) break;
    cluster = next;
  }
  yield { cluster: start, count };
}

async function nextCluster(
  volume: VolumeReader,
  { kind, fatStart, fatBytes }: FatGeometry,
  cluster: number,
  signal?: AbortSignal,
): Promise<number | undefined> {
  const at = kind === 'fat12' ? cluster + (cluster >> 1) : cluster * (kind === 'fat16' ? 2 : 4);
  const length = kind === 'fat32' ? 4 : 2;
  if (at + length > fatBytes) throw unreadable(`cluster ${cluster}`, 'it lies behind the allocation table');
  const bytes = await volume.read(fatStart + at, length, signal);
  if (kind === 'fat32') {
    const next = bytes.readUInt32LE(0) & 0x0fffffff;
    return next >= 0x0ffffff8 ? undefined : next;
  }
  const word = bytes.readUInt16LE(0);
  if (kind === 'fat16') return word >= 0xfff8 ? undefined : word;
  const next = cluster & 1 ? word >> 4 : word & 0xfff;
  return next >= 0xff8 ? undefined : next;
}
