/** Azure as the product sees it: machines, disks, snapshots that take their time, disks in upload. No network, no faults. */
import { AppError } from '../../shared/model/errors';
import { computeId, resourceKey } from '../../shared/model/ids';
import type { DiskInfo, Lun, Machine } from '../../shared/model/machine';
import type { SnapshotState } from '../../shared/workflows/ports';
import { DiskState } from './disk';

export const SUBSCRIPTION = '11111111-2222-4333-8444-555555555555';
export const SNAPSHOT_GROUP = 'blockferry';
export const REGION = 'westeurope';

export interface SimDisk {
  readonly diskId: string;
  readonly lun: Lun;
  uniqueId: string;
  state: DiskState;
}

export interface SimMachine {
  readonly id: string;
  readonly name: string;
  readonly vmKey: string;
  readonly disks: SimDisk[];
}

export interface SimSnapshot {
  readonly id: string;
  readonly state: DiskState;
  readonly takenAtMs: number;
  readonly usableAtMs: number;
  readonly sourceUniqueId: string;
  readonly sourceDiskId: string;
  readonly tags: Readonly<Record<string, string>>;
}

export interface SimUpload {
  readonly tags: Readonly<Record<string, string>>;
  readonly bytes: Buffer;
  finished: boolean;
}

export class SimAzure {
  readonly machines: SimMachine[] = [];
  readonly snapshots = new Map<string, SimSnapshot>();
  readonly uploads = new Map<string, SimUpload>();
  /** Bytes of every snapshot ever taken are told to this. */
  onSnapshot: (snapshotId: string, bytes: Buffer) => void = () => undefined;
  private writes = 0;
  private unique = 0;

  constructor(
    private readonly now: () => number,
    private readonly copyMs: () => number,
  ) {}

  addMachine(name: string, sizes: readonly number[]): SimMachine {
    const id = computeId(SUBSCRIPTION, 'prod', 'virtualMachines', name);
    const disks = sizes.map((bytes, index) => this.newDisk(name, index === 0 ? 'os' : index - 1, bytes));
    const machine = { id, name, vmKey: resourceKey(id), disks };
    this.machines.push(machine);
    return machine;
  }

  write(disk: SimDisk, offset: number, bytes: Buffer): void {
    disk.state.write(offset, bytes, ++this.writes);
  }

  clear(disk: SimDisk, offset: number, length: number): void {
    disk.state.clear(offset, length, ++this.writes);
  }

  grow(disk: SimDisk, bytes: number): void {
    disk.state = disk.state.copy(disk.state.bytes.length + bytes);
  }

  /** The disk is deleted, and another made under the same name. */
  swap(disk: SimDisk): void {
    disk.uniqueId = `unique-${++this.unique}`;
    disk.state = DiskState.empty(disk.state.bytes.length);
  }

  machine(vmId: string): Machine | undefined {
    const found = this.machines.find(({ id }) => id.toLowerCase() === vmId.toLowerCase());
    return (
      found && {
        id: found.id,
        name: found.name,
        uniqueId: `vm-${found.name}`,
        region: REGION,
        size: 'Standard_D2s_v5',
        tags: {},
        networkInterfaceIds: [],
        disks: found.disks.map(describe),
      }
    );
  }

  startSnapshot(request: { snapshotId: string; diskId: string; tags: Readonly<Record<string, string>> }): void {
    // A PUT on a name that exists changes nothing of the data.
    if (this.snapshots.has(key(request.snapshotId))) return;
    const disk = this.machines.flatMap(({ disks }) => disks).find(({ diskId }) => key(diskId) === key(request.diskId));
    if (!disk) throw new AppError('disk.not-found', 'no such disk');
    this.onSnapshot(request.snapshotId, disk.state.bytes);
    this.snapshots.set(key(request.snapshotId), {
      id: request.snapshotId,
      state: disk.state.copy(),
      takenAtMs: this.now(),
      usableAtMs: this.now() + this.copyMs(),
      sourceUniqueId: disk.uniqueId,
      sourceDiskId: disk.diskId,
      tags: request.tags,
    });
  }

  snapshotState(snapshotId: string): SnapshotState {
    const snapshot = this.snapshots.get(key(snapshotId));
    return {
      id: snapshotId,
      state: !snapshot ? 'gone' : snapshot.usableAtMs > this.now() ? 'pending' : 'usable',
      completionPercent: 100,
      takenAt: new Date(snapshot?.takenAtMs ?? 0).toISOString(),
      familyId: snapshot && `family-${snapshot.sourceUniqueId}`,
      sourceUniqueId: snapshot?.sourceUniqueId,
      sourceDiskId: snapshot?.sourceDiskId,
      sizeBytes: snapshot?.state.bytes.length ?? 0,
      logicalSectorBytes: 512,
      tags: snapshot?.tags ?? {},
    };
  }

  snapshot(snapshotId: string): SimSnapshot | undefined {
    return this.snapshots.get(key(snapshotId));
  }

  deleteSnapshot(snapshotId: string): void {
    this.snapshots.delete(key(snapshotId));
  }

  createUpload(diskId: string, sizeBytes: number, tags: Readonly<Record<string, string>>): void {
    if (this.uploads.has(key(diskId))) return;
    // What an upload disk holds before it is written is not promised to be zeros for a second attempt: it is for the first.
    this.uploads.set(key(diskId), { tags, bytes: Buffer.alloc(sizeBytes), finished: false });
  }

  upload(diskId: string): SimUpload | undefined {
    return this.uploads.get(key(diskId));
  }

  discardUpload(diskId: string): void {
    this.uploads.delete(key(diskId));
  }

  private newDisk(machine: string, lun: Lun, bytes: number): SimDisk {
    const diskId = computeId(SUBSCRIPTION, 'prod', 'disks', `${machine}-${lun}`);
    return { diskId, lun, uniqueId: `unique-${++this.unique}`, state: DiskState.empty(bytes) };
  }
}

const key = (id: string): string => id.toLowerCase();

function describe(disk: SimDisk): DiskInfo {
  return {
    lun: disk.lun,
    diskId: disk.diskId,
    name: disk.diskId.slice(disk.diskId.lastIndexOf('/') + 1),
    uniqueId: disk.uniqueId,
    sizeBytes: disk.state.bytes.length,
    sku: 'Premium_LRS',
    logicalSectorBytes: 512,
    tags: {},
  };
}
