/**
 * One VM of the drill: a full backup and three incrementals, the data proxy struck at chosen I/O points of each. At the end
 * every point is restored and compared with the disk as it was then.
 */
import { closeSync, openSync, rmSync, truncateSync, writeSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { copySparse, firstDifference } from '../../local/images/image-files';
import { sampleTenant } from '../../local/stack/settings';
import { computeId, pointIdOf, resourceKey } from '../../shared/model/ids';
import { MIB } from '../../shared/model/limits';
import type { TransferPlan } from '../../shared/workflows/transfer/contracts';
import { seededBytes } from '../kit/random';
import { type DrillProxy, endProxy, type Strike, startProxy } from './proxy';
import type { World } from './world';

export const phases = ['full', 'first incremental', 'second incremental', 'third incremental'] as const;
export type Phase = (typeof phases)[number];

export interface BackupReport {
  readonly phase: Phase;
  /** Strikes that happened. */
  readonly struck: readonly Strike[];
  /** Strikes whose point was not reached before the work was done. */
  readonly missed: readonly Strike[];
  /** I/O points of the last proxy, when its work was done. */
  readonly points: number;
  /** What the disk was read for, by all proxies of the backup together. */
  readonly readBytes: number;
  readonly problems: readonly string[];
}

const group = (name: string): string => `rg-${name}`;

/** For the simulator's seed: the disk is filled before the stack starts. */
export function machineSeed(folder: string, name: string, diskMib: number) {
  const file = path.join(folder, `${name}.img`);
  closeSync(openSync(file, 'w'));
  truncateSync(file, diskMib * MIB);
  // Something at both ends, noise between: a quarter of the disk is data.
  for (let at = 0; at < diskMib; at += 4)
    scribbleAt(file, at * MIB, Math.min(MIB, diskMib * MIB - at * MIB), `${name}/${at}`);
  scribbleAt(file, diskMib * MIB - 512, 512, `${name}/end`);
  const place = { subscription: sampleTenant.subscription, resourceGroup: group(name), name };
  return { ...place, location: sampleTenant.regions[0], tags: {}, osDisk: { name: `${name}-os`, file }, dataDisks: [] };
}

function scribbleAt(file: string, at: number, bytes: number, seed: string): void {
  const handle = openSync(file, 'r+');
  const stream = seededBytes(seed);
  for (let done = 0; done < bytes; done += MIB) {
    const piece = stream(Math.min(MIB, bytes - done));
    writeSync(handle, piece, 0, piece.length, at + done);
  }
  closeSync(handle);
}

export class Campaign {
  private readonly file: string;
  private readonly vmId: string;
  readonly vmKey: string;
  private readonly committed: { readonly pointId: string; readonly image: string }[] = [];

  constructor(
    private readonly world: World,
    private readonly folder: string,
    readonly name: string,
    private readonly diskMib: number,
  ) {
    this.file = path.join(folder, `${name}.img`);
    this.vmId = computeId(sampleTenant.subscription, group(name), 'virtualMachines', name);
    this.vmKey = resourceKey(this.vmId);
  }

  /** `strikes` are dealt one a proxy, in order. */
  async backup(phase: Phase, strikes: readonly Strike[], mover: Mover): Promise<BackupReport> {
    const { world } = this;
    const problems: string[] = [];
    if (phase !== 'full') await this.change(phases.indexOf(phase));
    await world.cloud.countRequests('last');
    const readBefore = world.cloud.counted().diskReadBytes;
    const machine = await world.deps.compute.getMachine(this.vmId);
    if (!machine) throw new Error(`no VM ${this.name}`);
    const moved = mover.prepare(strikes, () => this.onlyCommittedIsVisible(problems));
    const { jobId } = await world.jobs.startBackup({ machine, trigger: 'request' });
    await world.ended(jobId);
    await world.cloud.countRequests('last');
    const readBytes = world.cloud.counted().diskReadBytes - readBefore;
    const job = await world.deps.catalog.jobs.read(jobId);
    const { struck, missed, points } = await moved;
    if (job?.status !== 'succeeded') problems.push(`the job ${job?.status}: ${JSON.stringify(job?.error)}`);
    else {
      const image = path.join(this.folder, `${this.name}-${this.committed.length}.expected`);
      await copySparse(this.file, image, this.diskMib * MIB);
      this.committed.push({ pointId: pointIdOf(jobId), image });
    }
    return { phase, struck, missed, points, readBytes, problems };
  }

  /** What is wrong with each point; then the disk's files go. */
  async finish(): Promise<string[]> {
    const problems: string[] = [];
    for (const index of this.committed.keys()) problems.push(...(await this.compare(index)));
    for (const { image } of this.committed) rmSync(image, { force: true });
    rmSync(this.file, { force: true });
    return problems;
  }

  private async change(generation: number): Promise<void> {
    const diskBytes = this.diskMib * MIB;
    const seed = `${this.name}/${generation}`;
    scribbleAt(this.file, 2 * MIB + generation * 70_000, 300_000, `${seed}/low`);
    scribbleAt(this.file, diskBytes - MIB - generation * 4096, 90_000, `${seed}/high`);
    const diskId = computeId(sampleTenant.subscription, group(this.name), 'disks', `${this.name}-os`);
    await this.world.cloud.importDisk(diskId, this.file);
  }

  private async compare(index: number): Promise<string[]> {
    const { world } = this;
    const { pointId, image } = this.committed[index] ?? { pointId: '', image: '' };
    const { point } = (await world.deps.catalog.points.read(pointId)) ?? {};
    if (!point) return [`point ${pointId} is not in the catalog`];
    const { jobId } = await world.jobs.startRestore({ point, luns: ['os'], target: { kind: 'image' } });
    await world.ended(jobId);
    const job = await world.deps.catalog.jobs.read(jobId);
    if (job?.status !== 'succeeded') return [`the restore of ${pointId} ${job?.status}: ${JSON.stringify(job?.error)}`];
    const restored = path.join(world.stack.layout.restored, job.targets?.[0]?.target ?? '');
    const at = await firstDifference(image, restored, this.diskMib * MIB);
    rmSync(restored);
    return at === undefined ? [] : [`point ${pointId} differs from byte ${at} on`];
  }

  /** Looked at while a backup is under way: a point of it would be half-committed. */
  private async onlyCommittedIsVisible(problems: string[]): Promise<void> {
    const seen = (await this.world.visible(this.vmKey)).points.length;
    if (seen !== this.committed.length) problems.push(`${seen} points are visible, ${this.committed.length} committed`);
  }
}

interface Moved {
  readonly struck: readonly Strike[];
  readonly missed: readonly Strike[];
  readonly points: number;
}

/** Moves the windows of one backup at a time through proxies that are struck. */
export class Mover {
  private next: { strikes: Strike[]; look: () => Promise<void>; settle: (moved: Moved) => void } | undefined;

  prepare(strikes: readonly Strike[], look: () => Promise<void>): Promise<Moved> {
    const { promise, resolve } = Promise.withResolvers<Moved>();
    this.next = { strikes: [...strikes], look, settle: resolve };
    return promise;
  }

  async move(world: World, plan: TransferPlan): Promise<void> {
    const { strikes = [], look, settle } = this.next ?? {};
    const struck: Strike[] = [];
    for (;;) {
      const strike = strikes[0];
      const proxy = startProxy(world.dist, world.environment, strike);
      await world.transfers.sendTransfers({ plan });
      const done = await this.untilDone(world, plan, proxy);
      if (done) {
        const points = await proxy.points().catch(() => 0);
        if (!(await endProxy(proxy))) throw new Error('a data proxy did not end within its grace');
        settle?.({ struck, missed: strikes, points });
        return;
      }
      const end = await proxy.ended;
      if (end !== strike?.signal) throw new Error(`a data proxy ended by ${end}: ${proxy.lines().join('\n')}`);
      struck.push(strike);
      strikes.shift();
      await look?.();
    }
  }

  /** False when the proxy died first. */
  private async untilDone(world: World, plan: TransferPlan, proxy: DrillProxy): Promise<boolean> {
    const died = proxy.ended.then(() => 'died' as const);
    for (;;) {
      const { windowsDone, windowsTotal, failure } = await world.transfers.checkTransfers({ plan });
      if (failure) throw new Error(`a window failed: ${failure.code} ${failure.message}`);
      if (windowsDone >= windowsTotal) return true;
      if ((await Promise.race([died, sleep(60)])) === 'died') {
        // A window may have become a fact with its last breath.
        const last = await world.transfers.checkTransfers({ plan });
        return last.windowsDone >= last.windowsTotal && proxy.child.signalCode === null;
      }
    }
  }
}
