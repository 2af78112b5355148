/**
 * Which bytes differ between two disks, from their manifests: leaves that are named alike are passed over, blocks that lie
 * in the same place are the same, and of the others the ids decide. No data are read.
 */
import type { ByteRange } from '../model/byte-range';
import type { BlockRun } from './leaf-map';
import type { PointDisk, StoredBlocks } from './point-disk';

interface Place {
  readonly run: BlockRun | undefined;
  readonly slot: number;
}

/** Ranges that differ, ascending, neighbours joined; bytes that only the longer disk has differ. */
export async function* diffBlocks(one: PointDisk, other: PointDisk, signal?: AbortSignal): AsyncGenerator<ByteRange> {
  const { blockBytes, leafBlocks } = one.blocks;
  const length = Math.max(one.sizeBytes, other.sizeBytes);
  const common = Math.min(one.sizeBytes, other.sizeBytes);
  let open: { start: number; end: number } | undefined;
  for (let leaf = 0; leaf * leafBlocks * blockBytes < length; leaf++) {
    signal?.throwIfAborted();
    const first = leaf * leafBlocks;
    if ((first + leafBlocks) * blockBytes <= common && one.blocks.leafName(leaf) === other.blocks.leafName(leaf))
      continue;
    const last = Math.ceil(Math.min(length, (first + leafBlocks) * blockBytes) / blockBytes);
    for (const block of await differing(one, other, first, last)) {
      const range = { start: block * blockBytes, end: Math.min(length, (block + 1) * blockBytes) };
      if (open?.end === range.start) {
        open.end = range.end;
      } else {
        if (open) yield open;
        open = range;
      }
    }
  }
  if (open) yield open;
}

async function differing(one: PointDisk, other: PointDisk, first: number, last: number): Promise<number[]> {
  const [a, b] = [await placesOf(one, first, last), await placesOf(other, first, last)];
  const { blockBytes } = one.blocks;
  const common = Math.min(one.sizeBytes, other.sizeBytes);
  const isLonger = one.sizeBytes !== other.sizeBytes;
  const doubtful: number[] = [];
  const blocks: number[] = [];
  for (let block = first; block < last; block++) {
    const [mine, theirs] = [a[block - first], b[block - first]];
    // Behind the end of one of them there is nothing to compare with.
    if (!mine || !theirs || (isLonger && (block + 1) * blockBytes > common)) blocks.push(block);
    else if (mine.run?.data && theirs.run?.data) {
      const same = mine.run.data.unit.unit === theirs.run.data.unit.unit && mine.slot === theirs.slot;
      if (!same) doubtful.push(block);
    } else if (mine.run?.data || theirs.run?.data) blocks.push(block);
  }
  if (doubtful.length > 0) {
    const [mine, theirs] = [await idsOf(one.blocks, doubtful, a, first), await idsOf(other.blocks, doubtful, b, first)];
    blocks.push(...doubtful.filter((block) => mine.get(block)?.equals(theirs.get(block) ?? Buffer.alloc(0)) !== true));
  }
  return blocks.sort((x, y) => x - y);
}

/** One place a block; none behind the end of the disk, and none for a last block that the other disk has longer. */
async function placesOf(disk: PointDisk, first: number, last: number): Promise<Place[]> {
  const end = Math.min(last, Math.ceil(disk.sizeBytes / disk.blocks.blockBytes));
  const places: Place[] = [];
  for (const run of first < end ? await disk.blocks.runs(first, end) : []) {
    for (let block = run.start; block < run.end; block++) {
      places.push({ run, slot: (run.data?.slot ?? 0) + block - run.start });
    }
  }
  return places;
}

async function idsOf(
  stored: StoredBlocks,
  blocks: readonly number[],
  places: readonly Place[],
  first: number,
): Promise<Map<number, Buffer>> {
  const byUnit = new Map<string, { readonly run: BlockRun; readonly blocks: number[]; readonly slots: number[] }>();
  for (const block of blocks) {
    const place = places[block - first];
    if (!place?.run?.data) continue;
    const { unit } = place.run.data.unit;
    const group = byUnit.get(unit) ?? { run: place.run, blocks: [], slots: [] };
    byUnit.set(unit, group);
    group.blocks.push(block);
    group.slots.push(place.slot);
  }
  const ids = new Map<number, Buffer>();
  for (const { run, blocks: wanted, slots } of byUnit.values()) {
    const found = run.data ? await stored.ids(run.data.unit, slots) : [];
    for (const [index, block] of wanted.entries()) ids.set(block, found[index] ?? Buffer.alloc(0));
  }
  return ids;
}
