/** What the golden repository must give back: sizes and digests of every disk of every point, kept beside it. */
import { createHash } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import type { Lun } from '../../shared/model/machine';
import type { SparseBytes } from '../helpers/sparse-bytes';
import type { GoldenWorld } from './golden-world';

export interface ExpectedDisk {
  readonly tenant: string;
  readonly vm: string;
  readonly vmKey: string;
  readonly pointId: string;
  readonly lun: Lun;
  readonly sizeBytes: number;
  /** SHA-256 of the whole raw image, zeros included. */
  readonly sha256: string;
}

export interface Expectation {
  readonly madeWith: { readonly node: string; readonly zstd: string };
  readonly disks: readonly ExpectedDisk[];
}

export function writeExpectation(file: string, world: GoldenWorld): void {
  const expectation: Expectation = {
    madeWith: { node: process.versions.node, zstd: process.versions['zstd'] ?? '' },
    disks: world.disks.map(({ content, ...disk }) => ({
      ...disk,
      sizeBytes: content.length,
      sha256: digestOfDisk(content),
    })),
  };
  writeFileSync(file, `${JSON.stringify(expectation, undefined, 2)}\n`);
}

export const readExpectation = (file: string): Expectation => JSON.parse(readFileSync(file, 'utf8')) as Expectation;

export function digestOfDisk(disk: SparseBytes): string {
  const hash = createHash('sha256');
  const step = 8 * 2 ** 20;
  for (let at = 0; at < disk.length; at += step) hash.update(disk.read(at, Math.min(disk.length, at + step)));
  return hash.digest('hex');
}
