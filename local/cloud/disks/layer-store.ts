/**
 * Disk contents as stacked layers. A layer is a sparse file with the bytes written while it was on top, and a state
 * for each 4 KiB page:
 *
 *     disk ──▶ layer 7   ..D.C...    (active: writes land here)
 *     s2  ───▶ layer 4   D.DD....    (frozen)
 *     s1  ───▶ layer 1   DDDD.D..    (frozen)      . absent   D data   C cleared
 *
 * A page reads from the topmost layer in which it is not absent; absent everywhere is zero. To take a snapshot is to
 * freeze the top and put an empty layer on it: no byte moves. What changed between s1 and s2 is what the layers above
 * s1 up to s2 say, the topmost first.
 *
 * Order of writes: bytes first, states second (one SQLite transaction). After `kill -9` a page has its old state, or
 * its new state with all its bytes; only a write that was never acknowledged can be torn.
 */
import { closeSync, constants, mkdirSync, openSync, readdirSync, readSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import type { Database } from '../kit/database';
import { ABSENT, CHUNK_BYTES, CHUNK_PAGES, CLEARED, DATA, PAGE_BYTES, type PageRun, pagesWithin } from './pages';

/** Cached state rows, 4 KiB each. */
const CACHED_CHUNKS_MAX = 4096;

export const LAYER_SCHEMA = `
  CREATE TABLE IF NOT EXISTS layers (id INTEGER PRIMARY KEY AUTOINCREMENT, parent INTEGER);
  CREATE INDEX IF NOT EXISTS layers_by_parent ON layers (parent);
  CREATE TABLE IF NOT EXISTS layer_pages (
    layer INTEGER NOT NULL, chunk INTEGER NOT NULL, states BLOB NOT NULL, PRIMARY KEY (layer, chunk)
  ) WITHOUT ROWID;
`;

export class LayerStore {
  private readonly states = new Map<string, Uint8Array | undefined>();
  private readonly chains = new Map<number, readonly number[]>();
  private readonly freed: number[] = [];

  constructor(
    private readonly database: Database,
    private readonly directory: string,
  ) {
    mkdirSync(directory, { recursive: true });
    this.removeUnknownFiles();
  }

  /** A new empty layer on top of `parent`; call it inside the transaction that refers to it. */
  create(parent: number | undefined): number {
    return this.database.run('INSERT INTO layers (parent) VALUES (?)', parent ?? null).lastId;
  }

  /** Forgets this layer and its ancestors as far as nothing stands on them; `isUsed` says whether a volume does. */
  release(layer: number, isUsed: (layer: number) => boolean): void {
    let current: number | undefined = layer;
    while (current !== undefined && !isUsed(current)) {
      if (this.database.first('SELECT 1 FROM layers WHERE parent = ? LIMIT 1', current) !== undefined) return;
      const row = this.database.first('SELECT parent FROM layers WHERE id = ?', current);
      this.database.run('DELETE FROM layer_pages WHERE layer = ?', current);
      this.database.run('DELETE FROM layers WHERE id = ?', current);
      this.freed.push(current);
      current = typeof row?.['parent'] === 'number' ? row['parent'] : undefined;
    }
  }

  /** Removes the files of freed layers; call it after the commit, as a rolled-back release must lose nothing. */
  sweep(): void {
    for (const layer of this.freed.splice(0)) {
      if (this.database.first('SELECT 1 FROM layers WHERE id = ?', layer) !== undefined) continue;
      rmSync(this.fileOf(layer), { force: true });
      this.chains.delete(layer);
    }
  }

  /** The bytes [start, end) as seen from `top`. */
  read(top: number, start: number, end: number): Buffer {
    const bytes = Buffer.alloc(end - start);
    const files = new Map<number, number>();
    try {
      for (const run of this.sources(top, start, end)) {
        const file = files.get(run.layer) ?? openSync(this.fileOf(run.layer), 'r');
        files.set(run.layer, file);
        const from = Math.max(run.start, start);
        const to = Math.min(run.end, end);
        let done = 0;
        while (done < to - from) {
          const count = readSync(file, bytes, from - start + done, to - from - done, from + done);
          if (count === 0) throw new Error(`layer ${run.layer} ends before byte ${to}`);
          done += count;
        }
      }
    } finally {
      for (const file of files.values()) closeSync(file);
    }
    return bytes;
  }

  /** Writes into the active layer `top`; the pages at both ends keep their other bytes. */
  write(top: number, start: number, bytes: Buffer): void {
    if (bytes.length === 0) return;
    const from = start - (start % PAGE_BYTES);
    const to = Math.ceil((start + bytes.length) / PAGE_BYTES) * PAGE_BYTES;
    let pages = bytes;
    if (from !== start || to !== start + bytes.length) {
      pages = this.read(top, from, to);
      bytes.copy(pages, start - from);
    }
    const target = openSync(this.fileOf(top), constants.O_RDWR | constants.O_CREAT, 0o600);
    try {
      let done = 0;
      while (done < pages.length) done += writeSync(target, pages, done, pages.length - done, from + done);
    } finally {
      closeSync(target);
    }
    this.mark(top, from, to, () => DATA);
  }

  /** Zeroes [start, end): whole pages that held data become cleared, pages without data stay as they are. */
  clear(top: number, start: number, end: number): void {
    const from = Math.ceil(start / PAGE_BYTES) * PAGE_BYTES;
    const to = end - (end % PAGE_BYTES);
    if (from > to) {
      this.zeroPart(top, start, end);
      return;
    }
    this.zeroPart(top, start, from);
    this.zeroPart(top, to, end);
    const held = new Set<number>();
    for (const run of this.runs(this.chain(top), from, to)) {
      if (run.kind !== 'data') continue;
      for (let at = run.start; at < run.end; at += PAGE_BYTES) held.add(at);
    }
    if (held.size > 0) this.mark(top, from, to, (state, at) => (held.has(at) ? CLEARED : state));
  }

  /** Where data lies, as seen from `top`, in offset order. */
  *allocated(top: number, start: number, end: number): Generator<PageRun> {
    for (const run of this.runs(this.chain(top), start, end)) if (run.kind === 'data') yield run;
  }

  /** What differs between `base` and `top`; undefined when `top` does not stand on `base`. */
  changes(base: number, top: number, start: number, end: number): Generator<PageRun> | undefined {
    const chain = this.chain(top);
    const at = chain.indexOf(base);
    return at < 0 ? undefined : this.runs(chain.slice(0, at), start, end);
  }

  private zeroPart(top: number, start: number, end: number): void {
    if (start >= end) return;
    const hasData = !this.allocated(top, start, end).next().done;
    if (hasData) this.write(top, start, Buffer.alloc(end - start));
  }

  /** The layers from `top` down to the ground. A layer never gets another parent, so this may be cached. */
  private chain(top: number): readonly number[] {
    const known = this.chains.get(top);
    if (known !== undefined) return known;
    const rows = this.database.all(
      `WITH RECURSIVE chain (id, parent, depth) AS (
         SELECT id, parent, 0 FROM layers WHERE id = ?
         UNION ALL SELECT layers.id, layers.parent, depth + 1 FROM layers JOIN chain ON layers.id = chain.parent
       ) SELECT id FROM chain ORDER BY depth`,
      top,
    );
    const chain = rows.map((row) => Number(row['id']));
    this.chains.set(top, chain);
    return chain;
  }

  /** Joined runs of equal effective state in [start, end), cut at page boundaries; absent pages are left out. */
  private *runs(layers: readonly number[], start: number, end: number): Generator<PageRun> {
    let open: PageRun | undefined;
    for (const { chunk, stack } of this.chunks(layers, start, end)) {
      const chunkAt = chunk * CHUNK_BYTES;
      const { first, last } = pagesWithin(chunk, start, end);
      for (let page = first; page < last; page++) {
        const state = stack.find(({ states }) => states[page] !== ABSENT)?.states[page];
        if (state === undefined) continue;
        const at = chunkAt + page * PAGE_BYTES;
        const kind = state === DATA ? 'data' : 'cleared';
        if (open !== undefined && open.end === at && open.kind === kind) {
          open = { ...open, end: at + PAGE_BYTES };
        } else {
          if (open !== undefined) yield open;
          open = { start: at, end: at + PAGE_BYTES, kind };
        }
      }
    }
    if (open !== undefined) yield open;
  }

  /** Joined runs of data in [start, end) with the layer that holds them. */
  private *sources(
    top: number,
    start: number,
    end: number,
  ): Generator<{ readonly layer: number; readonly start: number; readonly end: number }> {
    let open: { layer: number; start: number; end: number } | undefined;
    for (const { chunk, stack } of this.chunks(this.chain(top), start, end)) {
      const { first, last } = pagesWithin(chunk, start, end);
      for (let page = first; page < last; page++) {
        const source = stack.find(({ states }) => states[page] !== ABSENT);
        if (source === undefined || source.states[page] !== DATA) continue;
        const at = chunk * CHUNK_BYTES + page * PAGE_BYTES;
        if (open !== undefined && open.end === at && open.layer === source.layer) {
          open.end = at + PAGE_BYTES;
        } else {
          if (open !== undefined) yield open;
          open = { layer: source.layer, start: at, end: at + PAGE_BYTES };
        }
      }
    }
    if (open !== undefined) yield open;
  }

  /** The chunks of [start, end) that at least one of the layers knows, each with its layers' states, topmost first. */
  private *chunks(
    layers: readonly number[],
    start: number,
    end: number,
  ): Generator<{ readonly chunk: number; readonly stack: readonly { layer: number; states: Uint8Array }[] }> {
    if (start >= end) return;
    const from = Math.floor(start / CHUNK_BYTES);
    const to = Math.floor((end - 1) / CHUNK_BYTES);
    const chunks =
      to - from < 16
        ? Array.from({ length: to - from + 1 }, (_, index) => from + index)
        : this.database
            .all(
              `SELECT DISTINCT chunk FROM layer_pages
               WHERE layer IN (SELECT value FROM json_each(?)) AND chunk BETWEEN ? AND ? ORDER BY chunk`,
              JSON.stringify(layers),
              from,
              to,
            )
            .map((row) => Number(row['chunk']));
    for (const chunk of chunks) {
      const stack: { layer: number; states: Uint8Array }[] = [];
      for (const layer of layers) {
        const states = this.statesOf(layer, chunk);
        if (states !== undefined) stack.push({ layer, states });
      }
      if (stack.length > 0) yield { chunk, stack };
    }
  }

  private mark(layer: number, start: number, end: number, next: (state: number, at: number) => number): void {
    const changed: { readonly chunk: number; readonly states: Uint8Array }[] = [];
    for (let chunk = Math.floor(start / CHUNK_BYTES); chunk * CHUNK_BYTES < end; chunk++) {
      const states = Uint8Array.from(this.statesOf(layer, chunk) ?? new Uint8Array(CHUNK_PAGES));
      const { first, last } = pagesWithin(chunk, start, end);
      for (let page = first; page < last; page++) {
        states[page] = next(states[page] ?? ABSENT, chunk * CHUNK_BYTES + page * PAGE_BYTES);
      }
      changed.push({ chunk, states });
    }
    for (const { chunk } of changed) this.states.delete(`${layer}:${chunk}`); // re-read, whether this commits or not
    this.database.transaction(() => {
      for (const { chunk, states } of changed) {
        this.database.run(
          'INSERT OR REPLACE INTO layer_pages (layer, chunk, states) VALUES (?, ?, ?)',
          layer,
          chunk,
          states,
        );
      }
    });
  }

  private statesOf(layer: number, chunk: number): Uint8Array | undefined {
    const key = `${layer}:${chunk}`;
    if (this.states.has(key)) return this.states.get(key);
    const row = this.database.first('SELECT states FROM layer_pages WHERE layer = ? AND chunk = ?', layer, chunk);
    const states = row?.['states'] instanceof Uint8Array ? row['states'] : undefined;
    if (this.states.size >= CACHED_CHUNKS_MAX) this.states.clear();
    this.states.set(key, states);
    return states;
  }

  private fileOf(layer: number): string {
    return join(this.directory, `${layer}.layer`);
  }

  /** A crash between a commit and the removal of a file, or before a commit, leaves a file that no row names. */
  private removeUnknownFiles(): void {
    const known = new Set(this.database.all('SELECT id FROM layers').map((row) => `${Number(row['id'])}.layer`));
    for (const name of readdirSync(this.directory)) if (!known.has(name)) rmSync(join(this.directory, name));
  }
}
