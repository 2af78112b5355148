/** The simulated clouds in this process, with one VM of two small disks, for the adapters' tests. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import tls from 'node:tls';
import type { FaultRule } from '../../local/cloud/kit/faults';
import { type Cloud, startCloud } from '../../local/cloud/start';
import type { ArmOptions } from '../../shared/azure/arm';
import { createAzureCredential } from '../../shared/azure/credential';
import { computeId } from '../../shared/model/ids';
import { MIB } from '../../shared/model/limits';

export const subscription = '11111111-2222-3333-4444-555555555555';
export const tenant = 'aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee';
export const identityObject = '99999999-8888-7777-6666-555555555555';
export const armAudience = 'https://management.azure.com';
export const region = 'westeurope';
export const osBytes = 24 * MIB;
export const dataBytes = 20 * MIB;
export const accountId = '111122223333';
export const audience = 'api://blockferry';

export const vmId = computeId(subscription, 'app', 'virtualMachines', 'web');
export const osDiskId = computeId(subscription, 'app', 'disks', 'web-os');
export const dataDiskId = computeId(subscription, 'app', 'disks', 'web-data');
export const snapshotId = (name: string): string => computeId(subscription, 'snaps', 'snapshots', name);

export interface Fixture {
  readonly cloud: Cloud;
  readonly arm: ArmOptions;
  readonly directory: string;
  /** The bytes that the data disk holds now. */
  readonly data: Buffer;
  fault(rule: FaultRule): void;
  clearFaults(): void;
  control(method: 'GET' | 'POST', path: string, body?: unknown): Promise<unknown>;
  /** Makes the data disk's content equal to `data`. */
  importData(): Promise<void>;
  close(): Promise<void>;
}

export async function startFixture(seed: Record<string, unknown> = {}): Promise<Fixture> {
  const directory = mkdtempSync(join(tmpdir(), 'blockferry-adapters-'));
  const osFile = join(directory, 'os.img');
  const dataFile = join(directory, 'data.img');
  writeFileSync(osFile, Buffer.alloc(osBytes));
  const data = Buffer.alloc(dataBytes);
  for (let offset = 0; offset < 4 * MIB; offset++) data[offset] = (offset * 31 + (offset >>> 9)) & 0xff;
  data.fill('tail of the disk', dataBytes - 4096);
  writeFileSync(dataFile, data);
  const cloud = await startCloud({
    stateDirectory: join(directory, 'state'),
    seedDirectory: directory,
    seed: {
      randomSeed: 'adapters',
      tenantId: tenant,
      subscriptions: [subscription],
      resourceGroups: ['snaps', 'restored'].map((name) => ({ subscription, name, location: region })),
      vms: [
        {
          subscription,
          resourceGroup: 'app',
          name: 'web',
          location: region,
          tags: { backup: 'gold' },
          osDisk: { name: 'web-os', file: osFile, osType: 'Linux' },
          dataDisks: [{ lun: 3, name: 'web-data', file: dataFile }],
        },
      ],
      scaleSets: [{ subscription, resourceGroup: 'proxies', name: 'movers', location: region }],
      identities: [{ clientId: '12121212-3434-5656-7878-909090909090', objectId: identityObject, default: true }],
      aws: { accountId, region: 'eu-central-1', oidcProviders: [], roles: [], buckets: [] },
      behaviour: { lroMs: 5, pageListMax: 3, listPageSize: 1 },
      ...seed,
    },
  });
  trust(cloud.caFile);
  process.env['IDENTITY_ENDPOINT'] = cloud.endpoints.identity;
  process.env['IDENTITY_HEADER'] = cloud.endpoints.identityHeader;
  const control = async (method: string, path: string, body?: unknown): Promise<unknown> => {
    const init = { method, headers: { 'content-type': 'application/json' } };
    const text = body === undefined ? {} : { body: JSON.stringify(body) };
    const reply = await fetch(`${cloud.endpoints.control}${path}`, { ...init, ...text });
    if (!reply.ok) throw new Error(`control ${path}: ${reply.status} ${await reply.text()}`);
    return reply.json();
  };
  return {
    cloud,
    directory,
    data,
    arm: {
      credential: createAzureCredential(),
      armEndpoint: cloud.endpoints.arm,
      armAudience,
      pollMs: 20,
      retryRule: { attemptsMax: 6, firstDelayMs: 5, delayMsMax: 20 },
    },
    fault: (rule) => cloud.context.faults.add(rule),
    clearFaults: () => cloud.context.faults.clear(),
    control,
    importData: async () => {
      writeFileSync(dataFile, data);
      await control('POST', '/disks/import', { diskId: dataDiskId, file: dataFile, changedOnly: true });
    },
    close: async () => {
      await cloud.close();
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

function trust(caFile: string): void {
  tls.setDefaultCACertificates([...tls.getCACertificates('default'), readFileSync(caFile, 'utf8')]);
}
