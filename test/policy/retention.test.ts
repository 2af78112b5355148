import fc from 'fast-check';
import { type Keepable, planRetention } from '../../shared/policy/retention';

/** The rule read aloud, without regard to cost: a point stays when fewer than keepLast verified ones are newer. */
function slowTwin(keepLast: number, points: readonly Keepable[]): string[] {
  const newer = (a: Keepable, b: Keepable): boolean =>
    a.createdAt === b.createdAt ? a.id > b.id : Date.parse(a.createdAt) > Date.parse(b.createdAt);
  return points
    .filter((point) => {
      const newerOnes = points.filter((other) => newer(other, point));
      return (
        newerOnes.length === 0 || (point.verified && newerOnes.filter((other) => other.verified).length < keepLast)
      );
    })
    .map(({ id }) => id);
}

const day = (offset: number): string => new Date(Date.UTC(2026, 0, 1 + offset)).toISOString();
const points = (...verified: boolean[]): Keepable[] =>
  verified.map((good, index) => ({ id: `p-${index}`, createdAt: day(-index), verified: good }));

describe('retention', () => {
  test.each<[string, number, boolean[], string[]]>([
    ['fewer than the rule asks for', 3, [true, true], ['p-0', 'p-1']],
    ['more', 2, [true, true, true, true], ['p-0', 'p-1']],
    ['an unverified newest stays and counts for nothing', 2, [false, true, true, true], ['p-0', 'p-1', 'p-2']],
    ['an unverified older one goes', 2, [true, false, true, true], ['p-0', 'p-2']],
    ['none', 1, [], []],
  ])('%s', (_what, keepLast, verified, kept) => {
    const plan = planRetention({ keepLast }, points(...verified));
    expect(plan.keep.map(({ id }) => id)).toEqual(kept);
    expect(plan.keep.length + plan.expire.length).toBe(verified.length);
  });

  test('says the same as its slow twin, in whatever order the points come', () => {
    const point = fc.record({
      id: fc.uuid(),
      createdAt: fc.integer({ min: 0, max: 12 }).map(day),
      verified: fc.boolean(),
    });
    fc.assert(
      fc.property(
        fc.uniqueArray(point, { selector: ({ id }) => id, maxLength: 25 }),
        fc.integer({ min: 1, max: 10 }),
        (given, keepLast) => {
          const plan = planRetention({ keepLast }, given);
          expect(plan.keep.map(({ id }) => id)).toEqual(slowTwin(keepLast, given));
          expect([...plan.keep.map(({ id }) => id), ...plan.expire].toSorted()).toEqual(
            given.map(({ id }) => id).toSorted(),
          );
          const reversed = planRetention({ keepLast }, given.toReversed());
          expect(reversed.expire.toSorted()).toEqual(plan.expire.toSorted());
        },
      ),
      { numRuns: 1000 },
    );
  });
});
