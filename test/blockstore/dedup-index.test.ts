/** The index finds what was claimed and nothing else, whatever its size, and forgets what failed. */
import { createHash } from 'node:crypto';
import { DedupIndex } from '../../shared/blockstore/dedup-index';
import { RunSampler, seededRandom } from '../../shared/blockstore/sample';

const id = (name: number | string): Buffer => createHash('sha256').update(`${name}`).digest();

test('a hundred thousand blocks are found again through every growth, in at most 24 bytes each when sized', () => {
  const count = 100_000;
  const sized = new DedupIndex(count);
  const grown = new DedupIndex();
  for (const index of [sized, grown]) {
    const { unit } = index.units.addStored({ unit: 'ab', sizeBytes: 9, tailBytes: 1 }, 0);
    for (let block = 0; block < count; block++) index.claim(id(block), { unit, slot: block % 16_384 });
    expect(index.blockCount).toBe(count);
    for (let block = 0; block < count; block += 97)
      expect(index.lookup(id(block))).toEqual({ unit, slot: block % 16_384 });
    for (let block = 0; block < 1_000; block++) expect(index.lookup(id(`other ${block}`))).toBeUndefined();
  }
  expect(sized.memoryBytes / count).toBeLessThanOrEqual(24);
});

test('the first living copy counts; a dead unit is replaced', async () => {
  const index = new DedupIndex();
  const first = index.units.addPending('first');
  const second = index.units.addPending('second');
  index.claim(id(1), { unit: first, slot: 3 });
  index.claim(id(1), { unit: second, slot: 4 });
  expect(index.lookup(id(1))).toEqual({ unit: first, slot: 3 });
  const { signal } = new AbortController();
  const waiting = index.units.whenStored(first, signal);
  index.units.died(first);
  await expect(waiting).rejects.toMatchObject({ code: 'store.unavailable', retryable: true });
  expect(index.lookup(id(1))).toBeUndefined();
  index.claim(id(1), { unit: second, slot: 4 });
  expect(index.lookup(id(1))).toEqual({ unit: second, slot: 4 });
  index.units.stored(second, { sizeBytes: 77, tailBytes: 7 });
  expect(await index.units.whenStored(second, signal)).toEqual({ unit: 'second', sizeBytes: 77, tailBytes: 7 });
  index.units.died(second);
  expect(index.units.stateOf(second)).toBe('stored');
  expect(index.blockCount).toBe(1);
});

test('waiting for a unit can be given up', async () => {
  const index = new DedupIndex();
  const unit = index.units.addPending('slow');
  const stop = new AbortController();
  const waiting = index.units.whenStored(unit, stop.signal);
  stop.abort(new Error('stop'));
  await expect(waiting).rejects.toThrow('stop');
});

test('samples are uniform, repeatable, and complete when there is less than asked', () => {
  const few = new RunSampler<number>(10, seededRandom('a'));
  few.add(4, (at) => at);
  few.add(3, (at) => 10 + at);
  expect(few.taken).toEqual([0, 1, 2, 3, 10, 11, 12]);
  const hits = new Array<number>(10).fill(0);
  for (let round = 0; round < 400; round++) {
    const sampler = new RunSampler<number>(20, seededRandom(`round ${round}`));
    for (let run = 0; run < 10; run++) sampler.add(100, (at) => run * 100 + at);
    expect(new Set(sampler.taken).size).toBe(20);
    for (const taken of sampler.taken) hits[Math.floor(taken / 100)] = (hits[Math.floor(taken / 100)] ?? 0) + 1;
  }
  // 800 expected in each tenth; 10 standard deviations on either side.
  for (const count of hits) expect(Math.abs(count - 800)).toBeLessThan(270);
  const again = (seed: string): number[] => {
    const sampler = new RunSampler<number>(5, seededRandom(seed));
    sampler.add(1_000_000_000, (at) => at);
    return sampler.taken;
  };
  expect(again('x')).toEqual(again('x'));
  expect(again('x')).not.toEqual(again('y'));
});
