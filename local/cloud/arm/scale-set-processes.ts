/** Keeps as many processes running for each scale set as its capacity says. */
import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, mkdirSync, openSync } from 'node:fs';
import { extname, join } from 'node:path';
import type { Resource, ResourceStore } from './resource-store';
import { capacityOf } from './scale-sets';

const RESTART_MS = 1_000;
/** The build's runner, or its source when the simulator itself runs from sources (Node strips the types). */
const RUNNER = join(__dirname, `instance-runner${extname(__filename)}`);
const NODE_OPTIONS = ['--disable-warning=MODULE_TYPELESS_PACKAGE_JSON', '--disable-warning=ExperimentalWarning'];

interface Instance {
  readonly index: number;
  child: ChildProcess | undefined;
  restart: NodeJS.Timeout | undefined;
  wanted: boolean;
}

export interface InstanceState {
  readonly scaleSet: string;
  readonly index: number;
  /** Of the process that watches the instance; undefined between two starts. */
  readonly pid: number | undefined;
}

export class ScaleSetProcesses {
  private readonly instances = new Map<string, Instance[]>();
  private closed = false;

  constructor(
    private readonly resources: ResourceStore,
    private readonly logDirectory: string,
  ) {}

  /** Starts what is missing and ends what is too much; returns at once. */
  reconcile(): void {
    if (this.closed) return;
    for (const scaleSet of this.resources.list('virtualmachinescalesets')) {
      if (scaleSet.state.command === undefined) continue;
      const running = this.instances.get(scaleSet.key) ?? [];
      this.instances.set(scaleSet.key, running);
      const capacity = capacityOf(scaleSet);
      while (running.length < capacity) {
        const instance: Instance = { index: running.length, child: undefined, restart: undefined, wanted: true };
        running.push(instance);
        this.start(scaleSet, instance);
      }
      for (const instance of running.splice(capacity)) stop(instance);
    }
  }

  list(): readonly InstanceState[] {
    return [...this.instances].flatMap(([scaleSet, running]) =>
      running.map(({ index, child }) => ({ scaleSet, index, pid: child?.pid })),
    );
  }

  /** Ends all instances and waits for their ends. */
  async close(): Promise<void> {
    this.closed = true;
    const all = [...this.instances.values()].flat();
    const ends = all.map(({ child }) =>
      child === undefined || child.exitCode !== null || child.signalCode !== null
        ? undefined
        : new Promise<void>((resolve) => child.once('exit', () => resolve())),
    );
    all.forEach(stop);
    await Promise.all(ends);
  }

  private start(scaleSet: Resource, instance: Instance): void {
    const { command = [], environment = {} } = scaleSet.state;
    const log = this.openLog(`${scaleSet.name}_${instance.index}.log`);
    const child = spawn(process.execPath, [...NODE_OPTIONS, RUNNER, ...command], {
      stdio: ['pipe', log, log],
      env: { ...process.env, ...environment, BLOCKFERRY_INSTANCE: `${scaleSet.name}_${instance.index}` },
    });
    closeSync(log);
    instance.child = child;
    child.stdin?.on('error', () => undefined); // the pipe only has to exist; its end is the message
    child.on('exit', () => {
      instance.child = undefined;
      if (!instance.wanted || this.closed) return;
      // A real instance has a service manager that starts its program again.
      instance.restart = setTimeout(() => this.start(scaleSet, instance), RESTART_MS);
    });
  }

  private openLog(name: string): number {
    mkdirSync(this.logDirectory, { recursive: true });
    return openSync(join(this.logDirectory, name), 'a');
  }
}

function stop(instance: Instance): void {
  instance.wanted = false;
  clearTimeout(instance.restart);
  instance.child?.stdin?.end();
}
