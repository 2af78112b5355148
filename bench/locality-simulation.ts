/**
 * How much deduplication is lost, and how much memory won, when only every 64th block id is kept in memory (a hook) and the
 * index segment that names a hook is read when the hook is met? Simulated on a stream with the locality that backups have.
 *
 * The model: a store of `storeBlocks` unique blocks, named by segments of `segmentBlocks` neighbours. The stream repeats
 * blocks of it in runs of geometric length (mean `runBlocks`) from random places, in the order in which they were stored. A
 * repeated block is found when its segment is among those that were read last, or when it is a hook itself; the blocks of a
 * run before its first hook are stored again. Ids are keyed hashes, so which blocks are hooks is chance.
 */
import { seededNumbers } from './kit/random';

export interface LocalityOptions {
  readonly storeBlocks: number;
  /** Repeated blocks in the stream. */
  readonly streamBlocks: number;
  /** Mean length of a repeated run, in blocks. */
  readonly runBlocks: number;
  /** One id in so many is a hook. */
  readonly hookEvery: number;
  readonly segmentBlocks: number;
  /** Segments kept, the most recently used ones. */
  readonly cacheSegments: number;
}

export interface LocalityResult {
  readonly repeated: number;
  /** Repeated blocks that were not found: stored twice. The full index misses none. */
  readonly missed: number;
  readonly lostShare: number;
  /** Segments that were read, one request each. */
  readonly loads: number;
}

const TIB = 1024 ** 4;
const BLOCK_BYTES = 65_536;

/** As the product has it: 64 blocks a hook, segments of a checkpoint's packs, 32 of them kept. */
export const defaults: LocalityOptions = {
  storeBlocks: (10 * TIB) / BLOCK_BYTES,
  streamBlocks: 1_000_000,
  runBlocks: 256,
  hookEvery: 64,
  segmentBlocks: 10_000,
  cacheSegments: 32,
};

export function simulateLocality(change: Partial<LocalityOptions> = {}, seed = 'locality'): LocalityResult {
  const options = { ...defaults, ...change };
  const below = seededNumbers(seed);
  const anywhere = (): number =>
    Math.floor(((below(2 ** 26) + below(2 ** 26) / 2 ** 26) / 2 ** 26) * options.storeBlocks);
  const cache = new Map<number, true>();
  let [missed, loads, repeated] = [0, 0, 0];
  while (repeated < options.streamBlocks) {
    const first = anywhere();
    const length = Math.max(1, Math.round(-Math.log((below(2 ** 31) + 1) / 2 ** 31) * options.runBlocks));
    const end = Math.min(first + length, options.storeBlocks, first + options.streamBlocks - repeated);
    for (let block = first; block < end; block++) {
      repeated++;
      const segment = Math.floor(block / options.segmentBlocks);
      if (!cache.has(segment)) {
        // One in `hookEvery` by chance; nothing else of a keyed hash matters here.
        if (below(options.hookEvery) !== 0) {
          missed++;
          continue;
        }
        loads++;
      }
      touch(cache, segment, options.cacheSegments);
    }
  }
  return { repeated, missed, lostShare: missed / repeated, loads };
}

export interface LocalityRow {
  readonly size: string;
  readonly blocks: number;
  /** Memory of the whole index and of the hooks alone, GiB, at the measured bytes a block. */
  readonly fullGib: number;
  readonly hooksGib: number;
  /** By mean length of a repeated run. */
  readonly lost: readonly { readonly runBlocks: number; readonly share: number; readonly loadsPerGib: number }[];
}

/** The three sizes of store, and runs of 4, 16 and 64 MiB. */
export function localityTable(bytesPerBlock: number, streamBlocks = defaults.streamBlocks): LocalityRow[] {
  return [10, 100, 1024].map((tib) => {
    const blocks = (tib * TIB) / BLOCK_BYTES;
    const fullGib = (blocks * bytesPerBlock) / 1024 ** 3;
    const lost = [64, 256, 1024].map((runBlocks) => {
      const { lostShare, loads, repeated } = simulateLocality({ storeBlocks: blocks, streamBlocks, runBlocks });
      return { runBlocks, share: lostShare, loadsPerGib: loads / ((repeated * BLOCK_BYTES) / 1024 ** 3) };
    });
    return {
      size: tib === 1024 ? '1 PiB' : `${tib} TiB`,
      blocks,
      fullGib,
      hooksGib: fullGib / defaults.hookEvery,
      lost,
    };
  });
}

/** Most recently used last; the oldest goes when there are too many. */
function touch(cache: Map<number, true>, segment: number, max: number): void {
  cache.delete(segment);
  cache.set(segment, true);
  if (cache.size <= max) return;
  const [oldest] = cache.keys();
  if (oldest !== undefined) cache.delete(oldest);
}
