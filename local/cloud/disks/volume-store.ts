/**
 * The contents of disks and snapshots by id. Disks change, snapshots do not; both are a top layer, a size and the
 * VHD footer that Azure shows behind the last byte.
 */
import { randomUUID } from 'node:crypto';
import type { Database } from '../kit/database';
import { LAYER_SCHEMA, LayerStore } from './layer-store';
import type { PageRun } from './pages';
import { encodeFooter, FOOTER_BYTES } from './vhd-footer';

export const VOLUME_SCHEMA = `${LAYER_SCHEMA}
  CREATE TABLE IF NOT EXISTS volumes (
    id TEXT PRIMARY KEY, layer INTEGER NOT NULL, size_bytes INTEGER NOT NULL, footer BLOB NOT NULL
  ) WITHOUT ROWID;
  CREATE INDEX IF NOT EXISTS volumes_by_layer ON volumes (layer);
`;

export interface Volume {
  readonly id: string;
  readonly layer: number;
  /** Without the footer. */
  readonly sizeBytes: number;
  readonly footer: Buffer;
}

export class VolumeStore {
  private readonly layers: LayerStore;

  constructor(
    private readonly database: Database,
    layerDirectory: string,
  ) {
    this.layers = new LayerStore(database, layerDirectory);
  }

  /** A volume of zeros. Without a footer of its own it gets a valid one; with `footer: 'none'` it has zeros there. */
  create(sizeBytes: number, footer: 'made' | 'none' = 'made'): Volume {
    const layer = this.layers.create(undefined);
    return this.insert(layer, sizeBytes, footer === 'none' ? Buffer.alloc(FOOTER_BYTES) : newFooter(sizeBytes));
  }

  /** An immutable volume with the present content of `id`, which goes on with a new layer on top. O(1). */
  freeze(id: string): Volume {
    const volume = this.get(id);
    const next = this.layers.create(volume.layer);
    this.database.run('UPDATE volumes SET layer = ? WHERE id = ?', next, id);
    return this.insert(volume.layer, volume.sizeBytes, volume.footer);
  }

  /** A writable volume that starts with the content of the frozen volume `id`. O(1). */
  fork(id: string): Volume {
    const volume = this.get(id);
    return this.insert(this.layers.create(volume.layer), volume.sizeBytes, newFooter(volume.sizeBytes));
  }

  /** Another immutable name for the same content. */
  share(id: string): Volume {
    const volume = this.get(id);
    return this.insert(volume.layer, volume.sizeBytes, volume.footer);
  }

  grow(id: string, sizeBytes: number): void {
    this.database.run(
      'UPDATE volumes SET size_bytes = ?, footer = ? WHERE id = ?',
      sizeBytes,
      newFooter(sizeBytes),
      id,
    );
  }

  /** Call inside a transaction; the bytes go with `sweep` after its commit. */
  delete(id: string): void {
    const volume = this.get(id);
    this.database.run('DELETE FROM volumes WHERE id = ?', id);
    this.layers.release(
      volume.layer,
      (layer) => this.database.first('SELECT 1 FROM volumes WHERE layer = ? LIMIT 1', layer) !== undefined,
    );
  }

  sweep(): void {
    this.layers.sweep();
  }

  /** Throws when there is no such volume. */
  get(id: string): Volume {
    const row = this.database.first('SELECT layer, size_bytes, footer FROM volumes WHERE id = ?', id);
    if (row === undefined || !(row['footer'] instanceof Uint8Array)) throw new Error(`no volume ${id}`);
    return {
      id,
      layer: Number(row['layer']),
      sizeBytes: Number(row['size_bytes']),
      footer: Buffer.from(row['footer']),
    };
  }

  /** Bytes [start, end) of the blob, that is of the disk and the footer behind it. */
  read(volume: Volume, start: number, end: number): Buffer {
    const { sizeBytes, footer, layer } = volume;
    if (start < 0 || end > sizeBytes + FOOTER_BYTES) throw new RangeError(`[${start}, ${end}) is outside of the blob`);
    if (end <= sizeBytes) return this.layers.read(layer, start, end);
    if (start >= sizeBytes) return footer.subarray(start - sizeBytes, end - sizeBytes);
    return Buffer.concat([this.layers.read(layer, start, sizeBytes), footer.subarray(0, end - sizeBytes)]);
  }

  /** Writes blob bytes from `start` on; those behind the disk's end become the footer. */
  write(id: string, start: number, bytes: Buffer): void {
    const volume = this.get(id);
    const { sizeBytes } = volume;
    if (start + bytes.length > sizeBytes + FOOTER_BYTES) throw new RangeError('write behind the end of the blob');
    const diskPart = bytes.subarray(0, Math.max(0, sizeBytes - start));
    if (diskPart.length > 0) this.layers.write(volume.layer, start, diskPart);
    if (diskPart.length < bytes.length) {
      const footer = Buffer.from(volume.footer);
      bytes.subarray(diskPart.length).copy(footer, Math.max(0, start - sizeBytes));
      this.database.run('UPDATE volumes SET footer = ? WHERE id = ?', footer, id);
    }
  }

  /** Zeroes blob bytes [start, end). */
  clear(id: string, start: number, end: number): void {
    const volume = this.get(id);
    const { sizeBytes } = volume;
    if (start < sizeBytes) this.layers.clear(volume.layer, start, Math.min(end, sizeBytes));
    if (end > sizeBytes) this.write(id, Math.max(start, sizeBytes), Buffer.alloc(end - Math.max(start, sizeBytes)));
  }

  /** Where data lies in [start, end) of the disk (never the footer), in offset order. */
  allocated(volume: Volume, start: number, end: number): Generator<PageRun> {
    return this.layers.allocated(volume.layer, start, Math.min(end, volume.sizeBytes));
  }

  /** What changed from `base` to `volume` in [start, end); undefined when one does not descend from the other. */
  changes(base: Volume, volume: Volume, start: number, end: number): Generator<PageRun> | undefined {
    return this.layers.changes(base.layer, volume.layer, start, Math.min(end, volume.sizeBytes));
  }

  private insert(layer: number, sizeBytes: number, footer: Buffer): Volume {
    const id = randomUUID();
    this.database.run(
      'INSERT INTO volumes (id, layer, size_bytes, footer) VALUES (?, ?, ?, ?)',
      id,
      layer,
      sizeBytes,
      footer,
    );
    return { id, layer, sizeBytes, footer };
  }
}

/** The creation time stays out of it, so that a seeded simulator makes the same bytes each time. */
function newFooter(sizeBytes: number): Buffer {
  const uniqueId = Buffer.alloc(16);
  uniqueId.writeBigUInt64BE(BigInt(sizeBytes), 8);
  return encodeFooter({ diskSizeBytes: sizeBytes, uniqueId, createdAt: 0 });
}
