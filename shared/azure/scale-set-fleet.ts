/** Data proxies as virtual machine scale sets, one per region, at zero instances while there is nothing to move. */

import { AppError } from '../model/errors';
import type { DataProxyFleet } from '../workflows/ports';
import { Arm, type ArmOptions } from './arm';

export interface ScaleSetFleetOptions extends ArmOptions {
  /** Scale set ids by region. */
  readonly scaleSets: Readonly<Record<string, string>>;
  /** Instances of a launched region. */
  readonly instances?: number;
}

const TYPE = 'virtualMachineScaleSets';
const MEANING = { notFound: 'config.invalid', conflictRetryable: true } as const;

export function createScaleSetFleet(options: ScaleSetFleetOptions): DataProxyFleet {
  const arm = new Arm(options);
  const resize = async (region: string, plan: (present: number) => number): Promise<void> => {
    const id = options.scaleSets[region];
    if (!id) throw new AppError('config.invalid', `no scale set is configured for region ${region}`);
    await arm.onResource(
      { what: 'sizing scale set', id, type: TYPE, meaning: MEANING },
      async (client, parsed, parameters) => {
        const { resourceGroup, name } = parsed;
        const { abortSignal } = parameters;
        const { sku } = await client.virtualMachineScaleSets.get(resourceGroup, name, { abortSignal });
        const present = sku?.capacity ?? 0;
        const wanted = plan(present);
        if (wanted === present) return;
        const change = { sku: { ...sku, capacity: wanted } };
        await client.virtualMachineScaleSets.update(resourceGroup, name, change, parameters).submitted(); // boots on its own
      },
    );
  };
  return {
    // An operator or autoscale may have set more: launching never takes instances away.
    launch: (region) => resize(region, (present) => Math.max(present, options.instances ?? 1)),
    remove: (region) => resize(region, () => 0),
  };
}
