/**
 * One backup or restore with the product's pipeline, as a process of its own: what the bench measures.
 * The request is JSON in the first argument; one line of JSON with the figures is the answer.
 */

import type { Image } from '../images/recipe';
import { folderStores } from './folder-store';
import { openImageReader } from './image-reader';
import { openPipeline } from './pipeline';

export type OursRequest = { readonly store: string } & (
  | {
      readonly action: 'backup';
      readonly image: Image;
      readonly jobId: string;
      readonly vmName: string;
      readonly basePointId?: string;
      readonly zstdLevel: number;
    }
  | {
      readonly action: 'restore';
      readonly folder: string;
      readonly vmName: string;
      readonly pointId: string;
      readonly diskBytes: number;
    }
);

export interface OursAnswer {
  /** From the open session to the published point or the flushed file, without the start of process and threads. */
  readonly workS: number;
  readonly readBytes: number;
  readonly changedBytes: number;
  readonly auditBytes: number;
  readonly storedBytes: number;
  readonly puts: number;
  readonly gets: number;
  readonly lists: number;
  readonly mode: string;
}

async function main(): Promise<void> {
  const request = JSON.parse(process.argv[2] ?? '{}') as OursRequest;
  const { stores, calls } = folderStores(request.store);
  const pipeline = await openPipeline({
    stores,
    ...(request.action === 'restore' ? { imageDirectory: request.folder } : {}),
  });
  await pipeline.warmUp();
  const startedAt = performance.now();
  let answer: Pick<OursAnswer, 'readBytes' | 'changedBytes' | 'auditBytes' | 'mode'>;
  if (request.action === 'backup') {
    const reader = await openImageReader(request.image);
    const { stats, point } = await pipeline.backup({ ...request, reader });
    const { changedBytes, auditBytes } = stats;
    const [disk] = point.disks;
    answer = {
      readBytes: reader.readBytes(),
      changedBytes,
      auditBytes,
      mode: `${disk?.mode} ${disk?.fullReason ?? ''}`.trim(),
    };
    await reader.close();
  } else {
    const stats = await pipeline.restore(request);
    answer = { readBytes: stats.readBytes, changedBytes: stats.changedBytes, auditBytes: 0, mode: 'restore' };
  }
  const workS = (performance.now() - startedAt) / 1000;
  await pipeline.close();
  const { puts, gets, lists, putBytes } = calls;
  process.stdout.write(
    `${JSON.stringify({ workS, ...answer, storedBytes: putBytes, puts, gets, lists } satisfies OursAnswer)}\n`,
  );
}

void main();
