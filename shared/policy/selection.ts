/**
 * Which VMs a policy protects. Every machine given comes back exactly once: selected, excluded (with the rule that did it), or
 * unmatched. Excludes win.
 *
 * A selector matches when every field it gives matches (and); a field matches when any of its entries does (or), so an empty
 * list matches nothing, and so does a selector without fields. Exclude selectors are read the same way.
 * Case: tag values count it, as ARM keeps it; tag names, resource groups, ids and subscriptions do not, as ARM compares them.
 */
import { parseArmId, sameResource } from '../model/ids';
import type { Machine } from '../model/machine';
import type { Policy, Selector } from '../model/policy';

export interface Selection {
  readonly selected: readonly Machine[];
  readonly excluded: readonly { readonly vmId: string; readonly rule: string }[];
  readonly unmatched: readonly string[];
}

export function selectMachines(policy: Pick<Policy, 'include' | 'exclude'>, machines: readonly Machine[]): Selection {
  const selected: Machine[] = [];
  const excluded: { vmId: string; rule: string }[] = [];
  const unmatched: string[] = [];
  for (const machine of machines) {
    const excludedBy = policy.exclude && matchingRule(policy.exclude, machine);
    if (matchingRule(policy.include, machine) === undefined) unmatched.push(machine.id);
    else if (excludedBy !== undefined) excluded.push({ vmId: machine.id, rule: excludedBy });
    else selected.push(machine);
  }
  return { selected, excluded, unmatched };
}

/** The selector's rules in words, for a policy that selects nothing. */
export function describeSelector(selector: Selector): string {
  const parts = [
    selector.tags && `tags ${selector.tags.map(tagText).join(' or ') || '(none)'}`,
    selector.resourceGroups && `resource groups ${selector.resourceGroups.join(' or ') || '(none)'}`,
    selector.subscriptions && `subscriptions ${selector.subscriptions.join(' or ') || '(none)'}`,
    selector.vmIds && `${selector.vmIds.length} VM ids`,
    selector.regions && `regions ${selector.regions.join(' or ') || '(none)'}`,
  ].filter((part) => part !== undefined);
  return parts.join(' and ') || 'no rule at all';
}

/** What made the selector match, or undefined when it does not. */
function matchingRule(selector: Selector, machine: Machine): string | undefined {
  const { subscription, resourceGroup } = parseArmId(machine.id);
  const same = (a: string) => (b: string) => a.toLowerCase() === b.toLowerCase();
  const given = [
    selector.tags && ['tag', selector.tags.filter((rule) => matchesTag(rule, machine)).map(tagText)],
    selector.resourceGroups && ['resource group', selector.resourceGroups.filter(same(resourceGroup))],
    selector.subscriptions && ['subscription', selector.subscriptions.filter(same(subscription))],
    selector.vmIds && ['VM id', selector.vmIds.filter((id) => sameResource(id, machine.id))],
    selector.regions && ['region', selector.regions.filter(same(machine.region))],
  ].filter((field) => field !== undefined) as [string, string[]][];
  if (given.length === 0 || given.some(([, hits]) => hits.length === 0)) return undefined;
  return given.map(([name, hits]) => `${name} ${hits[0]}`).join(' and ');
}

type TagRule = NonNullable<Selector['tags']>[number];

function matchesTag(rule: TagRule, machine: Machine): boolean {
  const name = rule.tag.toLowerCase();
  return Object.entries(machine.tags).some(
    ([tag, value]) => tag.toLowerCase() === name && (rule.value === undefined || rule.value === value),
  );
}

const tagText = (rule: TagRule): string => (rule.value === undefined ? rule.tag : `${rule.tag}=${rule.value}`);
