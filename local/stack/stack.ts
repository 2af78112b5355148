/**
 * The embedded stack: Azurite, the cloud simulator and the Functions host as child processes of a supervisor.
 *
 *    supervisor --+-- Azurite          queues, tables, blobs; never restarted, its state is not safe against kill -9
 *                 +-- cloud simulator  restarted with the same ports when it dies
 *                 +-- Functions host   restarted likewise; starts data proxies, which outlive it
 *
 * Whoever is still there after `stop` is a defect: it looks, and says so.
 */
import { randomUUID } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { awsSeed } from './aws-seed';
import { sampleCallers } from './callers';
import { type ChildEvent, SupervisedChild } from './child';
import { type FleetName, fleetSettings, scaleSetSeeds, writeInstanceSettings } from './fleets';
import { type KeyPlace, keySeeds, keySettings, writeKeys } from './keys';
import { type BuildLayout, findBuild, type PackagedProduct, type StateLayout, stateLayout } from './layout';
import { isListening, loadPorts, type Ports, portNames, requireFree } from './ports';
import { endStackProcesses, findDataProxies, findStackProcesses, type StackProcess } from './processes';
import { baseEnvironment, type CloudAddresses, productSettings, sampleTenant } from './settings';
import { isAlive } from './watch-parent';

export interface StackOptions {
  /** Made when missing. One stack at a time may use it. */
  readonly state: string;
  /** VMs of the simulated subscription, in the shape of the simulator's seed file. */
  readonly vms?: readonly unknown[];
  /** Chosen and remembered when absent. */
  readonly ports?: Ports;
  /** false: Azurite and the simulator only. */
  readonly host?: boolean;
  /** Who moves the data; child processes when absent. */
  readonly fleet?: FleetName;
  /** What wraps the tenant's root key: a key file (also when absent), or the simulated Key Vault with an escrow key. */
  readonly keys?: KeyPlace;
  /** What is deployed instead of the build: folders as `npm run package` makes them. */
  readonly packaged?: PackagedProduct;
  /** More or other settings for the product. */
  readonly settings?: Readonly<Record<string, string>>;
  readonly onEvent?: (event: ChildEvent) => void;
  /** Ends a start under way: what was started is stopped, and `startStack` rejects. Means nothing afterwards. */
  readonly signal?: AbortSignal;
}

export type StackPart = 'azurite' | 'cloud' | 'host';

export interface Stack {
  readonly id: string;
  readonly layout: StateLayout;
  readonly ports: Ports;
  readonly cloud: CloudAddresses;
  /** What the product was given. */
  readonly settings: Readonly<Record<string, string>>;
  /** undefined without a host. */
  readonly api: { readonly url: string; readonly functionKey: string; readonly masterKey: string } | undefined;
  /** For the drills: the process that plays this part now. */
  pidOf(part: StackPart): number | undefined;
  dataProxies(): StackProcess[];
  /** Ends everything. Answers what should not have been there afterwards: processes and ports; empty when all is well. */
  stop(): Promise<readonly string[]>;
}

/** Resolves when everything answers; when something fails, what was started is stopped first. */
export async function startStack(options: StackOptions): Promise<Stack> {
  const layout = stateLayout(path.resolve(options.state));
  for (const folder of [layout.azurite, layout.cloud, layout.host, layout.proxies, layout.restored, layout.logs]) {
    mkdirSync(folder, { recursive: true });
  }
  const release = claim(layout);
  const children = new Map<StackPart, SupervisedChild>();
  const id = randomUUID();
  try {
    const ports = options.ports ?? (await loadPorts(layout.portsFile));
    const wayOut = options.ports ? 'Stop what uses it.' : `Stop what uses it, or remove ${layout.state} to start anew.`;
    await requireFree(
      ports,
      portNames.filter((name) => name !== 'host' || options.host !== false),
      wayOut,
    );
    return await Promise.race([
      launch({ options, layout, ports, id, children, release }),
      rejectOnAbort(options.signal),
    ]);
  } catch (error) {
    await stopAll(children, id);
    release();
    throw error;
  }
}

interface Launch {
  readonly options: StackOptions;
  readonly layout: StateLayout;
  readonly ports: Ports;
  readonly id: string;
  readonly children: Map<StackPart, SupervisedChild>;
  readonly release: () => void;
}

async function launch({ options, layout, ports, id, children, release }: Launch): Promise<Stack> {
  const build = findBuild();
  const parent = String(process.pid);
  const base = baseEnvironment(process.pid, id);
  const child = (name: StackPart, args: readonly string[], env: Readonly<Record<string, string>>): SupervisedChild => {
    options.signal?.throwIfAborted();
    const made = new SupervisedChild({
      name,
      args,
      cwd: build.root,
      env,
      logFile: path.join(layout.logs, `${name}.log`),
      restart: name !== 'azurite',
      onEvent: options.onEvent ?? (() => undefined),
    });
    children.set(name, made);
    return made;
  };
  const program = (name: string): string => path.join(build.dist, 'local', name);

  const keys = options.keys ?? 'key-file';
  writeKeys(keys, layout);
  writeFileSync(layout.seedFile, JSON.stringify(seedOf(options, build, layout), null, 2));
  const azuritePorts = [ports.blob, ports.queue, ports.table].map(String);
  const azurite = child('azurite', [program('stack/azurite-main.js'), layout.azurite, ...azuritePorts, parent], base);
  const cloudPorts = (['arm', 'disk', 'identity', 'keyvault', 'aws', 'control'] as const).map(
    (name) => `${name}=${ports[name]}`,
  );
  const cloudArgs = ['--state', layout.cloud, '--seed', layout.seedFile, '--ports', cloudPorts.join(',')];
  const simulator = child('cloud', [program('cloud/main.js'), ...cloudArgs, '--parent', parent], base);
  const [, ready] = await Promise.all([azurite.start(), simulator.start()]);
  const cloud = addressesOf(ready);
  const fleet = options.fleet ?? 'process';
  const settings = {
    ...productSettings(layout, ports, cloud),
    ...fleetSettings(fleet),
    ...keySettings(keys, layout, cloud),
    ...options.settings,
  };
  if (fleet === 'scale-set') writeInstanceSettings(layout, settings);
  let api: Stack['api'];
  if (options.host !== false) {
    const app = options.packaged?.functionApp ?? build.root;
    const args = ['--app', app, '--state', layout.host, '--port', String(ports.host), '--parent', parent];
    const host = child('host', [program('host/main.js'), ...args], { ...base, ...settings });
    const said = await host.start();
    api = { url: text(said, 'url'), functionKey: text(said, 'functionKey'), masterKey: text(said, 'masterKey') };
  }
  let stopped: Promise<readonly string[]> | undefined;
  return {
    id,
    layout,
    ports,
    cloud,
    settings,
    api,
    pidOf: (part) => children.get(part)?.pid,
    dataProxies: () => findDataProxies(id),
    stop: () => {
      stopped ??= stopAll(children, id).then(async (stubborn) => {
        release();
        return [...stubborn, ...(await leftovers(id, ports))];
      });
      return stopped;
    },
  };
}

function rejectOnAbort(signal: AbortSignal | undefined): Promise<never> {
  return new Promise((_resolve, reject) => {
    signal?.throwIfAborted();
    signal?.addEventListener('abort', () => reject(new Error('the start was given up')), { once: true });
  });
}

/** The host first, so that it starts nothing more; Azurite last, because all others talk to it. */
async function stopAll(children: ReadonlyMap<StackPart, SupervisedChild>, id: string): Promise<string[]> {
  await children.get('host')?.stop();
  // Data proxies are the host's detached children: they are told to go like everybody else.
  const known = new Set([...children.values()].map((child) => child.pid));
  const stubborn = await endStackProcesses(id, 10_000, (found) => !known.has(found.pid));
  await children.get('cloud')?.stop();
  await children.get('azurite')?.stop();
  return stubborn.map((found) => `process ${found.pid} did not end by itself: ${found.command}`);
}

async function leftovers(id: string, ports: Ports): Promise<string[]> {
  const processes = findStackProcesses(id).map((found) => `process ${found.pid} remains: ${found.command}`);
  const open: string[] = [];
  for (const name of portNames) if (await isListening(ports[name])) open.push(`port ${ports[name]} (${name}) is open`);
  return [...processes, ...open];
}

/** Two stacks on one state directory would destroy it. */
function claim(layout: StateLayout): () => void {
  const file = path.join(layout.state, 'stack.pid');
  const holder = existsSync(file) ? Number(readFileSync(file, 'utf8')) : 0;
  if (holder > 0 && holder !== process.pid && isAlive(holder)) {
    throw new Error(
      `a stack runs on ${layout.state} already, as process ${holder}. Stop it, or give --state another folder.`,
    );
  }
  writeFileSync(file, String(process.pid));
  return () => rmSync(file, { force: true });
}

function seedOf(options: StackOptions, build: BuildLayout, layout: StateLayout) {
  const { subscription, snapshotGroup, regions } = sampleTenant;
  return {
    randomSeed: 'blockferry',
    tenantId: sampleTenant.tenantId,
    subscriptions: [subscription],
    resourceGroups: [snapshotGroup, 'restored'].map((name) => ({ subscription, name, location: regions[0] })),
    vms: options.vms ?? [],
    scaleSets: scaleSetSeeds(options.fleet ?? 'process', programOf(options, build), layout),
    identities: [
      { clientId: sampleTenant.clientId, objectId: sampleTenant.objectId, default: true },
      sampleTenant.collector,
      sampleTenant.keeper,
    ],
    clients: sampleCallers,
    keyVault: { keys: keySeeds(options.keys ?? 'key-file') },
    aws: awsSeed({
      ...sampleTenant,
      region: sampleTenant.awsRegion,
      subject: sampleTenant.objectId,
      subjects: { collector: sampleTenant.collector.objectId, keeper: sampleTenant.keeper.objectId },
    }),
  };
}

/** What an instance of a scale set runs. */
const programOf = ({ packaged }: StackOptions, build: BuildLayout): string =>
  packaged === undefined
    ? path.join(build.dist, 'shared', 'app', 'data-proxy-main.js')
    : path.join(packaged.dataProxy, 'data-proxy.js');

function addressesOf(ready: Readonly<Record<string, unknown>>): CloudAddresses {
  const endpoints = ready['endpoints'] as Readonly<Record<string, unknown>>;
  return {
    arm: text(endpoints, 'arm'),
    disk: text(endpoints, 'disk'),
    identity: text(endpoints, 'identity'),
    identityHeader: text(endpoints, 'identityHeader'),
    keyVault: text(endpoints, 'keyVault'),
    aws: text(endpoints, 'aws'),
    control: text(endpoints, 'control'),
    caFile: text(ready, 'caFile'),
  };
}

function text(from: Readonly<Record<string, unknown>>, name: string): string {
  const value = from[name];
  if (typeof value !== 'string') throw new Error(`the ready line of a part of the stack has no ${name}`);
  return value;
}
