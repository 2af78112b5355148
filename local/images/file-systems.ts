/** Chooses the file system of the sample disks. */
import { createExt2 } from './ext2';
import { createExt4 } from './ext4-tools';
import type { SampleFileSystem } from './file-system';

/** ext4 where e2fsprogs is installed, else our own ext2. */
export const chooseFileSystem = (): SampleFileSystem => createExt4() ?? createExt2();
