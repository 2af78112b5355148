/**
 * The block index from the packs themselves, for a store whose index segments are lost: every pack's directory names its
 * blocks. Needs the reader's rights; costs one LIST, and two small reads a pack.
 */
import { idBytes } from '../format/block-id';
import type { SegmentUnit } from '../format/index-segment';
import { openPackTail, packFooterBytes } from '../format/pack';
import { openPackHeader, packHeaderBytes } from '../format/pack-header';
import { tenantPrefix } from '../format/store-keys';
import { AppError } from '../model/errors';
import { limits } from '../model/limits';
import type { DedupIndex } from './dedup-index';
import type { StoredObject } from './object-store';
import { type Repository, signalOption } from './repository';
import { requirePending } from './session';
import { loadView, type SessionView } from './session-view';
import { withSession } from './session-watch';
import type { TenantIndex } from './tenant-index';

/** Directories read at a time, and so the most that is in memory besides the index. */
const READS_AT_ONCE = 8;
/** Most tails fit, so one read brings directory and footer: 32 bytes a block, and a pack has a thousand or so. */
const TAIL_GUESS_BYTES = 64 * 1024;
/** Packs named by one rebuilt segment. */
const UNITS_PER_SEGMENT = 64;

export interface Rebuilt {
  readonly units: number;
  readonly blocks: number;
  /** Packs whose directory cannot be read: their blocks will be stored again. */
  readonly unreadable: number;
}

/** What every pack of the tenant holds, in key order. A pack that cannot be read is told by its key alone. */
export async function* readDirectories(
  repository: Repository,
  signal?: AbortSignal,
): AsyncGenerator<{ readonly key: string; readonly unit: SegmentUnit | undefined }> {
  const underWay: Promise<{ key: string; unit: SegmentUnit | undefined }>[] = [];
  try {
    const packs = repository.stores.data.list(`${tenantPrefix(repository.tenant)}u/`, signalOption(signal));
    for await (const object of packs) {
      const read = readDirectory(repository, object, signal);
      read.catch(() => undefined);
      underWay.push(read);
      const next = underWay.length >= READS_AT_ONCE ? underWay.shift() : undefined;
      if (next) yield await next;
    }
    for (let next = underWay.shift(); next; next = underWay.shift()) yield await next;
  } finally {
    await Promise.allSettled(underWay);
  }
}

/** Fills an index. */
export async function rebuildIndex(repository: Repository, index: DedupIndex, signal?: AbortSignal): Promise<Rebuilt> {
  const rebuilt = { units: 0, blocks: 0, unreadable: 0 };
  for await (const { unit } of readDirectories(repository, signal)) {
    if (unit) {
      index.addStored(unit, unit.ids, -1);
      rebuilt.units++;
      rebuilt.blocks += unit.ids.length / idBytes;
    } else rebuilt.unreadable++;
  }
  return rebuilt;
}

/**
 * Writes the segments anew, under the name of a session of their own, so that all data proxies find the blocks again. Reads
 * with the reader's rights, writes with a writer's. The session is open while it lasts: the collector waits for it, and packs
 * that are condemned already are left out, or the new index would name what is about to be deleted.
 */
export async function rebuildSegments(
  reader: Repository,
  writer: Repository,
  index: TenantIndex,
  sessionId: string,
  signal?: AbortSignal,
): Promise<Rebuilt> {
  const request = { sessionId, vmKey: '', kind: 'VERIFY' } as const;
  return await withSession(writer, request, signal ?? new AbortController().signal, async (open) => {
    const { register } = await requirePending(writer, sessionId, open);
    return await writeSegments(
      { reader, writer, index, sessionId, view: await loadView(writer, register, open) },
      open,
    );
  });
}

interface Rebuilding {
  readonly reader: Repository;
  readonly writer: Repository;
  readonly index: TenantIndex;
  readonly sessionId: string;
  readonly view: SessionView;
}

async function writeSegments(
  { reader, writer, index, sessionId, view }: Rebuilding,
  signal: AbortSignal,
): Promise<Rebuilt> {
  const rebuilt = { units: 0, blocks: 0, unreadable: 0 };
  let batch: SegmentUnit[] = [];
  let next = 0;
  const write = async (): Promise<void> => {
    if (batch.length === 0) return;
    const place = { epoch: view.epoch, sessionId, part: 'rebuilt' };
    next = (await index.writeSegment(writer, place, batch, next, signal)).next;
    batch = [];
  };
  for await (const { unit } of readDirectories(reader, signal)) {
    if (unit) {
      if (view.hidesUnit(unit.unit)) continue;
      batch.push(unit);
      rebuilt.units++;
      rebuilt.blocks += unit.ids.length / idBytes;
    } else rebuilt.unreadable++;
    if (batch.length >= UNITS_PER_SEGMENT) await write();
  }
  await write();
  return rebuilt;
}

async function readDirectory(
  repository: Repository,
  object: StoredObject,
  signal?: AbortSignal,
): Promise<{ key: string; unit: SegmentUnit | undefined }> {
  const { key, sizeBytes } = object;
  const unit = key.slice(key.lastIndexOf('/') + 1);
  try {
    if (!/^[0-9a-f]{32}$/.test(unit) || sizeBytes <= packHeaderBytes + packFooterBytes) {
      throw new AppError('pack.corrupt', `${key} is no pack`, { context: { object: key } });
    }
    const read = (start: number): Promise<Buffer> =>
      repository.stores.data.get(key, { ...signalOption(signal), start, end: sizeBytes }).then(({ body }) => body);
    const header = repository.stores.data.get(key, { ...signalOption(signal), start: 0, end: packHeaderBytes });
    const [head, guess] = await Promise.all([header, read(Math.max(packHeaderBytes, sizeBytes - TAIL_GUESS_BYTES))]);
    // The footer says how long the directory is; whether it is right shows when the tail is opened.
    const tailBytes = guess.readUInt32LE(guess.length - packFooterBytes + 4) + packFooterBytes;
    if (tailBytes > sizeBytes - packHeaderBytes || tailBytes > limits.packBytes) {
      throw new AppError('pack.corrupt', `the footer of pack ${unit} names a length that cannot be`);
    }
    const tail =
      tailBytes <= guess.length ? guess.subarray(guess.length - tailBytes) : await read(sizeBytes - tailBytes);
    const context = openPackHeader(repository.keys, Buffer.from(unit, 'hex'), head.body);
    // Copied: the ids are a view of the whole directory, which need not stay.
    const ids = Buffer.from(openPackTail(context, tail, sizeBytes).ids);
    return { key, unit: { unit, sizeBytes, tailBytes, ids } };
  } catch (error) {
    if (!(error instanceof AppError) || !['pack.corrupt', 'format.unknown', 'store.not-found'].includes(error.code)) {
      throw error;
    }
    repository.logger.warn('a pack cannot be read and is left out of the index', { object: key, code: error.code });
    return { key, unit: undefined };
  }
}
