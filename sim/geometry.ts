/**
 * The product's sizes, a thousand times smaller, so that a disk of 24 blocks has windows, leaves, frames and packs like one of
 * 24 TiB, and a run of some thousand steps costs milliseconds. Must be imported before anything of the product: some of its
 * modules compute with these numbers while they load. Nothing else of the product is changed for the simulation.
 */
import { KIB, limits } from '../shared/model/limits';

export const geometry = {
  blockBytes: KIB,
  frameBlocks: 4,
  packBytes: 5 * KIB,
  leafBytes: 8 * KIB,
  windowBytesDefault: 16 * KIB,
  readBytesMax: 8 * KIB,
  checkedReadBytesMax: 4 * KIB,
  readGapBytes: 2 * KIB,
  putPageBytesMax: 4 * KIB,
  checkpointStoredBytes: 8 * KIB,
  checkpointReadBytes: 12 * KIB,
  auditBlocksPerWindow: 2,
  verifySampleBlocks: 16,
} satisfies Partial<Record<keyof typeof limits, number>>;

Object.assign(limits, geometry);
