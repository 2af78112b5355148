/** What a run does: a list of operations made from the seed before it starts, so that one can be left out and the others stay. */

import { loadRestorePoint } from '../shared/blockstore/points';
import { rebuildSegments } from '../shared/blockstore/rebuild-index';
import { TenantIndex } from '../shared/blockstore/tenant-index';
import { rewrapRootKey } from '../shared/blockstore/tenant-keys';
import { limits } from '../shared/model/limits';
import type { SimDisk } from './cloud/azure';
import { flipped } from './cloud/s3-wire';
import type { Random } from './kit/random';
import { keyWrapper, TENANT } from './product/process';
import type { World } from './world';

export const operationKinds = [
  'write',
  'clear',
  'grow',
  'swap',
  'backup',
  'restore',
  'cancel',
  'crash-proxy',
  'stop-proxy',
  'crash-app',
  'pause',
  'outage',
  'janitor',
  'rotate',
  'lose-index',
  'rebuild-index',
  'corrupt',
  'lose-catalog',
] as const;
export type OperationKind = (typeof operationKinds)[number];

export interface Operation {
  readonly kind: OperationKind;
  /** Simulated time before it. */
  readonly afterMs: number;
  readonly a: number;
  readonly b: number;
  readonly c: number;
}

const WEIGHTS: Readonly<Record<OperationKind, number>> = {
  write: 12,
  clear: 2,
  grow: 1,
  swap: 0.5,
  backup: 10,
  restore: 4,
  cancel: 1,
  'crash-proxy': 3,
  'stop-proxy': 1,
  'crash-app': 1.5,
  pause: 2,
  outage: 0.7,
  janitor: 1,
  rotate: 0.5,
  'lose-index': 0.3,
  'rebuild-index': 0.5,
  corrupt: 0.5,
  'lose-catalog': 0.15,
};

/** Each run leaves out some kinds altogether and does much of the others. */
export function planOperations(random: Random, count: number): Operation[] {
  const always: ReadonlySet<OperationKind> = new Set(['write', 'backup']);
  const kinds = operationKinds.filter((kind) => always.has(kind) || random.chance(0.6));
  const total = kinds.reduce((sum, kind) => sum + WEIGHTS[kind], 0);
  return Array.from({ length: count }, () => {
    let left = random.next() * total;
    let kind: OperationKind = 'write';
    for (const candidate of kinds) {
      left -= WEIGHTS[candidate];
      if (left >= 0) continue;
      kind = candidate;
      break;
    }
    const afterMs = random.chance(0.2) ? random.int(20 * 60_000) : random.int(20_000);
    return { kind, afterMs, a: random.next(), b: random.next(), c: random.next() };
  });
}

/** Blocks repeat: on the disk, between disks, over time. That is what deduplication and the collector live on. */
const CONTENTS = 14;

export function contentOf(number: number): Buffer {
  if (number % 5 === 4) return Buffer.from(`line ${number} of a log\n`.repeat(100)).subarray(0, limits.blockBytes);
  const bytes = Buffer.alloc(limits.blockBytes);
  for (let at = 0; at < bytes.length; at += 4)
    bytes.writeUInt32LE(Math.imul(at + number * 7919 + 1, 2654435761) >>> 0, at);
  return bytes;
}

const at = <Item>(items: readonly Item[], position: number): Item | undefined =>
  items[Math.floor(position * items.length)];

export async function perform(world: World, operation: Operation): Promise<void> {
  const { a, b, c } = operation;
  const { azure, checker, scheduler, durable, control } = world;
  const machine = at(azure.machines, a);
  const disk = machine && at(machine.disks, b);
  switch (operation.kind) {
    case 'write':
      if (disk) write(world, disk, c);
      return;
    case 'clear':
      if (disk) azure.clear(disk, Math.floor((c * disk.state.bytes.length) / 512) * 512, 512);
      return;
    case 'grow':
      if (disk && disk.state.bytes.length < 48 * 1024) azure.grow(disk, 512 * (1 + Math.floor(c * 20)));
      return;
    case 'swap':
      if (disk) azure.swap(disk);
      return;
    case 'backup': {
      const described = machine && azure.machine(machine.id);
      if (!described) return;
      await control.starter.startBackup({ machine: described, trigger: b < 0.5 ? 'request' : 'schedule' });
      return;
    }
    case 'restore':
      await restore(world, a, b);
      return;
    case 'cancel': {
      const running = [...durable.instances.values()].filter(
        ({ status, name }) => status === 'running' && /Job$/.test(name),
      );
      const job = at(running, a);
      if (job) await control.starter.cancel(job.id);
      return;
    }
    case 'crash-proxy': {
      const proxy = at(world.proxies, a);
      if (!proxy) return;
      world.proxies.splice(world.proxies.indexOf(proxy), 1);
      world.crash(proxy.process);
      world.startProxy();
      return;
    }
    case 'stop-proxy': {
      const proxy = at(world.proxies, a);
      if (!proxy) return;
      world.proxies.splice(world.proxies.indexOf(proxy), 1);
      proxy.stop();
      world.startProxy();
      return;
    }
    case 'crash-app':
      world.crash(control.process);
      world.startControl();
      return;
    case 'pause': {
      const actors = [...world.proxies.map(({ process }) => process.actor), control.process.actor];
      const actor = at(actors, a);
      if (actor) actor.pausedUntilMs = scheduler.nowMs + (b < 0.5 ? b * 120_000 : b * 40 * 60_000);
      return;
    }
    case 'outage':
      world.outageUntilMs = scheduler.nowMs + a * 5 * 60_000;
      return;
    case 'janitor':
      await control.janitor.reconcile();
      return;
    case 'rotate': {
      const { process } = control;
      const { randomBytes, logger } = process;
      const wrappers = [keyWrapper(randomBytes)];
      const options = { stores: process.stores('writer'), tenant: TENANT, logger, wrappers, randomBytes };
      await rewrapRootKey(options, wrappers, { nextPackGeneration: a < 0.7 });
      return;
    }
    case 'lose-index':
      for (const key of world.buckets.data.keys(`t/${TENANT}/x/`)) damage(world, key, undefined);
      return;
    case 'rebuild-index': {
      const sessionId = `rebuild-${scheduler.steps}`;
      const { process } = control;
      const reader = await process.openRepository({ role: 'reader', tenant: TENANT, sessionId });
      const writer = await process.openRepository({ role: 'writer', tenant: TENANT, sessionId });
      await rebuildSegments(reader, writer, new TenantIndex(), sessionId);
      return;
    }
    case 'corrupt': {
      const key = at(
        world.buckets.data.keys(`t/${TENANT}/`).filter((name) => !name.includes('/k/')),
        a,
      );
      const body = key === undefined ? undefined : world.buckets.data.current(key)?.body;
      if (key === undefined || !body) return;
      const changed =
        b < 0.3
          ? undefined
          : b < 0.5
            ? body.subarray(0, Math.floor(c * body.length))
            : flipped(body, Math.floor(c * body.length * 8));
      damage(world, key, changed);
      return;
    }
    case 'lose-catalog':
      world.records.partitions.clear();
      checker.catalogLost = true;
      return;
  }
}

function damage(world: World, key: string, body: Buffer | undefined): void {
  world.checker.damaged.add(`data/${key}`);
  world.faults.count(body === undefined ? 'object lost' : 'object damaged');
  world.scheduler.say(`damaged ${key}`);
  world.buckets.data.damage(key, body);
}

function write(world: World, disk: SimDisk, where: number): void {
  const { random } = world;
  const { blockBytes } = limits;
  const blocks = 1 + random.int(6);
  const size = disk.state.bytes.length;
  const start = Math.floor((where * size) / blockBytes) * blockBytes;
  for (let index = 0; index < blocks; index++) {
    const offset = start + index * blockBytes;
    const room = Math.min(blockBytes, size - offset);
    if (room <= 0) return;
    const content = contentOf(random.int(CONTENTS));
    // Some writes change a page of a block only.
    const length = random.chance(0.2) ? Math.min(512, room) : room;
    world.azure.write(disk, offset, content.subarray(0, length));
  }
}

async function restore(world: World, a: number, b: number): Promise<void> {
  const { control, checker, reference } = world;
  const live = reference.live();
  const point = at(live, a);
  if (!point) return;
  const god = await checker.god();
  const record = await loadRestorePoint(god, point.vmKey, point.id).catch(() => undefined);
  if (!record) return;
  const all = record.disks.map(({ lun }) => lun);
  const luns = b < 0.5 ? all : all.slice(0, 1);
  const jobId = `r-${String(world.scheduler.steps).padStart(8, '0')}`;
  checker.restores.set(jobId, point.id);
  await control.starter.startRestore({
    point: record,
    luns,
    jobId,
    target: { kind: 'disk', subscription: '11111111-2222-4333-8444-555555555555', resourceGroup: 'restored' },
  });
}
