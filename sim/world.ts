/** Everything of one run, put together: the clouds, the processes of the product, the reference, and who watches. */
import type { TransferEvent } from '../shared/model/transfer';
import { transferInstanceId, wakeEvent } from '../shared/workflows/transfer/contracts';
import { Checker } from './checker';
import { SimAzure, SNAPSHOT_GROUP, SUBSCRIPTION } from './cloud/azure';
import { Bucket } from './cloud/bucket';
import { SimQueue } from './cloud/queue';
import { type FaultSettings, Faults } from './kit/faults';
import { useScheduler } from './kit/globals';
import { Io } from './kit/io';
import { Random } from './kit/random';
import { Scheduler } from './kit/scheduler';
import { type ControlPlane, orchestrators, startControlPlane } from './product/control-plane';
import { type DataProxy, startDataProxy } from './product/data-proxy';
import { DurableEngine } from './product/durable-engine';
import { Records } from './product/ports';
import { EPOCH_MS, type SimProcess } from './product/process';
import { Reference } from './reference';

export interface WorldOptions {
  readonly seed: string;
  readonly faults: FaultSettings;
  readonly tracing: boolean;
}

const PROXIES = 2;

export class World {
  readonly random: Random;
  readonly scheduler: Scheduler;
  readonly faults: Faults;
  readonly io: Io;
  readonly azure: SimAzure;
  readonly buckets: { readonly data: Bucket; readonly control: Bucket };
  readonly queue: SimQueue;
  readonly records = new Records();
  readonly reference = new Reference(SUBSCRIPTION, SNAPSHOT_GROUP);
  readonly checker: Checker;
  readonly durable: DurableEngine;
  readonly proxies: DataProxy[] = [];
  control: ControlPlane;
  /** S3 answers nobody until then. */
  outageUntilMs = 0;
  private processes = 0;

  constructor(options: WorldOptions) {
    const root = new Random(options.seed);
    this.random = root.fork('world');
    const strategy = root.fork('strategy').chance(0.5) ? 'even' : 'priority';
    this.scheduler = new Scheduler(root.fork('schedule'), strategy, options.tracing);
    useScheduler(this.scheduler);
    this.faults = new Faults(root.fork('faults'), options.faults);
    this.io = new Io(this.scheduler, this.faults, root.fork('io'));
    const now = (): number => EPOCH_MS + this.scheduler.nowMs;
    this.azure = new SimAzure(now, () => this.random.int(20_000));
    this.azure.onSnapshot = (id, bytes) => this.reference.snapshot(id, bytes);
    this.checker = new Checker(this);
    this.buckets = {
      data: new Bucket('data', now, this.checker, 0),
      control: new Bucket('control', now, this.checker, 0),
    };
    this.queue = new SimQueue(this.scheduler);
    this.durable = new DurableEngine(this, orchestrators);
    this.control = this.startControl();
    for (let index = 0; index < PROXIES; index++) this.startProxy();
  }

  isDown(): boolean {
    return !this.faults.stopped && this.scheduler.nowMs < this.outageUntilMs;
  }

  startProxy(): DataProxy {
    const proxy = startDataProxy(this, `proxy-${++this.processes}`);
    this.proxies.push(proxy);
    return proxy;
  }

  startControl(): ControlPlane {
    this.control = startControlPlane(this, `app-${++this.processes}`);
    return this.control;
  }

  /** The process dies. What it had sent may still arrive. */
  crash(process: SimProcess): void {
    this.scheduler.crash(
      process.actor,
      ({ label }) => /^(s3|arm|queue|table|blob)/.test(label) && this.random.chance(0.5),
    );
  }

  /** Something that runs by itself. That it fails is a bug: the product's loops catch what can go wrong. */
  spawn(work: Promise<unknown>): void {
    work.catch((error: unknown) => this.checker.unexpected('a process failed', error));
  }

  /** What a proxy tells the control plane: a hint, now and then lost. */
  async reportEvent(process: SimProcess, event: TransferEvent): Promise<void> {
    await this.io.turn(process.actor, `report ${event.kind}`);
    if (this.faults.pick(['lost-reply', 'unreachable'])) return;
    await this.control.catalog.jobs.putProgress(event).catch(() => undefined);
    if (event.kind !== 'progress') this.durable.raise(transferInstanceId(event.jobId), wakeEvent);
  }
}
