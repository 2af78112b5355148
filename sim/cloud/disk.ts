/** Disks of guests and their snapshots: bytes, and for each page whether it is allocated and when it was last written. */
export const PAGE_BYTES = 512;

export interface PageList {
  readonly kind: 'page' | 'clear';
  readonly start: number;
  readonly end: number;
}

export class DiskState {
  constructor(
    readonly bytes: Buffer,
    /** By page: 0 never written or cleared, else 1. */
    readonly allocated: Uint8Array,
    /** By page: number of the last write. */
    readonly touched: Uint32Array,
  ) {}

  static empty(sizeBytes: number): DiskState {
    const pages = sizeBytes / PAGE_BYTES;
    return new DiskState(Buffer.alloc(sizeBytes), new Uint8Array(pages), new Uint32Array(pages));
  }

  copy(sizeBytes = this.bytes.length): DiskState {
    const copy = DiskState.empty(sizeBytes);
    this.bytes.copy(copy.bytes);
    copy.allocated.set(this.allocated.subarray(0, copy.allocated.length));
    copy.touched.set(this.touched.subarray(0, copy.touched.length));
    return copy;
  }

  write(offset: number, bytes: Buffer, number: number): void {
    bytes.copy(this.bytes, offset);
    this.mark(offset, bytes.length, 1, number);
  }

  /** Discarded by the guest: reads as zeros. */
  clear(offset: number, length: number, number: number): void {
    this.bytes.fill(0, offset, offset + length);
    this.mark(offset, length, 0, number);
  }

  /** Ranges of pages that hold data; with `base` those written or cleared since, as the service says it. */
  pages(start: number, end: number, base: DiskState | undefined): PageList[] {
    const found: { kind: 'page' | 'clear'; start: number; end: number }[] = [];
    for (let page = start / PAGE_BYTES; page * PAGE_BYTES < end; page++) {
      const isData = this.allocated[page] === 1;
      const changed = base ? this.touched[page] !== (base.touched[page] ?? 0) : isData;
      if (!changed) continue;
      const kind = isData ? 'page' : 'clear';
      const last = found.at(-1);
      if (last?.kind === kind && last.end === page * PAGE_BYTES) last.end += PAGE_BYTES;
      else found.push({ kind, start: page * PAGE_BYTES, end: (page + 1) * PAGE_BYTES });
    }
    return found;
  }

  private mark(offset: number, length: number, allocated: 0 | 1, number: number): void {
    for (let page = Math.floor(offset / PAGE_BYTES); page * PAGE_BYTES < offset + length; page++) {
      this.allocated[page] = allocated;
      this.touched[page] = number;
    }
  }
}
