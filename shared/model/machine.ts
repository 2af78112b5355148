/** A VM and its disks as Azure describes them, reduced to what a restore needs. Shape of the recipe kept with each point. */
import { z } from 'zod';

/** `sku` of a disk that has no managed disk behind it, so that it is refused by name instead of left out unseen. */
export const unsupportedSkus = { ephemeral: 'Ephemeral', unmanaged: 'Unmanaged', missing: 'Missing' } as const;

export const diskInfoSchema = z.strictObject({
  /** 'os' or the LUN of a data disk. */
  lun: z.union([z.literal('os'), z.number().int().min(0).max(63)]),
  diskId: z.string(),
  name: z.string(),
  /** Azure's own identity of the disk: a disk deleted and made again under one name has another. */
  uniqueId: z.string(),
  sizeBytes: z.number().int().positive(),
  sku: z.string(),
  osType: z.enum(['Linux', 'Windows']).optional(),
  hyperVGeneration: z.string().optional(),
  zones: z.array(z.string()).optional(),
  logicalSectorBytes: z.number().int().positive(),
  caching: z.string().optional(),
  diskEncryptionSetId: z.string().optional(),
  securityType: z.string().optional(),
  tags: z.record(z.string(), z.string()),
});
export type DiskInfo = z.infer<typeof diskInfoSchema>;
export type Lun = DiskInfo['lun'];

export const machineSchema = z.strictObject({
  id: z.string(),
  name: z.string(),
  /** Azure's vmId: survives nothing but the VM itself. */
  uniqueId: z.string(),
  region: z.string(),
  size: z.string(),
  zones: z.array(z.string()).optional(),
  tags: z.record(z.string(), z.string()),
  networkInterfaceIds: z.array(z.string()),
  disks: z.array(diskInfoSchema),
});
export type Machine = z.infer<typeof machineSchema>;
