/**
 * What the sample disks need of a file system, with two implementations: ext4 by the tools of e2fsprogs where they are
 * installed, and a plain ext2 written by ourselves where they are not. Both change the image in place, so that blocks of
 * unchanged files stay where they are, as on a disk in use.
 */
import type { Partition } from './partition-table';
import type { SampleFile } from './sample-content';

export type FileChange =
  | { readonly kind: 'add'; readonly path: string; readonly content: Buffer }
  | { readonly kind: 'remove'; readonly path: string }
  /** The file has this content from now on; it may have grown. */
  | { readonly kind: 'replace'; readonly path: string; readonly content: Buffer }
  /** Same blocks, other bytes: a database at work. */
  | { readonly kind: 'overwrite'; readonly path: string; readonly offset: number; readonly content: Buffer };

export interface SampleFileSystem {
  readonly name: 'ext4' | 'ext2';
  /** Makes the file system in the partition of `image` with these files. */
  make(image: string, partition: Partition, files: readonly SampleFile[], seed: string): Promise<void>;
  /** Applies the changes in order. The file system must be one that this implementation made. */
  change(image: string, partition: Partition, changes: readonly FileChange[]): Promise<void>;
  /** SHA-256 of a file's content, read from the image itself; undefined when there is no such file. */
  hashOf(image: string, partition: Partition, path: string): Promise<string | undefined>;
}
