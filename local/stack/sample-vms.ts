/** Puts the sample VMs' disks into a state directory, and describes the VMs as the simulator's seed file wants them. */
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import type { SampleFileSystem } from '../images/file-system';
import { makeSampleDisk, type SampleDisk } from '../images/sample-disk';
import type { SampleMachine } from '../images/sample-machines';
import { sampleTenant } from './settings';

/** A VM of the simulator's seed file. */
export interface VmSeed {
  readonly subscription: string;
  readonly resourceGroup: string;
  readonly name: string;
  readonly location: string;
  readonly size?: string;
  readonly tags?: Readonly<Record<string, string>>;
  readonly osDisk: { readonly name: string; readonly file: string };
  readonly dataDisks: readonly { readonly lun: number; readonly name: string; readonly file: string }[];
}

export interface MadeMachine {
  readonly seed: VmSeed;
  readonly osDisk: SampleDisk;
  readonly dataDisks: readonly SampleDisk[];
}

export const resourceGroupOf = (machineName: string): string => `rg-${machineName}`;

export async function makeMachine(
  fileSystem: SampleFileSystem,
  folder: string,
  machine: SampleMachine,
): Promise<MadeMachine> {
  mkdirSync(folder, { recursive: true });
  const fileOf = (disk: string): string => path.join(folder, `${disk}.img`);
  const osName = `${machine.name}-os`;
  const osDisk = await makeSampleDisk(fileSystem, fileOf(osName), machine.osDisk);
  const dataDisks: SampleDisk[] = [];
  for (const [lun, spec] of machine.dataDisks.entries()) {
    dataDisks.push(await makeSampleDisk(fileSystem, fileOf(`${machine.name}-data${lun}`), spec));
  }
  const seed: VmSeed = {
    subscription: sampleTenant.subscription,
    resourceGroup: resourceGroupOf(machine.name),
    name: machine.name,
    location: machine.region,
    size: machine.size,
    tags: machine.tags,
    osDisk: { name: osName, file: osDisk.image },
    dataDisks: dataDisks.map((disk, lun) => ({ lun, name: `${machine.name}-data${lun}`, file: disk.image })),
  };
  return { seed, osDisk, dataDisks };
}

/**
 * For a stack that stays: made at the first start, kept afterwards (the simulator took the bytes over at its first start,
 * and looks at the seed's names only from then on).
 */
export async function ensureSampleVms(
  fileSystem: SampleFileSystem,
  folder: string,
  machines: readonly SampleMachine[],
): Promise<readonly VmSeed[]> {
  const file = path.join(folder, 'vms.json');
  if (existsSync(file)) return JSON.parse(readFileSync(file, 'utf8')) as VmSeed[];
  // What an interrupted first start has left.
  rmSync(folder, { recursive: true, force: true });
  const made: MadeMachine[] = [];
  for (const machine of machines) made.push(await makeMachine(fileSystem, folder, machine));
  const seeds = made.map((machine) => machine.seed);
  writeFileSync(file, JSON.stringify(seeds, null, 2));
  return seeds;
}
