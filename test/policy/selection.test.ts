import fc from 'fast-check';
import type { Selector } from '../../shared/model/policy';
import { describeSelector, selectMachines } from '../../shared/policy/selection';
import { OTHER_SUBSCRIPTION, SUBSCRIPTION, sampleMachine, vmIdOf } from '../helpers/samples';

const machines = [
  sampleMachine('web', { tags: { backup: 'yes', Env: 'prod' } }),
  sampleMachine('db', { tags: { Backup: 'yes', env: 'test' }, region: 'northeurope' }),
  sampleMachine('cache', { tags: { backup: 'Yes' } }),
  sampleMachine('other', { id: vmIdOf('other', 'LAB', OTHER_SUBSCRIPTION) }),
];
const names = (include: Selector, exclude?: Selector): string[] =>
  selectMachines({ include, ...(exclude ? { exclude } : {}) }, machines).selected.map((machine) => machine.name);

describe('selection', () => {
  test.each<[string, Selector, string[]]>([
    ['nothing given', {}, []],
    ['an empty list', { tags: [] }, []],
    [
      'a tag with its value, name without case, value with case',
      { tags: [{ tag: 'BACKUP', value: 'yes' }] },
      ['web', 'db'],
    ],
    ['a tag by its presence', { tags: [{ tag: 'backup' }] }, ['web', 'db', 'cache']],
    [
      'one of two tags',
      {
        tags: [
          { tag: 'env', value: 'test' },
          { tag: 'env', value: 'prod' },
        ],
      },
      ['web', 'db'],
    ],
    ['a resource group without case', { resourceGroups: ['lab'] }, ['other']],
    ['a subscription', { subscriptions: [OTHER_SUBSCRIPTION] }, ['other']],
    ['an id without case', { vmIds: [vmIdOf('WEB').toUpperCase()] }, ['web']],
    ['a region', { regions: ['northeurope'] }, ['db']],
    ['two fields, both to match', { tags: [{ tag: 'backup' }], regions: ['northeurope'] }, ['db']],
    ['two fields, one not matching', { subscriptions: [SUBSCRIPTION], resourceGroups: ['lab'] }, []],
  ])('%s', (_what, include, expected) => {
    expect(names(include)).toEqual(expected);
  });

  test('an exclude wins, with the rule that did it', () => {
    const include = { tags: [{ tag: 'backup' }] };
    const exclude = { tags: [{ tag: 'env', value: 'test' }], regions: ['northeurope'] };
    expect(names(include, exclude)).toEqual(['web', 'cache']);
    expect(selectMachines({ include, exclude }, machines).excluded).toEqual([
      { vmId: vmIdOf('db'), rule: 'tag env=test and region northeurope' },
    ]);
    expect(names(include, include)).toEqual([]);
    expect(names(include, {})).toEqual(['web', 'db', 'cache']);
  });

  test('tags named like the machinery of JavaScript are tags', () => {
    expect(names({ tags: [{ tag: '__proto__' }] })).toEqual([]);
    expect(names({ tags: [{ tag: 'constructor' }, { tag: 'toString' }] })).toEqual([]);
  });

  test('rules are told in words', () => {
    expect(describeSelector({ tags: [{ tag: 'a', value: 'b' }, { tag: 'c' }], regions: ['westeurope'] })).toBe(
      'tags a=b or c and regions westeurope',
    );
    expect(describeSelector({})).toBe('no rule at all');
  });

  test('every machine comes back exactly once, and no selected one matches the exclude', () => {
    const tag = fc.record({ tag: fc.constantFrom('backup', 'env', 'x'), value: fc.constantFrom('yes', 'no') });
    const selector = fc.record(
      {
        tags: fc.array(tag, { maxLength: 3 }),
        regions: fc.array(fc.constantFrom('westeurope', 'northeurope'), { maxLength: 2 }),
        resourceGroups: fc.array(fc.constantFrom('prod', 'LAB'), { maxLength: 2 }),
        subscriptions: fc.array(fc.constantFrom(SUBSCRIPTION, OTHER_SUBSCRIPTION), { maxLength: 2 }),
      },
      { requiredKeys: [] },
    );
    const fleet = fc.array(
      fc.record({
        name: fc.stringMatching(/^[a-z]{1,8}$/),
        group: fc.constantFrom('prod', 'lab', 'Prod'),
        subscription: fc.constantFrom(SUBSCRIPTION, OTHER_SUBSCRIPTION),
        region: fc.constantFrom('westeurope', 'northeurope'),
        tags: fc.dictionary(fc.constantFrom('backup', 'ENV', 'x'), fc.constantFrom('yes', 'no')),
      }),
      { maxLength: 20 },
    );
    fc.assert(
      fc.property(selector, fc.option(selector, { nil: undefined }), fleet, (include, exclude, vms) => {
        const given = vms.map((vm) =>
          sampleMachine(vm.name, { id: vmIdOf(vm.name, vm.group, vm.subscription), region: vm.region, tags: vm.tags }),
        );
        const { selected, excluded, unmatched } = selectMachines({ include, ...(exclude ? { exclude } : {}) }, given);
        const seen = [...selected.map(({ id }) => id), ...excluded.map(({ vmId }) => vmId), ...unmatched];
        expect(seen.toSorted()).toEqual(given.map(({ id }) => id).toSorted());
        if (exclude) expect(selectMachines({ include: exclude }, selected).selected).toEqual([]);
        expect(selectMachines({ include }, selected).selected).toEqual(selected);
      }),
      { numRuns: 500 },
    );
  });
});
