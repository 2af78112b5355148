import path from 'node:path';
import { readMeasured } from '../../bench/scale/measured';
import { largeEstate, night } from '../../bench/scale/model';
import { simulateRegion } from '../../bench/scale/simulate';

const { incremental } = readMeasured(path.join(__dirname, '..', '..'));

test('twice the VMs in the same window are twice the calls, and never less of anything', () => {
  const one = night(largeEstate, incremental);
  const two = night({ ...largeEstate, vms: largeEstate.vms * 2, bytes: largeEstate.bytes * 2 }, incremental);
  const neededOf = (of: typeof one, what: string): number => of.loads.find((load) => load.what === what)?.needed ?? 0;
  for (const { what } of one.loads) expect(neededOf(two, what)).toBeGreaterThanOrEqual(neededOf(one, what));
  expect(neededOf(two, 'durable turns') / neededOf(one, 'durable turns')).toBeCloseTo(2, 6);
  expect(two.storedBytes / one.storedBytes).toBeCloseTo(2, 6);
});

test('what is nearest to its limit stands first', () => {
  const used = night(largeEstate, incremental).loads.map(({ needed, limit }) => needed / limit);
  expect(used).toEqual([...used].sort((a, b) => b - a));
});

test('the simulated night ends, later with fewer proxies, and nobody waits for ARM when starts are spread', () => {
  const paper = night(largeEstate, incremental);
  const [slow, fast] = [1, 8].map((proxies) => simulateRegion(largeEstate, paper, incremental, 3600, proxies));
  expect(fast?.lastEndSeconds).toBeLessThanOrEqual(slow?.lastEndSeconds ?? 0);
  expect(slow?.lastEndSeconds).toBeLessThan(largeEstate.windowHours * 3600);
  const together = simulateRegion(largeEstate, paper, incremental, 0, 8);
  expect(together.waitedForArmSecondsMax).toBeGreaterThan(fast?.waitedForArmSecondsMax ?? Number.POSITIVE_INFINITY);
});
