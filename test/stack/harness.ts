/**
 * One trial of the whole embedded stack: small disks, the product over HTTP, the simulated clouds by their control API.
 * What it says about leftovers comes from the simulator, the process table and the catalog, not from the product's replies.
 */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import { stateLayout } from '../../local/stack/layout';
import { loadPorts, type Ports } from '../../local/stack/ports';
import { sampleTenant } from '../../local/stack/settings';
import { type Stack, type StackOptions, startStack } from '../../local/stack/stack';
import { composeFoundation } from '../../shared/app/compose-data-plane';
import { loadSettings } from '../../shared/app/config';
import { createTableRecordStore } from '../../shared/azure/table-record-store';
import { systemClock } from '../../shared/base/clock';
import { silentLogger } from '../../shared/base/logger';
import { readSession } from '../../shared/blockstore/session';
import { type Catalog, createCatalog } from '../../shared/catalog/catalog';
import { jobSchema } from '../../shared/model/job';
import { CloudControl } from './cloud-control';
import { digestOfFile, makeImage } from './images';

export interface DiskSpec {
  readonly lun: 'os' | number;
  readonly bytes: number;
  readonly sku?: string;
}

export interface MachineSpec {
  readonly name: string;
  readonly region?: string;
  readonly tags?: Readonly<Record<string, string>>;
  readonly disks: readonly DiskSpec[];
}

export interface TrialOptions extends Pick<StackOptions, 'fleet' | 'keys' | 'settings' | 'packaged'> {
  readonly machines: readonly MachineSpec[];
  /** Settings that need to know the ports before anything runs. */
  readonly throughProxies?: (ports: Ports) => Promise<Readonly<Record<string, string>>>;
}

export interface Reply {
  readonly status: number;
  readonly headers: Headers;
  readonly body: unknown;
}

const jobViewSchema = z.looseObject(jobSchema.shape);
export type JobView = z.infer<typeof jobViewSchema>;
const startedSchema = z.looseObject({ jobId: z.string() });
const pointsSchema = z.looseObject({
  items: z.array(
    z.looseObject({
      id: z.string(),
      createdAt: z.string(),
      verification: z.unknown(),
      disks: z.array(
        z.looseObject({
          lun: z.union([z.literal('os'), z.number()]),
          mode: z.string(),
          fullReason: z.string().optional(),
        }),
      ),
    }),
  ),
});

const JOB_MS_MAX = 120_000;
const SETTLE_MS_MAX = 30_000;
const lunName = (lun: DiskSpec['lun']): string => (lun === 'os' ? 'os' : `data${lun}`);

export async function startTrial(options: TrialOptions): Promise<Trial> {
  const folder = mkdtempSync(path.join(tmpdir(), 'blockferry-trial-'));
  const fileOf = (name: string): string => path.join(folder, `${name}.img`);
  const vms = options.machines.map((machine) => {
    const disks = machine.disks.map(({ lun, bytes, sku }) => {
      const name = `${machine.name}-${lunName(lun)}`;
      makeImage(fileOf(name), bytes, name);
      return { lun, name, file: fileOf(name), ...(sku === undefined ? {} : { sku }) };
    });
    const [osDisk] = disks.filter(({ lun }) => lun === 'os').map(({ lun: _, ...disk }) => disk);
    const place = { subscription: sampleTenant.subscription, resourceGroup: `rg-${machine.name}`, name: machine.name };
    const location = machine.region ?? sampleTenant.regions[0];
    return { ...place, location, tags: machine.tags ?? {}, osDisk, dataDisks: disks.filter(({ lun }) => lun !== 'os') };
  });
  const state = path.join(folder, 'state');
  mkdirSync(state);
  try {
    const proxied = await options.throughProxies?.(await loadPorts(stateLayout(state).portsFile));
    const stack = await startStack({
      state,
      vms,
      ...(options.fleet === undefined ? {} : { fleet: options.fleet }),
      ...(options.keys === undefined ? {} : { keys: options.keys }),
      ...(options.packaged === undefined ? {} : { packaged: options.packaged }),
      settings: {
        BLOCKFERRY_POLL_MS: '100',
        BLOCKFERRY_STALL_MS: '5000',
        BLOCKFERRY_LEASE_MS: '6000',
        // Nothing happens by itself: a trial starts what it wants to see.
        BLOCKFERRY_SCHEDULE: '0 0 0 1 1 *',
        BLOCKFERRY_JANITOR_SCHEDULE: '0 0 0 1 1 *',
        BLOCKFERRY_KEEPER_SCHEDULE: '0 0 0 1 1 *',
        BLOCKFERRY_RETENTION_SCHEDULE: '0 0 0 1 1 *',
        ...options.settings,
        ...proxied,
      },
    });
    return new Trial(folder, stack);
  } catch (error) {
    rmSync(folder, { recursive: true, force: true });
    throw error;
  }
}

export class Trial {
  readonly cloud: CloudControl;
  /** The product's own records, read behind its back. */
  readonly catalog: Catalog;

  constructor(
    readonly folder: string,
    readonly stack: Stack,
  ) {
    this.cloud = new CloudControl(stack.cloud);
    const connectionString = stack.settings['BLOCKFERRY_STORAGE_CONNECTION'] ?? '';
    this.catalog = createCatalog(createTableRecordStore({ connection: { connectionString } }), systemClock);
  }

  imageOf(machine: string, lun: DiskSpec['lun']): string {
    return path.join(this.folder, `${machine}-${lunName(lun)}.img`);
  }

  idOf(machine: string, type: 'virtualMachines' | 'disks', name: string): string {
    const { subscription } = sampleTenant;
    return `/subscriptions/${subscription}/resourceGroups/rg-${machine}/providers/Microsoft.Compute/${type}/${name}`;
  }

  vmId(machine: string): string {
    return this.idOf(machine, 'virtualMachines', machine);
  }

  diskId(machine: string, lun: DiskSpec['lun']): string {
    return this.idOf(machine, 'disks', `${machine}-${lunName(lun)}`);
  }

  async api(method: string, route: string, body?: unknown, headers: Record<string, string> = {}): Promise<Reply> {
    const { url = '', functionKey = '' } = this.stack.api ?? {};
    const reply = await fetch(`${url}/api${route}`, {
      method,
      headers: {
        'x-functions-key': functionKey,
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        ...headers,
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await reply.text();
    return { status: reply.status, headers: reply.headers, body: text === '' ? undefined : JSON.parse(text) };
  }

  async startBackup(machine: string, more: Readonly<Record<string, unknown>> = {}): Promise<string> {
    return this.started(await this.api('POST', '/backups', { vmId: this.vmId(machine), ...more }));
  }

  async startRestore(pointId: string, target: Readonly<Record<string, unknown>> = { kind: 'image' }): Promise<string> {
    return this.started(await this.api('POST', '/restores', { pointId, target }));
  }

  async job(id: string): Promise<JobView> {
    return jobViewSchema.parse((await this.api('GET', `/jobs/${id}`)).body);
  }

  /** The job when `when` holds for it; throws when that does not come. */
  async jobWhen(id: string, what: string, when: (job: JobView) => boolean): Promise<JobView> {
    for (const endsAt = Date.now() + JOB_MS_MAX; ; await sleep(50)) {
      const job = await this.job(id);
      if (when(job)) return job;
      if (Date.now() > endsAt || job.status !== 'running') {
        throw new Error(`job ${id} is not ${what}: ${JSON.stringify(job)}`);
      }
    }
  }

  ended(id: string): Promise<JobView> {
    return this.jobWhen(id, 'ended', (job) => job.status !== 'running');
  }

  async succeeded(id: string): Promise<JobView> {
    const job = await this.ended(id);
    if (job.status !== 'succeeded') throw new Error(`job ${id} ${job.status}: ${JSON.stringify(job.error)}`);
    return job;
  }

  async backup(machine: string): Promise<JobView> {
    return this.succeeded(await this.startBackup(machine));
  }

  /** Newest first. */
  async points(machine: string) {
    const reply = await this.api(
      'GET',
      `/restore-points?${new URLSearchParams({ vmId: this.vmId(machine) }).toString()}`,
    );
    return pointsSchema.parse(reply.body).items;
  }

  /** Digests of the restored image files by lun. */
  async restoredDigests(pointId: string): Promise<Readonly<Record<string, string>>> {
    const job = await this.succeeded(await this.startRestore(pointId));
    const files = (job.targets ?? []).map(({ lun, target }) => [
      String(lun),
      digestOfFile(path.join(this.stack.layout.restored, target)),
    ]);
    return Object.fromEntries(files) as Record<string, string>;
  }

  /** The same for a restore to new managed disks, read out of the simulator. */
  async exportedDigests(pointId: string, target: Readonly<Record<string, unknown>>) {
    const job = await this.succeeded(await this.startRestore(pointId, target));
    const digests: Record<string, string> = {};
    for (const { lun, target: diskId } of job.targets ?? []) {
      const file = path.join(this.folder, `exported-${lunName(lun)}.img`);
      await this.cloud.exportDisk(diskId, file);
      digests[String(lun)] = digestOfFile(file);
    }
    return digests as Readonly<Record<string, string>>;
  }

  /** Digests of the machine's disks as the trial wrote them. */
  digests(machine: string, luns: readonly DiskSpec['lun'][]): Readonly<Record<string, string>> {
    return Object.fromEntries(luns.map((lun) => [String(lun), digestOfFile(this.imageOf(machine, lun))]));
  }

  /** The janitor's timer, now, as the portal's "Test/Run" does; resolves when every intent of an ended job is closed. */
  async runJanitor(): Promise<void> {
    const { url = '', masterKey = '' } = this.stack.api ?? {};
    const reply = await fetch(`${url}/admin/functions/janitor`, {
      method: 'POST',
      headers: { 'x-functions-key': masterKey, 'content-type': 'application/json' },
      body: '{"input":""}',
    });
    if (!reply.ok) throw new Error(`the janitor was not started: ${reply.status}`);
    while ((await this.catalog.intents.list()).length > 0) await sleep(50);
  }

  /** What jobs left behind, besides one snapshot a protected disk; waits a little for machines on their way down. */
  async leftovers(): Promise<Leftovers> {
    for (const endsAt = Date.now() + SETTLE_MS_MAX; ; await sleep(100)) {
      const found = await this.look();
      const { snapshots: _, ...rest } = found;
      if (Object.values(rest).every((count) => count === 0) || Date.now() > endsAt) return found;
    }
  }

  /** Of a job's session in the repository, read with the product's own rights; undefined when it never opened one. */
  async sessionState(jobId: string): Promise<string | undefined> {
    for (const name of ['IDENTITY_ENDPOINT', 'IDENTITY_HEADER']) process.env[name] = this.stack.settings[name];
    const foundation = composeFoundation(loadSettings(this.stack.settings), silentLogger);
    const tenant = this.stack.settings['BLOCKFERRY_TENANT'] ?? '';
    const repository = await foundation.openRepository({ role: 'reader', tenant, sessionId: jobId });
    return (await readSession(repository, jobId))?.state;
  }

  private async look(): Promise<Leftovers> {
    const leases: string[] = [];
    for await (const lease of this.catalog.leases.list()) leases.push(lease.vmKey);
    const disks = await this.cloud.disks();
    return {
      snapshots: (await this.cloud.snapshots()).length,
      accesses: (await this.cloud.accesses()).length,
      proxies: this.stack.dataProxies().length,
      instances: (await this.cloud.instances()).length,
      uploads: disks.filter(({ properties }) => /upload/i.test(properties.diskState)).length,
      intents: (await this.catalog.intents.list()).length,
      leases: leases.length,
    };
  }

  private started(reply: Reply): string {
    if (reply.status !== 202) throw new Error(`not started: ${reply.status} ${JSON.stringify(reply.body)}`);
    return startedSchema.parse(reply.body).jobId;
  }

  /** Throws when the stack leaves a process or a port. */
  async stop(): Promise<void> {
    await this.cloud.close();
    const remaining = await this.stack.stop();
    if (process.env['BLOCKFERRY_KEEP_TRIAL'] === undefined) rmSync(this.folder, { recursive: true, force: true });
    if (remaining.length > 0) throw new Error(`the stack left: ${remaining.join('; ')}`);
  }
}

export interface Leftovers {
  readonly snapshots: number;
  readonly accesses: number;
  readonly proxies: number;
  readonly instances: number;
  readonly uploads: number;
  readonly intents: number;
  readonly leases: number;
}

/** What is right after every job has ended: one snapshot a protected disk. */
export const onlySnapshots = (snapshots: number): Leftovers => ({
  snapshots,
  accesses: 0,
  proxies: 0,
  instances: 0,
  uploads: 0,
  intents: 0,
  leases: 0,
});
