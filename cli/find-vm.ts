/** VMs as people name them: by the name, or by the ARM id when a name is not enough. */
import type { z } from 'zod';
import { sameResource } from '../shared/model/ids';
import type { ApiClient } from './api-client';
import { CliError, usageError } from './cli-error';
import { vmLine } from './lines/vm';

type Vm = z.output<typeof vmLine>;

export async function listVms(api: ApiClient): Promise<readonly Vm[]> {
  const items: Vm[] = [];
  for await (const vm of api.pages('/vms', vmLine)) items.push(vm);
  return items;
}

/** `nothing` when there is no such VM, `usage` when several have the name. */
export function pickVm(vms: readonly Vm[], named: string): Vm {
  const byId = vms.find(({ id }) => sameResource(id, named));
  if (byId) return byId;
  const [found, ...more] = vms.filter(({ name }) => name.toLowerCase() === named.toLowerCase());
  if (found === undefined) {
    throw new CliError('nothing', `no virtual machine ${named}`, {
      code: 'vm.not-found',
      hint: '`blockferry vms` lists them',
    });
  }
  if (more.length > 0) {
    const ids = [found, ...more].map(({ id }) => id).join(', ');
    throw usageError(`${more.length + 1} virtual machines are called ${named}`, `give the id of one: ${ids}`);
  }
  return found;
}

/**
 * The id for a filter. A VM that is gone may still have jobs and restore points: an ARM id is taken as it is, a name is looked for
 * among the VMs that are there.
 */
export async function vmIdFor(api: ApiClient, named: string): Promise<string> {
  return named.startsWith('/subscriptions/') ? named : pickVm(await listVms(api), named).id;
}
