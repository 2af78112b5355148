import fc from 'fast-check';
import {
  computeId,
  formatArmId,
  jobIdSchema,
  parseArmId,
  resourceKey,
  sameResource,
  snapshotName,
} from '../../shared/model/ids';

const subscription = '0f0f0f0f-1111-4222-8333-444444444444';

test('an ARM id is parsed into parts and rebuilt from them', () => {
  const id = computeId(subscription, 'my-group', 'virtualMachines', 'web-01');
  expect(formatArmId(parseArmId(id))).toBe(id);
});

test.each([
  '',
  'web-01',
  `/subscriptions/${subscription}`,
  `/subscriptions/${subscription}/resourceGroups/g/providers/Microsoft.Compute/virtualMachines/../x`,
  `/subscriptions/${subscription}/resourceGroups/g/providers/Microsoft.Compute/virtualMachines/a/extensions/b`,
  `/subscriptions/${subscription}/resourceGroups/g%2f/providers/Microsoft.Compute/virtualMachines/a`,
  `https://evil.example/subscriptions/${subscription}/resourceGroups/g/providers/Microsoft.Compute/virtualMachines/a`,
])('%j is refused', (id) => {
  expect(() => parseArmId(id)).toThrow('[request.invalid]');
});

test('ids that differ only by case are the same resource', () => {
  const a = computeId(subscription, 'Group', 'disks', 'Data');
  expect(sameResource(a, a.toUpperCase())).toBe(true);
  expect(resourceKey(a)).toBe(resourceKey(a.toUpperCase()));
});

test('a snapshot name belongs to one job and one disk alone, and is a name Azure takes', () => {
  fc.assert(
    fc.property(
      fc.stringMatching(/^[a-z0-9-]{3,60}$/),
      fc.stringMatching(/^[a-z0-9-]{3,60}$/),
      fc.integer({ min: 0, max: 63 }),
      (a, b, lun) => {
        const name = snapshotName(a, lun);
        expect(name).toMatch(/^[\w-]{1,80}$/);
        expect(name).not.toBe(snapshotName(a, 'os'));
        if (a !== b) expect(name).not.toBe(snapshotName(b, lun));
      },
    ),
  );
});

test.each(['../x', 'A-1', 'a/b', 'a', 'a b c', 'a'.repeat(81), '-ab'])('%j is no job id', (id) => {
  expect(jobIdSchema.safeParse(id).success).toBe(false);
});
