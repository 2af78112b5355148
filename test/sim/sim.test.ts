/** A sample of the simulation; `.ci/run` runs far more seeds, a night even more. */
import { runSim, simulate } from './run-sim';

jest.setTimeout(600_000);

test('a hundred seeds hold every invariant', async () => {
  const answer = await simulate('--seeds', '100', '--no-mutations');
  expect(answer.failures).toEqual([]);
  expect(answer).toMatchObject({ seeds: 100, violations: 0 });
  // A run in which nothing happened would hold them all.
  expect(answer.faultsInjected).toBeGreaterThan(1_000);
  expect(answer.outcomes['points committed']).toBeGreaterThan(100);
  expect(answer.outcomes['disks restored right']).toBeGreaterThan(20);
  expect(answer.outcomes['disks backed up incremental']).toBeGreaterThan(50);
});

test('one seed is one run: the same steps every time, others for another seed', async () => {
  const [first, again, other] = await Promise.all([
    runSim('--seed', '7'),
    runSim('--seed', '7'),
    runSim('--seed', '8'),
  ]);
  expect(first.stdout.length).toBeGreaterThan(1_000);
  expect(again.stdout).toBe(first.stdout);
  expect(other.stdout).not.toBe(first.stdout);
});

test.each(['treat-412-as-failed', 'ignore-continuation-token', 'use-count'])(
  'without "%s" something breaks',
  async (name) => {
    const answer = await simulate('--seeds', '100', '--mutations', '--mutation', name);
    expect(answer.mutationsKilled).toBe(1);
  },
);
