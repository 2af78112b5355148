/**
 * The file behind a copy-on-write overlay: which clusters differ from the restore point, and what they hold.
 *
 *   header (4 KiB): JSON that names the disk   |   one byte a cluster: 0 as the point, 1 in this file, 2 zeros   |   clusters
 *
 * The file is sparse: it grows with what is written, not with the disk. States reach the medium at a flush, after the clusters
 * that they speak of: after a crash a cluster reads as it was at the last flush or later, never as something else.
 */
import { constants, type FileHandle, open } from 'node:fs/promises';
import { z } from 'zod';
import { AppError } from '../model/errors';

export const clusterBytes = 65_536;
export const clusterStates = { base: 0, here: 1, zero: 2 } as const;

const HEADER_BYTES = 4096;
const PAGE_CLUSTERS = 4096;
const MAGIC = 'blockferry-overlay';

export interface OverlayIdentity {
  readonly point: string;
  readonly lun: string;
  /** Names the content that lies beneath. */
  readonly contentTag: string;
  readonly sizeBytes: number;
}

const headerSchema = z.strictObject({
  magic: z.literal(MAGIC),
  version: z.literal(1),
  point: z.string(),
  lun: z.string(),
  contentTag: z.string(),
  sizeBytes: z.number().int().positive(),
});

export class OverlayFile {
  /** States by page, as far as anything was written or looked at. */
  private readonly pages = new Map<number, Buffer>();
  private readonly changed = new Set<number>();
  private readonly dataStart: number;

  private constructor(
    private readonly file: FileHandle,
    private readonly name: string,
    readonly sizeBytes: number,
  ) {
    const stateBytes = Math.ceil(sizeBytes / clusterBytes / PAGE_CLUSTERS) * PAGE_CLUSTERS;
    this.dataStart = HEADER_BYTES + stateBytes;
  }

  /** Makes the file, or goes on with it. `config.invalid` for a file that is not the overlay of exactly this disk. */
  static async open(name: string, identity: OverlayIdentity): Promise<OverlayFile> {
    // Never O_TRUNC: whatever lies there is looked at first.
    const file = await open(name, constants.O_RDWR | constants.O_CREAT, 0o600).catch((error: NodeJS.ErrnoException) => {
      throw new AppError('config.invalid', `the overlay file ${name} cannot be opened: ${error.code ?? 'unknown'}`);
    });
    try {
      if ((await file.stat()).size === 0) await writeHeader(file, identity);
      else await requireSame(file, name, identity);
      return new OverlayFile(file, name, identity.sizeBytes);
    } catch (error) {
      await file.close();
      throw error;
    }
  }

  async state(cluster: number): Promise<number> {
    return (await this.page(cluster))[cluster % PAGE_CLUSTERS] ?? clusterStates.base;
  }

  async setState(cluster: number, state: number): Promise<void> {
    const page = await this.page(cluster);
    if (page[cluster % PAGE_CLUSTERS] === state) return;
    page[cluster % PAGE_CLUSTERS] = state;
    this.changed.add(Math.floor(cluster / PAGE_CLUSTERS));
  }

  /** Of a cluster that is here. */
  async read(offset: number, bytes: Buffer): Promise<void> {
    await readFully(this.file, this.name, bytes, this.dataStart + offset);
  }

  async write(offset: number, bytes: Buffer): Promise<void> {
    await writeFully(this.file, bytes, this.dataStart + offset);
  }

  async flush(): Promise<void> {
    await this.file.datasync();
    const pages = [...this.changed];
    this.changed.clear();
    for (const page of pages) {
      const bytes = this.pages.get(page);
      if (bytes) await writeFully(this.file, bytes, HEADER_BYTES + page * PAGE_CLUSTERS);
    }
    if (pages.length > 0) await this.file.datasync();
  }

  async close(): Promise<void> {
    try {
      await this.flush();
    } finally {
      await this.file.close();
    }
  }

  private async page(cluster: number): Promise<Buffer> {
    const index = Math.floor(cluster / PAGE_CLUSTERS);
    const known = this.pages.get(index);
    if (known) return known;
    const bytes = Buffer.alloc(PAGE_CLUSTERS);
    let done = 0;
    while (done < bytes.length) {
      const start = HEADER_BYTES + index * PAGE_CLUSTERS + done;
      const { bytesRead } = await this.file.read(bytes, done, bytes.length - done, start);
      if (bytesRead === 0) break; // behind the end: nothing was written there yet
      done += bytesRead;
    }
    const state = bytes.find((value) => value > clusterStates.zero);
    if (state !== undefined) throw damaged(this.name, `a cluster is in state ${state}`);
    // Another call may have loaded it in the meantime, and changed it.
    const kept = this.pages.get(index) ?? bytes;
    this.pages.set(index, kept);
    return kept;
  }
}

async function writeHeader(file: FileHandle, identity: OverlayIdentity): Promise<void> {
  const header = Buffer.alloc(HEADER_BYTES, ' ');
  header.write(JSON.stringify({ magic: MAGIC, version: 1, ...identity }));
  await writeFully(file, header, 0);
  await file.datasync();
}

async function requireSame(file: FileHandle, name: string, identity: OverlayIdentity): Promise<void> {
  const header = Buffer.alloc(HEADER_BYTES);
  await file.read(header, 0, HEADER_BYTES, 0);
  let parsed: unknown;
  try {
    parsed = JSON.parse(header.toString('utf8').trimEnd());
  } catch {
    throw damaged(name, 'it is none');
  }
  const found = headerSchema.safeParse(parsed);
  if (!found.success) throw damaged(name, 'it is none, or of a newer version');
  const { point, lun, contentTag, sizeBytes } = found.data;
  if (contentTag !== identity.contentTag || sizeBytes !== identity.sizeBytes) {
    throw damaged(name, `it lies over disk ${lun} of restore point ${point}`);
  }
}

const damaged = (name: string, why: string): AppError =>
  new AppError('config.invalid', `${name} cannot be used as overlay of this disk: ${why}; name another file`);

async function readFully(file: FileHandle, name: string, bytes: Buffer, start: number): Promise<void> {
  for (let done = 0; done < bytes.length; ) {
    const { bytesRead } = await file.read(bytes, done, bytes.length - done, start + done);
    if (bytesRead === 0) throw damaged(name, 'it ends before its clusters do');
    done += bytesRead;
  }
}

async function writeFully(file: FileHandle, bytes: Buffer, start: number): Promise<void> {
  for (let done = 0; done < bytes.length; ) {
    const { bytesWritten } = await file.write(bytes, done, bytes.length - done, start + done);
    done += bytesWritten;
  }
}
