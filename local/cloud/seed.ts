/**
 * The seed file: what exists when a simulator starts for the first time. Applying it again changes nothing; a VM that
 * was deleted since does not come back.
 */
import { createHash } from 'node:crypto';
import { isAbsolute, join } from 'node:path';
import { z } from 'zod';
import { asText } from './arm/json';
import { saveVm } from './arm/virtual-machines';
import { type ArmWorld, isoTime } from './arm/world';
import { imageSizeBytes, importImage } from './disks/image-file';
import { keyVaultSeedSchema } from './keyvault/service';
import { ControlError } from './kit/service';

export const SEED_SCHEMA = 'CREATE TABLE IF NOT EXISTS seeded (vm TEXT PRIMARY KEY) WITHOUT ROWID;';

const diskSeed = z.object({
  name: z.string().regex(/^[A-Za-z0-9_.-]{1,80}$/),
  /** A raw image or a fixed VHD; relative paths start at the seed file's folder. */
  file: z.string(),
  sku: z.string().optional(),
});

export const vmSeedSchema = z.object({
  subscription: z.string(),
  resourceGroup: z.string(),
  name: z.string().regex(/^[A-Za-z0-9_.-]{1,64}$/),
  location: z.string(),
  size: z.string().optional(),
  zones: z.array(z.string()).optional(),
  tags: z.record(z.string(), z.string()).optional(),
  osDisk: diskSeed.extend({ osType: z.enum(['Linux', 'Windows']).optional() }),
  dataDisks: z.array(diskSeed.extend({ lun: z.int().min(0).max(63) })).default([]),
});

export type VmSeed = z.infer<typeof vmSeedSchema>;

const behaviourFields = {
  lroMs: z.int().min(0),
  listPageSize: z.int().min(1),
  pageListMax: z.int().min(1).max(10_000),
  snapshotCopyMs: z.int().min(0),
  tokenLifetimeSeconds: z.int().min(1),
};

export const behaviourSchema = z.object(behaviourFields).partial().strict();

export const seedSchema = z.object({
  /** Makes identifiers and injected faults the same in each run. */
  randomSeed: z.union([z.string(), z.number()]).optional(),
  tenantId: z.string().regex(/^[A-Za-z0-9-]+$/),
  subscriptions: z.array(z.string()).min(1),
  /** Groups of VMs and scale sets need no entry. */
  resourceGroups: z.array(z.object({ subscription: z.string(), name: z.string(), location: z.string() })).default([]),
  vms: z.array(vmSeedSchema).default([]),
  scaleSets: z
    .array(
      z.object({
        subscription: z.string(),
        resourceGroup: z.string(),
        name: z.string(),
        location: z.string(),
        instanceCommand: z.array(z.string()).min(1).optional(),
        instanceEnvironment: z.record(z.string(), z.string()).optional(),
      }),
    )
    .default([]),
  identities: z.array(z.object({ clientId: z.string(), objectId: z.string(), default: z.boolean().optional() })).min(1),
  /** Who may ask for tokens of an API by client credentials, and with which app roles. */
  clients: z
    .array(
      z.object({
        clientId: z.uuid(),
        objectId: z.uuid(),
        name: z.string(),
        secret: z.string().min(1),
        roles: z.array(z.string()),
      }),
    )
    .default([]),
  keyVault: keyVaultSeedSchema.default({ keys: [], purgeProtection: false, retentionDays: 90 }),
  /** Validated by the AWS side. */
  aws: z.record(z.string(), z.unknown()),
  behaviour: behaviourSchema.default({}),
});

export type CloudSeed = z.infer<typeof seedSchema>;

export async function applySeed(world: ArmWorld, seed: CloudSeed, baseDirectory: string): Promise<void> {
  for (const { subscription, name, location } of seed.resourceGroups)
    world.resources.addGroup(subscription, name, location);
  for (const scaleSet of seed.scaleSets) addScaleSet(world, scaleSet);
  for (const vm of seed.vms) {
    const key = `${vm.subscription}/${vm.resourceGroup}/${vm.name}`.toLowerCase();
    if (world.database.first('SELECT 1 FROM seeded WHERE vm = ?', key) !== undefined) continue;
    await addVm(world, vm, baseDirectory);
    world.database.run('INSERT INTO seeded VALUES (?)', key);
  }
}

/** Creates the VM and its disks with the content of their files; does nothing when the VM exists. Repeatable. */
export async function addVm(world: ArmWorld, vm: VmSeed, baseDirectory: string): Promise<{ readonly id: string }> {
  const { subscription, resourceGroup, name, location } = vm;
  const base = `/subscriptions/${subscription}/resourceGroups/${resourceGroup}/providers/Microsoft.Compute`;
  const id = `${base}/virtualMachines/${name}`;
  world.resources.addGroup(subscription, resourceGroup, location);
  if (world.resources.get(id) !== undefined) return { id };
  const osDisk = await addDisk(world, vm, vm.osDisk, `${base}/disks/${vm.osDisk.name}`, baseDirectory);
  const dataDisks: { lun: number; diskId: string }[] = [];
  for (const disk of vm.dataDisks) {
    const diskId = await addDisk(world, vm, disk, `${base}/disks/${disk.name}`, baseDirectory);
    dataDisks.push({ lun: disk.lun, diskId });
  }
  world.database.transaction(() =>
    saveVm(world, {
      id,
      name,
      body: {
        location,
        tags: vm.tags ?? {},
        ...(vm.zones === undefined ? {} : { zones: vm.zones }),
        properties: {
          hardwareProfile: { vmSize: vm.size ?? 'Standard_D2s_v5' },
          networkProfile: { networkInterfaces: [] },
          storageProfile: {
            osDisk: { createOption: 'Attach', osType: vm.osDisk.osType ?? 'Linux', managedDisk: { id: osDisk } },
            dataDisks: dataDisks.map(({ lun, diskId }) => ({
              createOption: 'Attach',
              lun,
              managedDisk: { id: diskId },
            })),
          },
        },
      },
    }),
  );
  return { id };
}

async function addDisk(
  world: ArmWorld,
  vm: VmSeed,
  disk: VmSeed['osDisk'],
  id: string,
  baseDirectory: string,
): Promise<string> {
  const file = isAbsolute(disk.file) ? disk.file : join(baseDirectory, disk.file);
  const present = world.resources.get(id);
  const holder = asText(present?.body['managedBy']);
  if (holder !== undefined) throw new ControlError(409, `disk ${disk.name} is attached to ${holder}`);
  // A present disk that is not attached is one whose import was interrupted: an import can be repeated.
  const volumeId =
    present?.state.volumeId ??
    world.database.transaction(() => {
      const now = world.now();
      const volume = world.volumes.create(imageSizeBytes(file));
      world.resources.put(
        'disks',
        {
          id,
          name: disk.name,
          type: 'Microsoft.Compute/disks',
          location: vm.location,
          ...(vm.zones === undefined ? {} : { zones: vm.zones }),
          sku: { name: disk.sku ?? 'Premium_LRS', tier: (disk.sku ?? 'Premium_LRS').split('_')[0] },
          properties: {
            ...(disk === vm.osDisk ? { osType: disk.osType ?? 'Linux', hyperVGeneration: 'V2' } : {}),
            networkAccessPolicy: 'AllowAll',
            publicNetworkAccess: 'Enabled',
            encryption: { type: 'EncryptionAtRestWithPlatformKey' },
            creationData: { createOption: 'Empty' },
            timeCreated: isoTime(now),
            uniqueId: world.random.uuid(),
          },
        },
        { createdAt: now, readyAt: now, volumeId: volume.id, familyId: world.random.uuid() },
      );
      return volume.id;
    });
  await importImage(world.volumes, volumeId, file);
  return id;
}

function addScaleSet(world: ArmWorld, scaleSet: CloudSeed['scaleSets'][number]): void {
  const { subscription, resourceGroup, name, location } = scaleSet;
  const id = `/subscriptions/${subscription}/resourceGroups/${resourceGroup}/providers/Microsoft.Compute/virtualMachineScaleSets/${name}`;
  world.resources.addGroup(subscription, resourceGroup, location);
  const present = world.resources.get(id);
  const now = world.now();
  world.resources.put(
    'virtualmachinescalesets',
    present?.body ?? {
      id,
      name,
      type: 'Microsoft.Compute/virtualMachineScaleSets',
      location,
      sku: { name: 'Standard_D2s_v5', tier: 'Standard', capacity: 0 },
      properties: { uniqueId: uuidOf(id), orchestrationMode: 'Uniform', timeCreated: isoTime(now) },
    },
    {
      createdAt: present?.state.createdAt ?? now,
      readyAt: present?.state.readyAt ?? now,
      // What an instance runs may differ after an upgrade of the program: the newest seed decides.
      ...(scaleSet.instanceCommand === undefined ? {} : { command: scaleSet.instanceCommand }),
      ...(scaleSet.instanceEnvironment === undefined ? {} : { environment: scaleSet.instanceEnvironment }),
    },
  );
}

function uuidOf(text: string): string {
  const hex = createHash('sha256').update(text).digest('hex');
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20, 32)].join('-');
}
