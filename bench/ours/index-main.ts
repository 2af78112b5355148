/**
 * The block index alone: bytes a block, look-ups a second on one core, and a rebuild from index segments in a store, as a
 * data proxy does at its start. One line of JSON is the answer.
 */
import { mkdirSync } from 'node:fs';
import { systemClock } from '../../shared/base/clock';
import { silentLogger } from '../../shared/base/logger';
import type { DedupIndex } from '../../shared/blockstore/dedup-index';
import { openRepository, putSealedOnce, type Repository } from '../../shared/blockstore/repository';
import { TenantIndex } from '../../shared/blockstore/tenant-index';
import { idBytes } from '../../shared/format/block-id';
import { encodeSegment } from '../../shared/format/index-segment';
import { segmentKey } from '../../shared/format/store-keys';
import { seededBytes } from '../kit/random';
import { folderStores } from './folder-store';

/** 160 GiB of unique data. */
const BLOCKS = 2_600_000;
const BLOCKS_PER_UNIT = 1024;
const LOOKUPS = 2_000_000;

export interface IndexAnswer {
  readonly blocks: number;
  readonly bytesPerBlock: number;
  readonly hitsPerSecond: number;
  readonly missesPerSecond: number;
  readonly rebuildS: number;
  readonly rebuildRssMib: number;
}

async function main(): Promise<void> {
  const [folder = ''] = process.argv.slice(2);
  mkdirSync(folder, { recursive: true });
  const open = () =>
    openRepository({
      stores: folderStores(folder).stores,
      tenant: 'bench',
      keys: { rootKey: async () => Buffer.alloc(32, 7) },
      clock: systemClock,
      logger: silentLogger,
    });
  if (process.argv[3] === 'write') return await writeSegments(await open());

  const startedAt = performance.now();
  const rebuilt = new TenantIndex();
  await rebuilt.refresh(await open());
  const rebuildS = (performance.now() - startedAt) / 1000;
  const rebuildRssMib = process.resourceUsage().maxRSS / 1024;
  const { index } = rebuilt;
  const answer: IndexAnswer = {
    blocks: index.blockCount,
    bytesPerBlock: index.memoryBytes / index.blockCount,
    hitsPerSecond: lookups(index, seededBytes('index')),
    missesPerSecond: lookups(index, seededBytes('strangers')),
    rebuildS,
    rebuildRssMib,
  };
  process.stdout.write(`${JSON.stringify(answer)}\n`);
}

/** Segments of some ten thousand blocks, as windows of backups leave them. */
async function writeSegments(repository: Repository): Promise<void> {
  const ids = seededBytes('index');
  const unitsPerSegment = 16;
  for (let first = 0, part = 0; first < BLOCKS; first += unitsPerSegment * BLOCKS_PER_UNIT, part++) {
    const units = Array.from({ length: unitsPerSegment }, (_, at) => ({
      unit: seededBytes(`unit ${part} ${at}`)(16).toString('hex'),
      sizeBytes: 32 * 1024 * 1024,
      tailBytes: 40_000,
      ids: ids(Math.max(0, Math.min(BLOCKS_PER_UNIT, BLOCKS - first - at * BLOCKS_PER_UNIT)) * idBytes),
    })).filter((unit) => unit.ids.length > 0);
    const key = segmentKey(repository.tenant, 0, 'index-1', `os-${part}`, 0);
    await putSealedOnce(repository, 'data', { kind: 'segment', key }, encodeSegment(units));
  }
}

/** By the time of its core, so that what else the machine does is not counted. */
function lookups(index: DedupIndex, ids: (count: number) => Buffer): number {
  const all = ids(LOOKUPS * idBytes);
  const before = process.cpuUsage();
  for (let at = 0; at < all.length; at += idBytes) index.lookup(all.subarray(at, at + idBytes));
  const { user, system } = process.cpuUsage(before);
  return LOOKUPS / ((user + system) / 1e6);
}

void main();
