/** The other ports of a process: Azure's control plane, the catalog's records, the compute threads, the queue. */
import { createHash } from 'node:crypto';
import { AccessCache } from '../../shared/azure/access-cache';
import type { Arm } from '../../shared/azure/arm';
import type { DataPlane } from '../../shared/azure/disk-access';
import { openSnapshotReader } from '../../shared/azure/snapshot-reader';
import { UploadWriter } from '../../shared/azure/upload-writer';
import { type ComputeJob, type ComputeResult, runJob } from '../../shared/blockstore/compute-jobs';
import type { ComputePool } from '../../shared/blockstore/compute-pool';
import type { RecordStore, StoredRecord } from '../../shared/catalog/record-store';
import type { DiskAccess } from '../../shared/dataproxy/ports';
import { AppError } from '../../shared/model/errors';
import type { Compute } from '../../shared/workflows/ports';
import { accessUrl, createBlobWire } from '../cloud/blob-wire';
import type { FaultKind } from '../kit/faults';
import type { World } from '../world';
import type { SimProcess } from './process';

const CALL_FAULTS: readonly FaultKind[] = ['lost-reply', 'unreachable', 'refused', 'slow-reply', 'late'];
const RECORD_FAULTS: readonly FaultKind[] = ['unreachable', 'refused'];

const unavailable = (what: string) => (): Error =>
  new AppError('cloud.unavailable', `${what}: simulated`, { retryable: true });

export function createCompute(world: World, { actor }: SimProcess): Compute {
  const { azure, io } = world;
  const call = <Result>(label: string, effect: () => Result): Promise<Result> =>
    io.request({ actor, label: `arm ${label}`, faults: CALL_FAULTS, effect, failure: unavailable(label) });
  return {
    listMachines: () => call('list machines', () => azure.machines.flatMap(({ id }) => azure.machine(id) ?? [])),
    getMachine: (vmId) => call('get machine', () => azure.machine(vmId)),
    hasResourceGroup: () => call('look for a resource group', () => true),
    getDisk: (diskId) =>
      call('get disk', () => {
        const upload = azure.upload(diskId);
        return upload && { uniqueId: 'upload', state: 'ActiveUpload', sizeBytes: upload.bytes.length };
      }),
    startSnapshot: ({ snapshotId, disk, tags }) =>
      call(`start snapshot ${snapshotId.slice(-8)}`, () =>
        azure.startSnapshot({ snapshotId, diskId: disk.diskId, tags }),
      ),
    getSnapshot: (snapshotId) => call('get snapshot', () => azure.snapshotState(snapshotId)),
    listSnapshots: () =>
      call('list snapshots', () => [...azure.snapshots.values()].map(({ id }) => azure.snapshotState(id))),
    revokeSnapshotAccess: () => call('revoke access', () => undefined),
    deleteSnapshot: (snapshotId) =>
      call(`delete snapshot ${snapshotId.slice(-8)}`, () => azure.deleteSnapshot(snapshotId)),
    createUploadDisk: ({ diskId, template, tags }) =>
      call('create upload', () => azure.createUpload(diskId, template.sizeBytes, tags)),
    finishUploadDisk: (diskId) =>
      call('finish upload', () => {
        const upload = azure.upload(diskId);
        if (upload && !upload.finished) {
          upload.finished = true;
          world.checker.restored(diskId, upload.tags, upload.bytes);
        }
      }),
    discardUploadDisk: (diskId) => call('discard upload', () => azure.discardUpload(diskId)),
  };
}

export function createDiskAccess(world: World, process: SimProcess): DiskAccess {
  const { actor, clock } = process;
  const http = createBlobWire(world.io, actor, world.azure, { doubted: () => world.checker.doubted() });
  const random = (): number => world.random.next();
  // One answer for both questions that the cache asks: an access, and the state of a disk.
  const onResource = (request: { readonly what: string; readonly id: string }): Promise<unknown> =>
    world.io.request({
      actor,
      label: `arm ${request.what}`,
      faults: CALL_FAULTS,
      failure: unavailable(request.what),
      effect: () => ({ accessSAS: accessUrl(request.id), diskState: 'ActiveUpload', name: 'upload' }),
    });
  const arm = { onResource } as unknown as Arm;
  const plane: DataPlane = {
    http,
    clock,
    random,
    checksums: { offered: true },
    rule: { attemptsMax: 8, firstDelayMs: 250, delayMsMax: 15_000 },
    accesses: new AccessCache(arm, {
      accessSeconds: 3600,
      concurrency: 8,
      hostSuffixes: ['.blob.core.windows.net'],
      allowLoopback: false,
      clock,
    }),
  };
  return {
    openSnapshot: (request) => openSnapshotReader(plane, request),
    openUpload: async (request) => new UploadWriter(plane, request),
  };
}

/** The same jobs as on threads, each a step; a thread may be lost, and memory may be wrong. */
export function createPool(world: World, { actor }: SimProcess): ComputePool {
  const run = (job: ComputeJob): Promise<ComputeResult> =>
    world.io.request<ComputeResult>({
      actor,
      label: `compute ${job.kind}`,
      faults: job.kind === 'seal-frame' ? ['thread-lost', 'memory-flip', 'memory-flip'] : ['thread-lost'],
      failure: unavailable('computing'),
      effect: (fault) => {
        if (fault === 'thread-lost') throw unavailable('a compute thread was lost')();
        const flip = (bytes: Buffer, length: number): void => {
          const bit = world.random.int(length * 8);
          bytes[bit >> 3] = (bytes[bit >> 3] ?? 0) ^ (1 << (bit & 7));
        };
        const flips = fault === 'memory-flip' && job.kind === 'seal-frame';
        // Before it is sealed the block's id is all that knows; behind it the tags know too.
        const early = flips && world.random.chance(0.5);
        const [part] = flips ? job.parts : [];
        if (early && part) flip(part, part.length);
        const steps = runJob(job);
        let step = steps.next();
        while (!step.done) step = steps.next();
        if (flips && !early && 'storedBytes' in step.value) flip(job.into, step.value.storedBytes);
        return step.value;
      },
    });
  return { run, close: async () => undefined } as ComputePool;
}

/** Rows of the catalog's table: what every process of the control plane shares. */
export class Records {
  readonly partitions = new Map<string, Map<string, { readonly json: string; readonly etag: string }>>();
  private writes = 0;

  at(partition: string): Map<string, { readonly json: string; readonly etag: string }> {
    const known = this.partitions.get(partition) ?? new Map();
    this.partitions.set(partition, known);
    return known;
  }

  write(partition: string, id: string, value: unknown): string {
    const etag = `W/${++this.writes}-${createHash('md5').update(id).digest('hex').slice(0, 4)}`;
    this.at(partition).set(id, { json: JSON.stringify(value), etag });
    return etag;
  }
}

export function createRecords(world: World, { actor }: SimProcess): RecordStore {
  const { records, io } = world;
  const call = <Result>(label: string, effect: () => Result): Promise<Result> =>
    io.request({ actor, label: `table ${label}`, faults: RECORD_FAULTS, effect, failure: unavailable(label) });
  const conflict = (what: string): Error => new AppError('record.conflict', what);
  return {
    read: (partition, id) =>
      call(`read ${partition}`, () => {
        const row = records.at(partition).get(id);
        return row && { partition, id, value: JSON.parse(row.json), etag: row.etag };
      }),
    create: (partition, id, value) =>
      call(`create ${partition}`, () => {
        if (records.at(partition).has(id)) throw conflict(`${id} exists`);
        return records.write(partition, id, value);
      }),
    update: (partition, id, value, etag) =>
      call(`update ${partition}`, () => {
        if (records.at(partition).get(id)?.etag !== etag) throw conflict(`${id} changed`);
        return records.write(partition, id, value);
      }),
    put: (partition, id, value) => call(`put ${partition}`, () => void records.write(partition, id, value)),
    remove: (partition, id, etag) =>
      call(`remove ${partition}`, () => {
        const row = records.at(partition).get(id);
        if (row && etag !== undefined && row.etag !== etag) throw conflict(`${id} changed`);
        records.at(partition).delete(id);
      }),
    async *list(partition, idPrefix = ''): AsyncIterable<StoredRecord> {
      const rows = await call(`list ${partition}`, () =>
        [...records.at(partition)].filter(([id]) => id.startsWith(idPrefix)).sort(([a], [b]) => (a < b ? -1 : 1)),
      );
      for (const [id, row] of rows) yield { partition, id, value: JSON.parse(row.json), etag: row.etag };
    },
  };
}
