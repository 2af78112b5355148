import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import type { PageRun } from '../../local/cloud/disks/pages';
import { VOLUME_SCHEMA, VolumeStore } from '../../local/cloud/disks/volume-store';
import { Database } from '../../local/cloud/kit/database';

const PAGE = 4096;
/** Two state rows and a bit, so that runs cross from one row to the next. */
const SIZE_BYTES = 40 * 2 ** 20;

let directory: string;
let database: Database;
let volumes: VolumeStore;

function open(): void {
  database = new Database(join(directory, 'volumes.db'), VOLUME_SCHEMA);
  volumes = new VolumeStore(database, join(directory, 'layers'));
}

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'bf-layers-'));
  open();
});
afterEach(() => {
  database.close();
  rmSync(directory, { recursive: true, force: true });
});

const plain = (runs: Iterable<PageRun> | undefined): readonly PageRun[] => [...(runs ?? [])];

test('a page reads from the topmost layer that has it; snapshots keep what they saw', () => {
  const { id } = volumes.create(SIZE_BYTES);
  volumes.write(id, 0, Buffer.alloc(3 * PAGE, 1));
  const first = volumes.freeze(id);
  volumes.write(id, PAGE, Buffer.alloc(PAGE, 2));
  volumes.clear(id, 2 * PAGE, 3 * PAGE);
  const second = volumes.freeze(id);
  const bytesOf = (volume: typeof first) =>
    [0, 1, 2, 3].map((page) => volumes.read(volume, page * PAGE, page * PAGE + 1)[0]);
  expect(bytesOf(first)).toEqual([1, 1, 1, 0]);
  expect(bytesOf(second)).toEqual([1, 2, 0, 0]);
  expect(plain(volumes.changes(first, second, 0, SIZE_BYTES))).toEqual([
    { start: PAGE, end: 2 * PAGE, kind: 'data' },
    { start: 2 * PAGE, end: 3 * PAGE, kind: 'cleared' },
  ]);
  expect(plain(volumes.allocated(second, 0, SIZE_BYTES))).toEqual([{ start: 0, end: 2 * PAGE, kind: 'data' }]);
  expect(volumes.changes(second, first, 0, SIZE_BYTES)).toBeUndefined();
});

test('runs join across state rows', () => {
  const { id } = volumes.create(SIZE_BYTES);
  const start = 16 * 2 ** 20 - PAGE;
  volumes.write(id, start, Buffer.alloc(2 * PAGE, 7));
  expect(plain(volumes.allocated(volumes.get(id), 0, SIZE_BYTES))).toEqual([
    { start, end: start + 2 * PAGE, kind: 'data' },
  ]);
});

test('everything is there after the store is opened again', () => {
  const { id } = volumes.create(SIZE_BYTES);
  volumes.write(id, 512, Buffer.alloc(1024, 9));
  const frozen = volumes.freeze(id);
  volumes.write(id, 0, Buffer.alloc(512, 8));
  database.close();
  open();
  expect([...volumes.read(volumes.get(id), 0, 2048)]).toEqual([
    ...Buffer.alloc(512, 8),
    ...Buffer.alloc(1024, 9),
    ...Buffer.alloc(512),
  ]);
  expect(volumes.read(volumes.get(frozen.id), 0, 512).equals(Buffer.alloc(512))).toBe(true);
});

test('layers go when nothing refers to them, and only then', () => {
  const remove = (id: string): number => {
    database.transaction(() => volumes.delete(id));
    volumes.sweep();
    return readdirSync(join(directory, 'layers')).length;
  };
  const disk = volumes.create(SIZE_BYTES);
  volumes.write(disk.id, 0, Buffer.alloc(PAGE, 1));
  const first = volumes.freeze(disk.id);
  volumes.write(disk.id, PAGE, Buffer.alloc(PAGE, 2));
  const second = volumes.freeze(disk.id);
  volumes.write(disk.id, 0, Buffer.alloc(PAGE, 3));
  expect(remove(first.id)).toBe(3);
  expect(volumes.read(volumes.get(second.id), 0, 1)[0]).toBe(1);
  expect(remove(disk.id)).toBe(2);
  expect(remove(second.id)).toBe(0);
});

test('a rolled-back removal loses nothing', () => {
  const disk = volumes.create(SIZE_BYTES);
  volumes.write(disk.id, 0, Buffer.alloc(PAGE, 5));
  expect(() =>
    database.transaction(() => {
      volumes.delete(disk.id);
      throw new Error('later step fails');
    }),
  ).toThrow('later step fails');
  volumes.sweep();
  expect(volumes.read(volumes.get(disk.id), 0, 1)[0]).toBe(5);
});

test('any mix of writes, clears, snapshots and forks reads, lists and differs like a plain buffer', () => {
  const SMALL_BYTES = 24 * PAGE;
  const range = fc.tuple(fc.nat(47), fc.integer({ min: 1, max: 24 })).map(([sector, count]) => ({
    start: sector * 2048,
    end: Math.min(SMALL_BYTES, sector * 2048 + count * 512),
  }));
  const step = fc.oneof(
    {
      weight: 4,
      arbitrary: fc.record({ kind: fc.constant('write' as const), range, value: fc.integer({ min: 1, max: 255 }) }),
    },
    { weight: 2, arbitrary: fc.record({ kind: fc.constant('clear' as const), range }) },
    { weight: 2, arbitrary: fc.record({ kind: fc.constant('snapshot' as const) }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('fork' as const) }) },
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 25 }), (steps) => {
      let disk = volumes.create(SMALL_BYTES).id;
      let model = Buffer.alloc(SMALL_BYTES);
      const snapshots: { readonly id: string; readonly bytes: Buffer }[] = [];
      const snapshot = (): void => {
        snapshots.push({ id: volumes.freeze(disk).id, bytes: Buffer.from(model) });
      };
      for (const one of steps) {
        if (one.kind === 'snapshot') snapshot();
        else if (one.kind === 'fork') {
          snapshot();
          disk = volumes.fork(snapshots.at(-1)?.id ?? '').id;
          model = Buffer.from(model);
        } else {
          const { start, end } = one.range;
          const value = one.kind === 'write' ? one.value : 0;
          if (one.kind === 'write') volumes.write(disk, start, Buffer.alloc(end - start, value));
          else volumes.clear(disk, start, end);
          model.fill(value, start, end);
        }
      }
      snapshot();
      for (const { id, bytes } of snapshots) {
        const volume = volumes.get(id);
        expect(volumes.read(volume, 0, SMALL_BYTES).equals(bytes)).toBe(true);
        const listed = Buffer.alloc(SMALL_BYTES);
        for (const run of volumes.allocated(volume, 0, SMALL_BYTES)) bytes.copy(listed, run.start, run.start, run.end);
        expect(listed.equals(bytes)).toBe(true); // what is not listed is zero
      }
      for (let at = 1; at < snapshots.length; at++) {
        const [base, next] = [snapshots[at - 1], snapshots[at]];
        if (base === undefined || next === undefined) continue;
        const applied = Buffer.from(base.bytes);
        for (const run of plain(volumes.changes(volumes.get(base.id), volumes.get(next.id), 0, SMALL_BYTES))) {
          if (run.kind === 'data') next.bytes.copy(applied, run.start, run.start, run.end);
          else applied.fill(0, run.start, run.end);
        }
        expect(applied.equals(next.bytes)).toBe(true);
      }
    }),
    { numRuns: 60 },
  );
});
