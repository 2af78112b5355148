/** A disk backed up by the real pipeline into memory, opened again as a block source. */
import { inlinePool } from '../../shared/blockstore/compute-pool';
import { createPointDisks, type PointDisk, type PointDisks } from '../../shared/device/point-disk';
import { type BackupBench, backupBench, vmKey } from '../helpers/backup-bench';
import { FakeDisk } from '../helpers/fake-disk';
import { type MemoryStores, memoryStores } from '../helpers/memory-object-store';

export interface StoredDisk {
  readonly bench: BackupBench;
  readonly pointId: string;
  readonly content: FakeDisk;
  /** A new set of caches each time; `calls` of the stores are forgotten first. */
  open(stores?: MemoryStores): Promise<{ readonly disk: PointDisk; readonly disks: PointDisks }>;
}

export async function storeDisk(content: FakeDisk, bench = backupBench(), jobId = 'job-1'): Promise<StoredDisk> {
  const { point } = await bench.backup(jobId, [
    { lun: 'os', snapshotId: bench.access.snapshot(`s-${jobId}`, content) },
  ]);
  return {
    bench,
    pointId: point.id,
    content,
    open: async (stores = bench.stores) => {
      const disks = createPointDisks({ repository: await bench.repository(stores), pool: inlinePool });
      const disk = await disks.open({ vmKey, pointId: point.id, lun: 'os' });
      stores.data.calls.length = 0;
      return { disk, disks };
    },
  };
}

/** The whole of an image as a disk in memory. */
export const diskOfImage = (image: Buffer): FakeDisk => new FakeDisk(image.length).write(0, image);

export { memoryStores };
