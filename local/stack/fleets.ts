/**
 * The three fleets of data proxies on the embedded stack: child processes of the host, the host's own queue trigger, and
 * scale sets whose instances the simulator runs as processes. An instance is told its settings as a real one is: by a file
 * that its image brings along, here written when the addresses are known.
 */
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import type { StateLayout } from './layout';
import { sampleTenant } from './settings';

export const fleetNames = ['process', 'functions', 'scale-set'] as const;
export type FleetName = (typeof fleetNames)[number];

const GROUP = 'blockferry-proxies';
const nameOf = (region: string): string => `proxies-${region}`;
const settingsFile = (layout: StateLayout): string => path.join(layout.proxies, 'instance.env');

/** Settings of the product for this fleet. */
export function fleetSettings(fleet: FleetName): Record<string, string> {
  const { subscription, regions } = sampleTenant;
  const group = `/subscriptions/${subscription}/resourceGroups/${GROUP}/providers/Microsoft.Compute`;
  const scaleSets = regions.map((region) => `${region}=${group}/virtualMachineScaleSets/${nameOf(region)}`);
  return {
    BLOCKFERRY_FLEET: fleet,
    ...(fleet === 'scale-set' ? { BLOCKFERRY_SCALE_SETS: scaleSets.join(';') } : {}),
  };
}

/** For the simulator's seed file: one scale set a region, at zero instances, each of which runs `program`. */
export function scaleSetSeeds(fleet: FleetName, program: string, layout: StateLayout) {
  if (fleet !== 'scale-set') return [];
  return sampleTenant.regions.map((region) => ({
    subscription: sampleTenant.subscription,
    resourceGroup: GROUP,
    name: nameOf(region),
    location: region,
    instanceCommand: [process.execPath, `--env-file=${settingsFile(layout)}`, program],
    // Node looks for certificates before it reads the file.
    instanceEnvironment: { BLOCKFERRY_REGION: region, NODE_EXTRA_CA_CERTS: path.join(layout.cloud, 'ca.pem') },
  }));
}

/** Before anything can raise a capacity. It holds what the host is given too, so only the owner may read it. */
export function writeInstanceSettings(layout: StateLayout, settings: Readonly<Record<string, string>>): void {
  const lines = Object.entries(settings).map(([name, value]) => `${name}='${value}'\n`);
  writeFileSync(settingsFile(layout), lines.join(''), { mode: 0o600 });
}
