/**
 * A disk of 32 TiB of which little is used: does memory depend on the size of the disk? The reader makes its bytes up, so no
 * image is needed; the pipeline, its windows and its publish are the product's. One line of JSON is the answer.
 */
import { createCipheriv } from 'node:crypto';
import type { DiskReader } from '../../shared/dataproxy/ports';
import { type ByteRange, intersect, totalLength } from '../../shared/model/byte-range';
import { limits } from '../../shared/model/limits';
import { folderStores } from './folder-store';
import { openPipeline } from './pipeline';

const TIB = 1024 ** 4;
const MIB = 1024 ** 2;
const DISK_BYTES = 32 * TIB;
const RUN_BYTES = 4 * MIB;

export interface SparseAnswer {
  readonly workS: number;
  readonly dataBytes: number;
  readonly windows: number;
  readonly rssMib: number;
}

/** `runs` runs of 4 MiB, evenly spread. Half of each block is random. */
function sparseReader(runs: number): DiskReader {
  const step = Math.floor(DISK_BYTES / runs / RUN_BYTES) * RUN_BYTES;
  const ranges = Array.from({ length: runs }, (_, at) => ({ start: at * step, end: at * step + RUN_BYTES }));
  const inside = (within: ByteRange): ByteRange[] => ranges.flatMap((range) => intersect(range, within) ?? []);
  const read = async ({ start, end }: ByteRange, _signal: AbortSignal, into?: Buffer): Promise<Buffer> => {
    const bytes = into ?? Buffer.allocUnsafeSlow(end - start);
    bytes.fill(0);
    for (let at = 0; at < bytes.length; at += limits.blockBytes) {
      const iv = Buffer.alloc(16);
      iv.writeBigUInt64LE(BigInt(start + at));
      createCipheriv('aes-128-ctr', Buffer.alloc(16, 1), iv)
        .update(Buffer.alloc(limits.blockBytes / 2))
        .copy(bytes, at);
    }
    return bytes;
  };
  return {
    sizeBytes: DISK_BYTES,
    allocatedRanges: async (within) => inside(within),
    changedRanges: async () => [],
    read,
  };
}

async function main(): Promise<void> {
  const [store = '', runs = '256'] = process.argv.slice(2);
  const { stores } = folderStores(store);
  const reader = sparseReader(Number(runs));
  const startedAt = performance.now();
  // As many windows at a time as a data proxy of two cores takes on.
  const pipeline = await openPipeline({ stores, concurrency: 2 });
  await pipeline.backup({ jobId: 'sparse-1', vmName: 'sparse', reader, zstdLevel: 1 });
  const answer: SparseAnswer = {
    workS: (performance.now() - startedAt) / 1000,
    dataBytes: totalLength(await reader.allocatedRanges({ start: 0, end: DISK_BYTES }, new AbortController().signal)),
    windows: Math.ceil(DISK_BYTES / limits.windowBytesDefault),
    rssMib: process.resourceUsage().maxRSS / 1024,
  };
  await pipeline.close();
  process.stdout.write(`${JSON.stringify(answer)}\n`);
}

void main();
