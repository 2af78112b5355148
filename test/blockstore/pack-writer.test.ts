/** Packs of blocks that do not shrink at all still have room, and two writers fit into the memory of a process. */
import { inlinePool } from '../../shared/blockstore/compute-pool';
import { DedupIndex } from '../../shared/blockstore/dedup-index';
import { PackWriter, packWriterBytes } from '../../shared/blockstore/pack-writer';
import { createMemory } from '../../shared/blockstore/shared-buffers';
import { blockId } from '../../shared/format/block-id';
import { limits, MIB } from '../../shared/model/limits';
import { backupBench, signal } from '../helpers/backup-bench';
import { noise } from '../helpers/fake-disk';

test('two windows share the memory of a process', () => {
  expect(2 * packWriterBytes).toBeLessThanOrEqual(createMemory().windows.maxBytes);
});

test.each([
  ['incompressible', false, 3 * MIB],
  ['compressible', true, 3 * MIB],
  ['tiny packs of incompressible', false, 64 * 1024],
])('%s blocks fill pack after pack, each within its memory', async (_case, compressible, packBytes) => {
  const bench = backupBench();
  const repository = await bench.repository();
  const { buffers } = createMemory();
  const index = new DedupIndex();
  const writer = new PackWriter({ repository, pool: inlinePool, index, buffers, signal, level: 1, packBytes });
  const count = 320;
  const bytes = noise(5, count * limits.blockBytes, compressible);
  for (let block = 0; block < count; block++) {
    const content = bytes.subarray(block * limits.blockBytes, (block + 1) * limits.blockBytes);
    content.writeUInt32LE(block, 0);
    await writer.add(blockId(repository.keys.id, content), content);
  }
  await writer.flush();
  const units = writer.takeStored();
  expect(units.reduce((sum, { ids }) => sum + ids.length / 32, 0)).toBe(count);
  expect(writer.untakenBytes).toBe(0);
  await writer.abandon();
  for (const { unit, sizeBytes } of units) {
    expect(bench.stores.data.objects.get(`t/acme/u/${unit.slice(0, 2)}/${unit}`)?.body.length).toBe(sizeBytes);
  }
});

test('a store that fails ends the writer, and nobody waits for its units for ever', async () => {
  const bench = backupBench();
  const repository = await bench.repository();
  bench.stores.data.putOnce = () => Promise.reject(new Error('the store is away'));
  const { buffers } = createMemory();
  const index = new DedupIndex();
  const writer = new PackWriter({ repository, pool: inlinePool, index, buffers, signal, level: 1 });
  const block = noise(6, limits.blockBytes);
  const { unit } = await writer.add(blockId(repository.keys.id, block), block);
  const waiting = index.units.whenStored(unit, signal).catch((error: { code?: string }) => error.code);
  await expect(writer.flush()).rejects.toThrow('away');
  await writer.abandon();
  expect(await waiting).toBe('store.unavailable');
  expect(index.lookup(blockId(repository.keys.id, block))).toBeUndefined();
});
