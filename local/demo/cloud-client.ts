/** The two simulated clouds as the demo sees them: by the control API for looking in, by ARM for deleting a VM. */
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { Agent, request } from 'undici';
import { z } from 'zod';
import type { CloudAddresses } from '../stack/settings';

const logSchema = z.looseObject({
  entries: z.array(
    z.looseObject({ at: z.number(), service: z.string(), operation: z.string(), responseBytes: z.number() }),
  ),
});
const snapshotsSchema = z.looseObject({
  snapshots: z.array(
    z.looseObject({
      id: z.string(),
      properties: z.looseObject({ creationData: z.looseObject({ sourceResourceId: z.string().optional() }) }),
    }),
  ),
});
const accessesSchema = z.looseObject({ accesses: z.array(z.unknown()) });
const disksSchema = z.looseObject({
  disks: z.array(z.looseObject({ id: z.string(), properties: z.looseObject({ diskState: z.string().optional() }) })),
});
const uploadsSchema = z.array(z.unknown());
const importSchema = z.looseObject({ changedBytes: z.number(), clearedBytes: z.number() });
const tokenSchema = z.looseObject({ access_token: z.string() });

const API_VERSION = '2024-07-01';
const DISK_API_VERSION = '2024-03-02';
const AWAY_MS_MAX = 30_000;

export class CloudClient {
  /** Requests seen so far by operation: kept here, because the simulator's own log does not survive its kill. */
  private readonly requests = new Map<string, number>();
  private diskReadBytes = 0;
  private seenUntil = 0;

  constructor(private readonly addresses: CloudAddresses) {}

  /** Makes the disk's content equal to the file's, as a guest that writes would. */
  async importDisk(diskId: string, file: string) {
    return importSchema.parse(await this.control('POST', '/disks/import', { diskId, file, changedOnly: true }));
  }

  async exportDisk(diskId: string, file: string): Promise<void> {
    await this.control('GET', `/disks/export?${new URLSearchParams({ diskId, file }).toString()}`);
  }

  async snapshots() {
    return snapshotsSchema.parse(await this.control('GET', '/snapshots')).snapshots;
  }

  async activeAccesses(): Promise<number> {
    return accessesSchema.parse(await this.control('GET', '/access')).accesses.length;
  }

  async disks() {
    return disksSchema.parse(await this.control('GET', '/disks')).disks;
  }

  async openUploads(): Promise<number> {
    return uploadsSchema.parse(await this.control('GET', '/s3/uploads')).length;
  }

  /** Slows every read of a disk down, so that there is time to kill something. */
  async delayDiskReads(ms: number): Promise<void> {
    await this.control('POST', '/faults', { id: 'demo-slow', operation: 'disk.read', action: { kind: 'delay', ms } });
  }

  /**
   * Adds what is new in the simulator's request log to the counts. Entries of the newest millisecond wait for the next
   * call, when that millisecond is complete, unless this is the `last` call.
   */
  async countRequests(last: 'last' | 'more-to-come' = 'more-to-come'): Promise<void> {
    const { entries } = logSchema.parse(await this.control('GET', `/log?since=${this.seenUntil}`));
    const newest = entries.reduce((latest, entry) => Math.max(latest, entry.at), this.seenUntil);
    for (const entry of entries) {
      if (entry.at === newest && last !== 'last') continue;
      this.requests.set(entry.operation, (this.requests.get(entry.operation) ?? 0) + 1);
      if (entry.operation === 'disk.read') this.diskReadBytes += entry.responseBytes;
    }
    this.seenUntil = last === 'last' ? newest + 1 : newest;
  }

  /** What countRequests has seen: requests to S3, and bytes that left the disks. */
  counted(): { readonly s3Requests: Readonly<Record<string, number>>; readonly diskReadBytes: number } {
    const s3 = [...this.requests].filter(([operation]) => operation.startsWith('s3.')).sort();
    return { s3Requests: Object.fromEntries(s3), diskReadBytes: this.diskReadBytes };
  }

  /** Deletes a VM and then its disks, as somebody would who means harm. */
  async deleteMachine(vmId: string, diskIds: readonly string[]): Promise<void> {
    const dispatcher = new Agent({ connect: { ca: readFileSync(this.addresses.caFile, 'utf8') } });
    try {
      const token = await this.token();
      await this.deleteResource(dispatcher, token, `${vmId}?api-version=${API_VERSION}`);
      for (const id of diskIds) await this.deleteResource(dispatcher, token, `${id}?api-version=${DISK_API_VERSION}`);
    } finally {
      await dispatcher.close();
    }
  }

  private async deleteResource(dispatcher: Agent, token: string, path: string): Promise<void> {
    const headers = { authorization: `Bearer ${token}` };
    const { statusCode, body } = await request(`${this.addresses.arm}${path}`, {
      method: 'DELETE',
      headers,
      dispatcher,
    });
    const text = await body.text();
    if (statusCode >= 300) throw new Error(`DELETE ${path}: ${statusCode} ${text.slice(0, 300)}`);
    for (const endsAt = Date.now() + AWAY_MS_MAX; ; await sleep(50)) {
      const look = await request(`${this.addresses.arm}${path}`, { headers, dispatcher });
      await look.body.dump();
      if (look.statusCode === 404) return;
      if (Date.now() > endsAt) throw new Error(`${path} is still there`);
    }
  }

  private async token(): Promise<string> {
    const query = new URLSearchParams({ 'api-version': '2019-08-01', resource: 'https://management.azure.com' });
    const reply = await fetch(`${this.addresses.identity}?${query.toString()}`, {
      headers: { 'x-identity-header': this.addresses.identityHeader },
    });
    return tokenSchema.parse(await reply.json()).access_token;
  }

  /** Repeated while the simulator is away. */
  private async control(method: string, path: string, body?: unknown): Promise<unknown> {
    for (const endsAt = Date.now() + AWAY_MS_MAX; ; await sleep(200)) {
      try {
        const reply = await fetch(`${this.addresses.control}${path}`, {
          method,
          ...(body === undefined
            ? {}
            : { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }),
        });
        const text = await reply.text();
        if (reply.ok) return JSON.parse(text);
        throw new ControlRefusal(`${method} ${path}: ${reply.status} ${text.slice(0, 300)}`);
      } catch (error) {
        if (error instanceof ControlRefusal || Date.now() > endsAt) throw error;
      }
    }
  }
}

/** The simulator answered, and it was no. */
class ControlRefusal extends Error {}
