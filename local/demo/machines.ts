/**
 * The machines of one demo run. Sample machines have disks whose files we know; a user's machine has the user's files as
 * data disks, of which the demo changes private copies only.
 */
import path from 'node:path';
import type { SampleFileSystem } from '../images/file-system';
import { copySparse, scribble } from '../images/image-files';
import { ageSampleDisk, type SampleDisk } from '../images/sample-disk';
import { osDisk, SAMPLE_TAG, sampleMachines } from '../images/sample-machines';
import { requireUnchanged, type UserDisk } from '../images/user-disk';
import { makeMachine, type VmSeed } from '../stack/sample-vms';

export interface DemoDisk {
  readonly name: string;
  readonly lun: 'os' | number;
  /** The file that shows what the disk holds now. */
  readonly image: string;
  readonly diskBytes: number;
  /** Known content; undefined for a user's disk. */
  readonly sample: SampleDisk | undefined;
  /** The user's own file: what the first restore point must be equal to. */
  readonly userDisk: UserDisk | undefined;
}

export interface DemoMachine {
  readonly name: string;
  readonly region: string;
  readonly seed: VmSeed;
  readonly disks: readonly DemoDisk[];
}

export async function makeSampleMachines(
  fileSystem: SampleFileSystem,
  folder: string,
  signal: AbortSignal,
): Promise<DemoMachine[]> {
  const machines: DemoMachine[] = [];
  for (const machine of sampleMachines()) {
    signal.throwIfAborted();
    const made = await makeMachine(fileSystem, folder, machine);
    const specs = [machine.osDisk, ...machine.dataDisks];
    const disks = [made.osDisk, ...made.dataDisks].map((disk, index) => ({
      name: path.basename(disk.image, '.img'),
      lun: index === 0 ? ('os' as const) : index - 1,
      image: disk.image,
      diskBytes: specs[index]?.diskBytes ?? 0,
      sample: disk,
      userDisk: undefined,
    }));
    machines.push({ name: machine.name, region: machine.region, seed: made.seed, disks });
  }
  return machines;
}

/** One VM with a small sample disk to start from and the user's disks as LUN 0, 1, ... */
export async function makeUserMachine(
  fileSystem: SampleFileSystem,
  folder: string,
  userDisks: readonly UserDisk[],
  signal: AbortSignal,
): Promise<DemoMachine> {
  const name = 'my-vm';
  const region = 'westeurope';
  const spec = osDisk('base-mine', name, 'gpt');
  const made = await makeMachine(fileSystem, folder, {
    name,
    region,
    size: 'Standard_D2s_v5',
    tags: { [SAMPLE_TAG.name]: SAMPLE_TAG.value },
    osDisk: spec,
    dataDisks: [],
  });
  const os: DemoDisk = {
    name: `${name}-os`,
    lun: 'os',
    image: made.osDisk.image,
    diskBytes: spec.diskBytes,
    sample: made.osDisk,
    userDisk: undefined,
  };
  const data: DemoDisk[] = [];
  for (const [lun, disk] of userDisks.entries()) {
    const image = path.join(folder, `${name}-data${lun}.img`);
    await copySparse(disk.file, image, disk.diskBytes, signal);
    await requireUnchanged(disk);
    const { diskBytes } = disk;
    data.push({ name: `${name}-data${lun}`, lun, image, diskBytes, sample: undefined, userDisk: disk });
  }
  const dataDisks = data.map((disk, lun) => ({ lun, name: disk.name, file: disk.image }));
  return { name, region, seed: { ...made.seed, dataDisks }, disks: [os, ...data] };
}

/** Time passes: files change inside the images; a user's copy gets some pages overwritten, its inside being unknown. */
export async function ageMachine(
  fileSystem: SampleFileSystem,
  machine: DemoMachine,
  round: string,
): Promise<DemoMachine> {
  const disks: DemoDisk[] = [];
  for (const disk of machine.disks) {
    if (disk.sample) disks.push({ ...disk, sample: await ageSampleDisk(fileSystem, disk.sample, round) });
    else {
      await scribble(disk.image, disk.diskBytes, 24, `${disk.name}/${round}`);
      disks.push(disk);
    }
  }
  return { ...machine, disks };
}

/** The ARM id of one of the machine's disks in the simulated subscription. */
export const diskIdOf = (machine: DemoMachine, disk: DemoDisk): string =>
  `/subscriptions/${machine.seed.subscription}/resourceGroups/${machine.seed.resourceGroup}/providers/Microsoft.Compute/disks/${disk.name}`;
