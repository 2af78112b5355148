/** A restore point's disk that can be written: what is written lies in a local file, the point stays as it is. */
import type { ByteRange } from '../model/byte-range';
import { type BlockSource, type Extent, joinExtents, requireInside, type WritableSource } from './block-source';
import { clusterBytes, clusterStates, OverlayFile, type OverlayIdentity } from './overlay-file';

export interface Overlay extends WritableSource {
  /** Flushes and closes the file. The source beneath stays open. */
  close(): Promise<void>;
}

export async function openOverlay(base: BlockSource, file: string, identity: OverlayIdentity): Promise<Overlay> {
  return new OverlaySource(base, await OverlayFile.open(file, identity));
}

interface Piece extends ByteRange {
  readonly cluster: number;
}

class OverlaySource implements Overlay {
  /** Changes are made one after the other: two of them may touch one cluster. */
  private changing: Promise<void> = Promise.resolve();

  constructor(
    private readonly base: BlockSource,
    private readonly file: OverlayFile,
  ) {}

  get sizeBytes(): number {
    return this.base.sizeBytes;
  }

  async read(offset: number, length: number, signal?: AbortSignal): Promise<Buffer> {
    requireInside(this, offset, length);
    const bytes = Buffer.alloc(length);
    for (const { state, start, end } of await this.runs({ start: offset, end: offset + length })) {
      const part = bytes.subarray(start - offset, end - offset);
      if (state === clusterStates.here) await this.file.read(start, part);
      else if (state === clusterStates.base) (await this.base.read(start, end - start, signal)).copy(part);
    }
    return bytes;
  }

  async extents(range: ByteRange, signal?: AbortSignal): Promise<Extent[]> {
    requireInside(this, range.start, range.end - range.start);
    const extents: Extent[] = [];
    for (const { state, start, end } of await this.runs(range)) {
      if (state === clusterStates.base) extents.push(...(await this.base.extents({ start, end }, signal)));
      else extents.push({ start, end, zero: state === clusterStates.zero });
    }
    return joinExtents(extents);
  }

  write(offset: number, bytes: Buffer, signal?: AbortSignal): Promise<void> {
    return this.change({ start: offset, end: offset + bytes.length }, async ({ cluster, start, end }) => {
      const part = bytes.subarray(start - offset, end - offset);
      await this.complete({ cluster, start, end }, signal);
      await this.file.write(start, part);
      await this.file.setState(cluster, clusterStates.here);
    });
  }

  zero(range: ByteRange, signal?: AbortSignal): Promise<void> {
    return this.change(range, async (piece) => {
      const { cluster, start, end } = piece;
      const state = await this.file.state(cluster);
      if (state === clusterStates.zero) return;
      if (end - start === this.clusterLength(cluster)) return this.file.setState(cluster, clusterStates.zero);
      await this.complete(piece, signal);
      await this.file.write(start, Buffer.alloc(end - start));
      await this.file.setState(cluster, clusterStates.here);
    });
  }

  flush(): Promise<void> {
    return this.queue(() => this.file.flush());
  }

  close(): Promise<void> {
    return this.queue(() => this.file.close());
  }

  /** Brings the rest of a cluster into the file before a part of it is written there. */
  private async complete({ cluster, start, end }: Piece, signal?: AbortSignal): Promise<void> {
    const state = await this.file.state(cluster);
    const length = this.clusterLength(cluster);
    if (state === clusterStates.here || end - start === length) return;
    const at = cluster * clusterBytes;
    const before = state === clusterStates.zero ? Buffer.alloc(length) : await this.base.read(at, length, signal);
    await this.file.write(at, before);
  }

  private change(range: ByteRange, run: (piece: Piece) => Promise<void>): Promise<void> {
    return this.queue(async () => {
      requireInside(this, range.start, range.end - range.start);
      for (const piece of pieces(range)) await run(piece);
    });
  }

  private queue(run: () => Promise<void>): Promise<void> {
    const done = this.changing.then(run);
    this.changing = done.catch(() => undefined);
    return done;
  }

  /** The range in runs of one state. */
  private async runs(range: ByteRange): Promise<(ByteRange & { readonly state: number })[]> {
    const runs: { start: number; end: number; state: number }[] = [];
    for (const { cluster, start, end } of pieces(range)) {
      const state = await this.file.state(cluster);
      const last = runs.at(-1);
      if (last?.state === state) last.end = end;
      else runs.push({ start, end, state });
    }
    return runs;
  }

  private clusterLength(cluster: number): number {
    return Math.min(clusterBytes, this.sizeBytes - cluster * clusterBytes);
  }
}

/** A range cut at the clusters. */
function* pieces({ start, end }: ByteRange): Generator<Piece> {
  for (let at = start; at < end; ) {
    const cluster = Math.floor(at / clusterBytes);
    const until = Math.min(end, (cluster + 1) * clusterBytes);
    yield { cluster, start: at, end: until };
    at = until;
  }
}
