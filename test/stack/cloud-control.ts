/** The simulator's control API, and ARM as a person with rights would use it: how a trial disturbs the clouds and looks in. */
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { Agent, request } from 'undici';
import { z } from 'zod';
import type { CloudAddresses } from '../../local/stack/settings';

const entrySchema = z.looseObject({
  at: z.number(),
  service: z.string(),
  operation: z.string(),
  method: z.string(),
  path: z.string(),
  status: z.number(),
  requestBytes: z.number(),
  responseBytes: z.number(),
  fault: z.string().optional(),
  details: z.record(z.string(), z.unknown()).optional(),
});
export type LogEntry = z.infer<typeof entrySchema>;

const snapshotSchema = z.looseObject({
  id: z.string(),
  properties: z.looseObject({ creationData: z.looseObject({ sourceResourceId: z.string().optional() }) }),
  access: z.unknown(),
});
const diskSchema = z.looseObject({ id: z.string(), properties: z.looseObject({ diskState: z.string() }) });
const objectSchema = z.looseObject({ key: z.string(), isCurrent: z.boolean(), sizeBytes: z.number() });
const ruleStateSchema = z.looseObject({ rule: z.looseObject({ id: z.string() }), appliedCount: z.number() });
const instanceSchema = z.looseObject({ scaleSet: z.string(), index: z.number() });

export interface Fault {
  readonly id?: string;
  readonly operation?: string;
  readonly service?: string;
  readonly pathIncludes?: string;
  readonly probability?: number;
  readonly skip?: number;
  readonly times?: number;
  readonly action: Readonly<Record<string, unknown>> & { readonly kind: string };
}

export class CloudControl {
  private readonly agent: Agent;

  constructor(private readonly addresses: CloudAddresses) {
    this.agent = new Agent({ connect: { ca: readFileSync(addresses.caFile, 'utf8') } });
  }

  async call(method: 'GET' | 'POST' | 'DELETE', path: string, body?: unknown): Promise<unknown> {
    const reply = await fetch(`${this.addresses.control}${path}`, {
      method,
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await reply.text();
    if (!reply.ok) throw new Error(`control ${method} ${path}: ${reply.status} ${text}`);
    return JSON.parse(text);
  }

  async faults(rules: readonly Fault[]): Promise<void> {
    await this.call('POST', '/faults', rules);
  }

  /** How often each rule acted, by id; and all rules are gone. */
  async clearFaults(): Promise<Readonly<Record<string, number>>> {
    const { faults } = z.looseObject({ faults: z.array(ruleStateSchema) }).parse(await this.call('GET', '/faults'));
    await this.call('DELETE', '/faults');
    return Object.fromEntries(faults.map(({ rule, appliedCount }) => [rule.id, appliedCount]));
  }

  async log(service?: string): Promise<readonly LogEntry[]> {
    const query = service === undefined ? '' : `?service=${service}`;
    return z.looseObject({ entries: z.array(entrySchema) }).parse(await this.call('GET', `/log${query}`)).entries;
  }

  async clearLog(): Promise<void> {
    await this.call('DELETE', '/log');
  }

  async snapshots() {
    return z.looseObject({ snapshots: z.array(snapshotSchema) }).parse(await this.call('GET', '/snapshots')).snapshots;
  }

  async accesses(): Promise<readonly unknown[]> {
    return z.looseObject({ accesses: z.array(z.unknown()) }).parse(await this.call('GET', '/access')).accesses;
  }

  async disks() {
    return z.looseObject({ disks: z.array(diskSchema) }).parse(await this.call('GET', '/disks')).disks;
  }

  async instances() {
    return z.looseObject({ instances: z.array(instanceSchema) }).parse(await this.call('GET', '/instances')).instances;
  }

  /** Current versions below a prefix. */
  async objects(bucket: string, prefix: string) {
    const query = new URLSearchParams({ bucket, prefix }).toString();
    return z
      .array(objectSchema)
      .parse(await this.call('GET', `/s3/objects?${query}`))
      .filter((one) => one.isCurrent);
  }

  /** Writes what differs, as a guest would. */
  async importDisk(diskId: string, file: string): Promise<void> {
    await this.call('POST', '/disks/import', { diskId, file, changedOnly: true });
  }

  async exportDisk(diskId: string, file: string): Promise<void> {
    await this.call('GET', `/disks/export?${new URLSearchParams({ diskId, file }).toString()}`);
  }

  /** ARM with the managed identity's own token. `path` has no query. Status and parsed body. */
  async arm(method: 'GET' | 'PUT' | 'PATCH' | 'DELETE' | 'POST', path: string, body?: unknown) {
    const reply = await request(`${this.addresses.arm}${path}?api-version=2024-03-02`, {
      method,
      dispatcher: this.agent,
      headers: { authorization: `Bearer ${await this.token()}`, 'content-type': 'application/json' },
      body: body === undefined ? null : JSON.stringify(body),
    });
    const text = await reply.body.text();
    return { status: reply.statusCode, body: (text === '' ? undefined : JSON.parse(text)) as unknown };
  }

  /** Deletes and waits until ARM knows the resource no more. */
  async remove(id: string): Promise<void> {
    const { status, body } = await this.arm('DELETE', id);
    if (status >= 300) throw new Error(`DELETE ${id}: ${status} ${JSON.stringify(body)}`);
    while ((await this.arm('GET', id)).status !== 404) await sleep(20);
  }

  async token(): Promise<string> {
    const query = new URLSearchParams({ 'api-version': '2019-08-01', resource: 'https://management.azure.com' });
    const reply = await fetch(`${this.addresses.identity}?${query.toString()}`, {
      headers: { 'x-identity-header': this.addresses.identityHeader },
    });
    return z.looseObject({ access_token: z.string() }).parse(await reply.json()).access_token;
  }

  async close(): Promise<void> {
    await this.agent.close();
  }
}
