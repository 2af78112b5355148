/** The bench's path around the product: what it measures must be a whole backup and a whole restore. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { Image } from '../../bench/images/recipe';
import { seededBytes } from '../../bench/kit/random';
import { parseOptions } from '../../bench/options';
import { folderStores } from '../../bench/ours/folder-store';
import { openImageReader } from '../../bench/ours/image-reader';
import { openPipeline } from '../../bench/ours/pipeline';

const MIB = 1024 * 1024;
let folder = '';
beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'bench-pipeline-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function imageOf(name: string, bytes: Buffer, changed: Image['changed'] = []): Image {
  const file = path.join(folder, `${name}.img`);
  writeFileSync(file, bytes);
  return { name, file, bytes: bytes.length, data: [{ start: 0, end: bytes.length }], changed };
}

test('a full and a page-range backup restore to the same bytes, and the second reads what changed and its sample', async () => {
  const first = Buffer.concat([seededBytes('disk')(6 * MIB), Buffer.alloc(2 * MIB)]);
  const second = Buffer.from(first);
  seededBytes('change')(65_536).copy(second, MIB);
  const { stores, calls } = folderStores(path.join(folder, 'store'));
  const out = path.join(folder, 'out');
  const pipeline = await openPipeline({ stores, imageDirectory: out });
  const [before, after] = [imageOf('one', first), imageOf('two', second, [{ start: MIB, end: MIB + 65_536 }])];
  const full = await openImageReader(before);
  await pipeline.backup({ jobId: 'full-1', vmName: 'vm1', reader: full, zstdLevel: 1 });
  const part = await openImageReader(after);
  const { point, stats } = await pipeline.backup({
    ...{ jobId: 'part-1', vmName: 'vm1', reader: part, zstdLevel: 1, basePointId: 'p-full-1' },
  });
  await pipeline.restore({ pointId: point.id, vmName: 'vm1', diskBytes: second.length });
  await Promise.all([full.close(), part.close(), pipeline.close()]);

  expect(readFileSync(path.join(out, 'vm1.restored')).equals(second)).toBe(true);
  expect(stats.newBytes).toBe(65_536);
  expect(part.readBytes()).toBe(65_536 + stats.auditBytes);
  expect(calls.puts).toBeGreaterThan(0);
});

test('options: a quick run writes no document unless told where', () => {
  expect(parseOptions(['--quick'], '/somewhere')).toMatchObject({ quick: true, rounds: 3, docs: undefined });
  expect(parseOptions([], '/somewhere').docs).toBe('/somewhere/docs');
  expect(() => parseOptions(['--rounds', '0'], '/somewhere')).toThrow('--rounds');
  expect(() => parseOptions(['--speed'], '/somewhere')).toThrow('usage');
});
