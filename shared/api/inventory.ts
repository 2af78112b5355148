/** The VMs we can see, and single ones by the id a caller gives. */
import { boundedMap } from '../base/bounded-map';
import { parseArmId } from '../model/ids';
import type { Machine } from '../model/machine';
import { type Caller, inScope } from './caller';
import type { ApiDependencies } from './dependencies';
import { notFound } from './problem';

type Inventory = Pick<ApiDependencies, 'compute' | 'subscriptions'>;

/** Subscriptions are listed side by side; ARM's limits are per subscription. */
const SUBSCRIPTIONS_AT_ONCE = 4;

/** Every VM of every subscription we serve. */
export async function listMachines(deps: Inventory): Promise<Machine[]> {
  const lists = await boundedMap(deps.subscriptions, SUBSCRIPTIONS_AT_ONCE, (subscription) =>
    deps.compute.listMachines(subscription),
  );
  return lists.flat();
}

/** `vmId` in our form. A VM elsewhere, one out of the caller's scope and one that is not there look alike: 404. */
export async function findMachine(deps: Inventory, caller: Pick<Caller, 'scopes'>, vmId: string): Promise<Machine> {
  const visible = isServed(deps, parseArmId(vmId).subscription) && inScope(caller, vmId);
  const machine = visible ? await deps.compute.getMachine(vmId) : undefined;
  if (!machine) throw notFound(`no virtual machine ${vmId} in the subscriptions of this installation`, 'vm.not-found');
  return machine;
}

export const isServed = (deps: Pick<ApiDependencies, 'subscriptions'>, subscription: string): boolean =>
  deps.subscriptions.some((served) => served.toLowerCase() === subscription.toLowerCase());
