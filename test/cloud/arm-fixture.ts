/** The Azure side of the simulator in this process, with small disks, for the tests of its parts. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { ComputeManagementClient } from '@azure/arm-compute';
import { type AzureSide, startAzure } from '../../local/cloud/azure';
import { ControlRoutes } from '../../local/cloud/control';
import type { Behaviour } from '../../local/cloud/kit/behaviour';
import { FaultPlan } from '../../local/cloud/kit/faults';
import { SeededRandom } from '../../local/cloud/kit/random';
import { RequestLog } from '../../local/cloud/kit/request-log';
import type { CloudContext } from '../../local/cloud/kit/service';
import { seedSchema } from '../../local/cloud/seed';
import { SelfStateFile } from '../../local/cloud/state';
import { keepKeys, reuseKeys } from './reused-keys';

export const SUBSCRIPTION = '11111111-2222-3333-4444-555555555555';
export const TENANT = '99999999-8888-7777-6666-555555555555';
export const GROUP = 'vms';
export const SNAPSHOT_GROUP = 'snapshots';
export const LOCATION = 'westeurope';
export const MIB = 2 ** 20;
export const DISK_BYTES = 4 * MIB;

export interface AzureFixture {
  readonly azure: AzureSide;
  readonly context: CloudContext;
  readonly routes: ControlRoutes;
  readonly directory: string;
  readonly compute: ComputeManagementClient;
  /** What the seeded VM's OS disk and data disk held at first. */
  readonly images: { readonly os: Buffer; readonly data: Buffer };
  shiftClock(ms: number): void;
  /** Ends the services as they are and starts them again on the same state. */
  restart(): Promise<AzureFixture>;
  close(): Promise<void>;
}

export interface FixtureOptions {
  readonly directory?: string;
  readonly behaviour?: Partial<Behaviour>;
  readonly dataDiskSku?: string;
  readonly instanceCommand?: readonly string[];
}

const OS_IMAGE = pattern(DISK_BYTES, 1);

export function resource(type: string, name: string, group = GROUP): string {
  return `/subscriptions/${SUBSCRIPTION}/resourceGroups/${group}/providers/Microsoft.Compute/${type}/${name}`;
}

export async function startAzureFixture(options: FixtureOptions = {}): Promise<AzureFixture> {
  const directory = options.directory ?? mkdtempSync(join(tmpdir(), 'bf-azure-'));
  const images = { os: Buffer.from(OS_IMAGE), data: Buffer.alloc(DISK_BYTES) };
  pattern(64 * 1024, 2).copy(images.data, MIB);
  writeFileSync(join(directory, 'os.img'), images.os);
  writeFileSync(join(directory, 'data.img'), images.data);
  const seed = seedSchema.parse({
    randomSeed: 7,
    tenantId: TENANT,
    subscriptions: [SUBSCRIPTION],
    resourceGroups: [{ subscription: SUBSCRIPTION, name: SNAPSHOT_GROUP, location: LOCATION }],
    vms: [
      {
        subscription: SUBSCRIPTION,
        resourceGroup: GROUP,
        name: 'web',
        location: LOCATION,
        tags: { backup: 'daily' },
        osDisk: { name: 'web-os', file: 'os.img' },
        dataDisks: [{ lun: 0, name: 'web-data', file: 'data.img', sku: options.dataDiskSku ?? 'Premium_LRS' }],
      },
    ],
    scaleSets:
      options.instanceCommand === undefined
        ? []
        : [
            {
              subscription: SUBSCRIPTION,
              resourceGroup: GROUP,
              name: 'proxies',
              location: LOCATION,
              instanceCommand: options.instanceCommand,
              instanceEnvironment: { PROXY_REGION: LOCATION },
            },
          ],
    identities: [{ clientId: 'client-1', objectId: 'object-1', default: true }],
    aws: {},
    behaviour: { lroMs: 0, ...options.behaviour },
  });
  let shiftMs = 0;
  const random = new SeededRandom(`fixture:${process.hrtime.bigint()}`);
  const routes = new ControlRoutes();
  const context: CloudContext = {
    stateDirectory: join(directory, 'state'),
    now: () => Date.now() + shiftMs,
    random,
    faults: new FaultPlan(random),
    log: new RequestLog(),
    registerControl: routes.register,
  };
  const state = new SelfStateFile(context.stateDirectory);
  reuseKeys(context.stateDirectory);
  const azure = await startAzure(context, { seed, seedDirectory: directory, state, ports: {} });
  keepKeys(context.stateDirectory);
  return {
    azure,
    context,
    routes,
    directory,
    compute: computeClient(azure),
    images,
    shiftClock: (ms) => {
      shiftMs += ms;
    },
    async restart() {
      await azure.close();
      await sleep(20); // clients of this process notice that their kept connections are gone
      return startAzureFixture({ ...options, directory });
    },
    async close() {
      await azure.close();
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

export function computeClient(azure: AzureSide, maxRetries = 0): ComputeManagementClient {
  const { endpoints } = azure;
  const credential = {
    async getToken() {
      const answer = await fetch(`${endpoints.identity}?api-version=2019-08-01&resource=https://management.azure.com`, {
        headers: { 'x-identity-header': endpoints.identityHeader },
      });
      const body = (await answer.json()) as { access_token: string; expires_on: string };
      return { token: body.access_token, expiresOnTimestamp: Number(body.expires_on) * 1000 };
    },
  };
  return new ComputeManagementClient(credential, SUBSCRIPTION, {
    endpoint: endpoints.arm,
    credentials: { scopes: ['https://management.azure.com/.default'] },
    retryOptions: { maxRetries, retryDelayInMs: 10 },
  });
}

/** Bytes without a zero page, the same for the same seed. */
export function pattern(lengthBytes: number, seed: number): Buffer {
  const bytes = Buffer.alloc(lengthBytes);
  let state = (seed * 2654435761) >>> 0 || 1;
  for (let at = 0; at + 4 <= lengthBytes; at += 4) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    bytes.writeUInt32LE(state >>> 0, at);
  }
  return bytes;
}
