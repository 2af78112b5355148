/** Well-formed things of the model, to be changed where a test looks. */
import { computeId, pointIdOf, resourceKey } from '../../shared/model/ids';
import type { Job } from '../../shared/model/job';
import type { DiskInfo, Machine } from '../../shared/model/machine';
import { type Policy, policySchema } from '../../shared/model/policy';
import type { RestorePoint } from '../../shared/model/restore-point';
import { emptyStats } from '../../shared/model/transfer';

export const SUBSCRIPTION = '11111111-2222-4333-8444-555555555555';
export const OTHER_SUBSCRIPTION = '99999999-2222-4333-8444-555555555555';

export const vmIdOf = (name: string, group = 'prod', subscription = SUBSCRIPTION): string =>
  computeId(subscription, group, 'virtualMachines', name);

export function sampleDisk(name: string, change: Partial<DiskInfo> = {}): DiskInfo {
  return {
    lun: 'os',
    diskId: computeId(SUBSCRIPTION, 'prod', 'disks', name),
    name,
    uniqueId: `unique-${name}`,
    sizeBytes: 64 * 2 ** 20,
    sku: 'Premium_LRS',
    logicalSectorBytes: 512,
    tags: {},
    ...change,
  };
}

export function sampleMachine(name: string, change: Partial<Machine> = {}): Machine {
  return {
    id: vmIdOf(name),
    name,
    uniqueId: `vm-${name}`,
    region: 'westeurope',
    size: 'Standard_D2s_v5',
    tags: {},
    networkInterfaceIds: [],
    disks: [sampleDisk(`${name}-os`), sampleDisk(`${name}-data`, { lun: 0 })],
    ...change,
  };
}

export const samplePolicy = (change: Record<string, unknown> = {}): Policy =>
  policySchema.parse({ name: 'nightly', include: { tags: [{ tag: 'backup', value: 'yes' }] }, ...change });

export function sampleJob(id: string, change: Partial<Job> = {}): Job {
  return {
    id,
    kind: 'backup',
    vmId: vmIdOf('web'),
    vmName: 'web',
    region: 'westeurope',
    trigger: 'request',
    status: 'running',
    phase: 'queued',
    createdAt: '2026-11-22T12:00:00.000Z',
    cancelRequested: false,
    notes: [],
    ...change,
  };
}

export function samplePoint(jobId: string, createdAt: string, machine: Machine = sampleMachine('web')): RestorePoint {
  return {
    version: 1,
    id: pointIdOf(jobId),
    tenant: 'acme',
    jobId,
    vmKey: resourceKey(machine.id),
    createdAt,
    consistency: 'crash-per-disk',
    skewMs: 0,
    machine,
    disks: machine.disks.map((disk) => ({
      lun: disk.lun,
      sizeBytes: disk.sizeBytes,
      manifestKey: `m/${jobId}/${disk.lun}`,
      manifestDigest: 'ab'.repeat(32),
      mode: 'full' as const,
      snapshotTakenAt: createdAt,
      stats: emptyStats,
    })),
    excludedLuns: [],
  };
}

export const sampleVerification = (verifiedAt: string) => ({
  level: 'sample' as const,
  verifiedAt,
  packs: 1,
  sampledBlocks: 16,
  bytesRead: 4096,
});
