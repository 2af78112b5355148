/**
 * LVM2: the logical volumes of a physical volume, as far as they are linear and lie on this one (lvm2: format_text/layout.h).
 * Others are named with the reason why they cannot be opened.
 */
import { type BlockSource, type Extent, joinExtents, requireInside } from '../device/block-source';
import type { ByteRange } from '../model/byte-range';
import { unreadable } from './file-system';
import { type LvmSection, numberOf, parseLvmText, sectionsOf, textOf } from './lvm-text';

export interface LogicalVolume {
  /** `group/volume`. */
  readonly name: string;
  readonly sizeBytes: number;
  readonly source: BlockSource | undefined;
  /** Why there is no source. */
  readonly problem?: string;
}

const SECTOR = 512;
const MDA_MAGIC = ' LVM2 x[5A%r0N*>';
const TEXT_BYTES_MAX = 16 * 1024 * 1024;
const VOLUMES_MAX = 4096;
const SEGMENTS_MAX = 100_000;

/** undefined: this is no physical volume. */
export async function readLvm(source: BlockSource, signal?: AbortSignal): Promise<LogicalVolume[] | undefined> {
  if (source.sizeBytes < 4 * SECTOR) return undefined;
  const head = await source.read(0, 4 * SECTOR, signal);
  const sector = [0, 1, 2, 3].find(
    (index) => head.toString('latin1', index * SECTOR, index * SECTOR + 8) === 'LABELONE',
  );
  if (sector === undefined) return undefined;
  const label = head.subarray(sector * SECTOR, (sector + 1) * SECTOR);
  const headerAt = label.readUInt32LE(20);
  if (headerAt + 40 > SECTOR) throw unreadable('the LVM label', 'its header lies outside of it');
  const own = uuidOf(label.toString('latin1', headerAt, headerAt + 32));
  const lists = locationLists(label.subarray(headerAt + 40));
  for (const area of lists[1] ?? []) {
    const text = await metadataText(source, area, signal);
    if (text !== undefined) return volumesOf(source, parseLvmText(text), own);
  }
  // A physical volume of no group yet.
  return [];
}

/** Two lists of places, each ended by zeros: data areas, then metadata areas. */
function locationLists(bytes: Buffer): ByteRange[][] {
  const lists: ByteRange[][] = [[], []];
  let list = 0;
  for (let at = 0; at + 16 <= bytes.length && list < 2; at += 16) {
    const start = Number(bytes.readBigUInt64LE(at));
    const size = Number(bytes.readBigUInt64LE(at + 8));
    if (start === 0) list++;
    else lists[list]?.push({ start, end: start + size });
  }
  return lists;
}

/** The current text in a metadata area, which is a ring behind its header. */
async function metadataText(source: BlockSource, area: ByteRange, signal?: AbortSignal): Promise<string | undefined> {
  const size = area.end - area.start;
  if (size <= SECTOR) return undefined;
  requireInside(source, area.start, size);
  const header = await source.read(area.start, SECTOR, signal);
  if (header.toString('latin1', 4, 20) !== MDA_MAGIC) throw unreadable('the LVM metadata', 'there is no header');
  const offset = Number(header.readBigUInt64LE(40));
  const length = Number(header.readBigUInt64LE(48));
  if (offset === 0 || length === 0) return undefined;
  if (length > TEXT_BYTES_MAX || length > size - SECTOR || offset >= size)
    throw unreadable('the LVM metadata', 'its place makes no sense');
  const first = Math.min(length, size - offset);
  const parts = [await source.read(area.start + offset, first, signal)];
  if (first < length) parts.push(await source.read(area.start + SECTOR, length - first, signal));
  return Buffer.concat(parts).toString('utf8').replace(/\0+$/, '');
}

function volumesOf(source: BlockSource, root: LvmSection, own: string): LogicalVolume[] {
  const [[groupName, group] = ['', new Map()]] = sectionsOf(root);
  const extentBytes = numberOf(group, 'extent_size') * SECTOR;
  const physical = new Map(sectionsOf(group.get('physical_volumes')));
  const mine = [...physical].find(([, section]) => uuidOf(textOf(section, 'id')) === own);
  if (!mine || extentBytes <= 0) throw unreadable('the LVM metadata', 'it does not describe this physical volume');
  const dataStart = numberOf(mine[1], 'pe_start') * SECTOR;
  return sectionsOf(group.get('logical_volumes'))
    .slice(0, VOLUMES_MAX)
    .map(([name, section]) => {
      const segments = sectionsOf(section).slice(0, SEGMENTS_MAX);
      const pieces: Piece[] = [];
      let problem: string | undefined;
      for (const [, segment] of segments) {
        const start = numberOf(segment, 'start_extent') * extentBytes;
        const end = start + numberOf(segment, 'extent_count') * extentBytes;
        const type = textOf(segment, 'type');
        const stripes = segment.get('stripes');
        const [on, at] = Array.isArray(stripes) ? stripes : [];
        if (type !== 'striped' || numberOf(segment, 'stripe_count') !== 1)
          problem = `it is ${type || 'of unknown type'}, only linear ones are read`;
        else if (on !== mine[0]) problem = 'a part of it lies on another disk';
        else pieces.push({ start, end, at: dataStart + Number(at) * extentBytes });
      }
      pieces.sort((a, b) => a.start - b.start);
      const sizeBytes = pieces.at(-1)?.end ?? 0;
      const gapless = pieces.every((piece, index) => piece.start === (pieces[index - 1]?.end ?? 0));
      if (!problem && (!gapless || pieces.length === 0)) problem = 'its segments leave gaps';
      const full = `${groupName}/${name}`;
      return problem
        ? { name: full, sizeBytes, source: undefined, problem }
        : { name: full, sizeBytes, source: new LinearSource(source, pieces, sizeBytes) };
    });
}

const uuidOf = (text: string): string => text.replaceAll('-', '');

interface Piece extends ByteRange {
  readonly at: number;
}

class LinearSource implements BlockSource {
  constructor(
    private readonly base: BlockSource,
    private readonly pieces: readonly Piece[],
    readonly sizeBytes: number,
  ) {}

  async read(offset: number, length: number, signal?: AbortSignal): Promise<Buffer> {
    requireInside(this, offset, length);
    const parts: Buffer[] = [];
    for (const { start, end } of this.places({ start: offset, end: offset + length })) {
      parts.push(await this.base.read(start, end - start, signal));
    }
    return Buffer.concat(parts);
  }

  async extents(range: ByteRange, signal?: AbortSignal): Promise<Extent[]> {
    requireInside(this, range.start, range.end - range.start);
    const extents: Extent[] = [];
    for (const { start, end, shift } of this.places(range)) {
      const found = await this.base.extents({ start, end }, signal);
      extents.push(...found.map((extent) => ({ ...extent, start: extent.start - shift, end: extent.end - shift })));
    }
    return joinExtents(extents);
  }

  /** Where a range lies on the physical volume. */
  private places(range: ByteRange): (ByteRange & { readonly shift: number })[] {
    return this.pieces.flatMap(({ start, end, at }) => {
      const from = Math.max(start, range.start);
      const until = Math.min(end, range.end);
      const shift = at - start;
      return from < until ? [{ start: from + shift, end: until + shift, shift }] : [];
    });
  }
}
