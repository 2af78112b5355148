/**
 * Paths of ARM: `/subscriptions/S/resourceGroups/G/providers/Microsoft.Compute/disks/D/beginGetAccess`.
 * Names are compared without regard to case, so keys are in lower case and ids keep the case they were created with.
 */
export interface ArmPath {
  readonly subscription: string;
  readonly resourceGroup: string | undefined;
  /** Lower case, one entry a level: `['restorepointcollections', 'restorepoints']`; empty without a provider. */
  readonly types: readonly string[];
  /** As given; shorter than `types` by one for a collection. */
  readonly names: readonly string[];
  /** The last segment, lower case, when it names an action or a collection below a resource. */
  readonly tail: string | undefined;
}

const PROVIDER = 'microsoft.compute';

/** Undefined for what is no path of a subscription. */
export function parseArmPath(pathname: string): ArmPath | undefined {
  const segments = pathname
    .split('/')
    .filter((segment) => segment !== '')
    .map(decodeURIComponent);
  if (segments[0]?.toLowerCase() !== 'subscriptions' || segments[1] === undefined) return undefined;
  const subscription = segments[1];
  let at = 2;
  let resourceGroup: string | undefined;
  if (segments[at]?.toLowerCase() === 'resourcegroups') {
    resourceGroup = segments[at + 1];
    at += 2;
  }
  if (segments[at] === undefined) return { subscription, resourceGroup, types: [], names: [], tail: undefined };
  if (segments[at]?.toLowerCase() !== 'providers' || segments[at + 1]?.toLowerCase() !== PROVIDER) return undefined;
  const rest = segments.slice(at + 2);
  const types: string[] = [];
  const names: string[] = [];
  for (let index = 0; index + 1 < rest.length; index += 2) {
    types.push((rest[index] ?? '').toLowerCase());
    names.push(rest[index + 1] ?? '');
  }
  const tail = rest.length % 2 === 1 ? rest[rest.length - 1]?.toLowerCase() : undefined;
  return { subscription, resourceGroup, types, names, tail };
}

/** The key under which a resource is kept. */
export function keyOf(id: string): string {
  return id.toLowerCase().replace(/\/+$/, '');
}

/** Segments as ARM writes them, by their lower-case form. */
const SPELLINGS: Readonly<Record<string, string>> = {
  disks: 'disks',
  snapshots: 'snapshots',
  virtualmachines: 'virtualMachines',
  virtualmachinescalesets: 'virtualMachineScaleSets',
  restorepointcollections: 'restorePointCollections',
  restorepoints: 'restorePoints',
  diskrestorepoints: 'diskRestorePoints',
};

/** The id of the resource that a path names. */
export function resourceId(path: ArmPath): string {
  const parts = path.types.map((type, index) => `${SPELLINGS[type] ?? type}/${path.names[index] ?? ''}`);
  return `/subscriptions/${path.subscription}/resourceGroups/${path.resourceGroup ?? ''}/providers/Microsoft.Compute/${parts.join('/')}`;
}

/** `Microsoft.Compute/disks`, as in a resource's `type`. */
export function resourceType(types: readonly string[]): string {
  return `Microsoft.Compute/${types.map((type) => SPELLINGS[type] ?? type).join('/')}`;
}
