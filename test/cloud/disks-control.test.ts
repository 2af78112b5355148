import { mkdtempSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { encodeFooter } from '../../local/cloud/disks/vhd-footer';
import { type Cloud, startCloud } from '../../local/cloud/start';
import { keepKeys, reuseKeys } from './reused-keys';

const MIB = 2 ** 20;
const PAGE = 4096;
const GROUP = '/subscriptions/sub-1/resourceGroups/rg/providers/Microsoft.Compute';
const DISK = `${GROUP}/disks/os`;

let directory: string;
let image: string;
let cloud: Cloud;

const seed = () => ({
  randomSeed: 'control',
  tenantId: 'tenant-1',
  subscriptions: ['sub-1'],
  vms: [
    {
      subscription: 'sub-1',
      resourceGroup: 'rg',
      name: 'vm',
      location: 'westeurope',
      osDisk: { name: 'os', file: 'os.img' },
      dataDisks: [],
    },
  ],
  identities: [{ clientId: 'client-1', objectId: 'object-1' }],
  aws: { accountId: '111122223333', region: 'eu-central-1', oidcProviders: [], roles: [], buckets: [] },
});

async function start(): Promise<Cloud> {
  const stateDirectory = join(directory, 'state');
  reuseKeys(stateDirectory);
  const started = await startCloud({ stateDirectory, seed: seed(), seedDirectory: directory });
  keepKeys(stateDirectory);
  return started;
}

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'bf-control-'));
  image = join(directory, 'os.img');
  const content = Buffer.alloc(4 * MIB);
  content.fill('blockferry', MIB, 2 * MIB);
  writeFileSync(image, content);
  cloud = await start();
});
afterEach(async () => {
  await cloud.close();
  rmSync(directory, { recursive: true, force: true });
});

async function call(method: string, path: string, body?: unknown) {
  const response = await fetch(`${cloud.endpoints.control}${path}`, {
    method,
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  return { status: response.status, body: (await response.json()) as Readonly<Record<string, unknown>> };
}

const importImage = (file = image) => call('POST', '/disks/import', { diskId: DISK, file, changedOnly: true });

async function exported(): Promise<Buffer> {
  const file = join(directory, 'out.img');
  const { status } = await call(
    'GET',
    `/disks/export?diskId=${encodeURIComponent(DISK)}&file=${encodeURIComponent(file)}`,
  );
  expect(status).toBe(200);
  return readFileSync(file);
}

test('an import writes only the pages that differ, and clears those that became zero', async () => {
  expect((await importImage()).body).toEqual({ changedBytes: 0, clearedBytes: 0 });
  const content = readFileSync(image);
  content.fill(7, 3 * MIB + 100, 3 * MIB + 200);
  content.fill(0, MIB, MIB + 3 * PAGE);
  writeFileSync(image, content);
  expect((await importImage()).body).toEqual({ changedBytes: PAGE, clearedBytes: 3 * PAGE });
  expect((await exported()).equals(content)).toBe(true);
});

test('an exported image is sparse and has the size of the disk', async () => {
  const bytes = await exported();
  expect(bytes.equals(readFileSync(image))).toBe(true);
  expect(statSync(join(directory, 'out.img')).blocks * 512).toBeLessThan(2 * MIB);
});

test('the footer of a fixed VHD is no part of the disk', async () => {
  const vhd = join(directory, 'os.vhd');
  const content = Buffer.alloc(4 * MIB, 'vhd');
  writeFileSync(
    vhd,
    Buffer.concat([content, encodeFooter({ diskSizeBytes: 4 * MIB, uniqueId: Buffer.alloc(16), createdAt: 0 })]),
  );
  expect((await importImage(vhd)).body).toEqual({ changedBytes: 4 * MIB, clearedBytes: 0 });
  expect((await exported()).equals(content)).toBe(true);
});

test('an empty, unaligned, missing or too large image is refused and changes nothing', async () => {
  const before = await exported();
  const odd = join(directory, 'odd.img');
  for (const bytes of [0, 1000, 8 * MIB]) {
    writeFileSync(odd, '');
    truncateSync(odd, bytes);
    expect((await importImage(odd)).status).toBe(400);
  }
  expect((await importImage(join(directory, 'none.img'))).status).toBe(400);
  expect((await call('POST', '/disks/import', { diskId: `${GROUP}/disks/none`, file: image })).status).toBe(404);
  expect((await exported()).equals(before)).toBe(true);
});

test('faults are added, listed, counted and removed; nonsense is a 400 that names the field', async () => {
  const added = await call('POST', '/faults', {
    service: 'identity',
    times: 1,
    action: { kind: 'status', status: 503 },
  });
  const [id] = added.body['ids'] as readonly string[];
  expect((await fetch(cloud.endpoints.identity)).status).toBe(503);
  expect((await call('GET', '/faults')).body).toMatchObject({ faults: [{ rule: { id }, appliedCount: 1 }] });
  expect((await call('DELETE', `/faults?id=${id}`)).status).toBe(200);
  expect((await call('GET', '/faults')).body).toEqual({ faults: [] });
  const wrong = await call('POST', '/faults', { action: { kind: 'explode' } });
  expect(wrong.status).toBe(400);
  expect(wrong.body['error']).toContain('action');
  expect((await call('GET', '/log?service=identity')).body).toMatchObject({
    entries: [{ status: 503, fault: 'status' }],
  });
  await call('DELETE', '/log');
  expect((await call('GET', '/log')).body).toEqual({ entries: [] });
});

test('clock, ports and identities survive a restart; a VM can be added', async () => {
  await call('POST', '/clock', { shiftMs: 3_600_000 });
  const added = await call('POST', '/vms', {
    subscription: 'sub-1',
    resourceGroup: 'rg2',
    name: 'late',
    location: 'westeurope',
    osDisk: { name: 'late-os', file: image },
  });
  expect(added.body['id']).toContain('/virtualMachines/late');
  const { endpoints } = cloud;
  await cloud.close();
  await sleep(20); // clients of this process notice that their kept connections are gone
  cloud = await start();
  expect(cloud.endpoints).toEqual(endpoints);
  expect((await call('GET', '/clock')).body['shiftMs']).toBe(3_600_000);
  expect((await call('GET', '/healthz')).body).toMatchObject({ ready: true });
  expect((await call('GET', '/disks')).body['disks']).toHaveLength(2);
  expect((await call('GET', '/nothing')).status).toBe(404);
});

test('the same seed makes the same world, another one another', async () => {
  const idsOf = async (randomSeed: string): Promise<unknown> => {
    const stateDirectory = join(directory, `world-${Math.random()}`);
    reuseKeys(stateDirectory);
    const world = await startCloud({ stateDirectory, seed: { ...seed(), randomSeed }, seedDirectory: directory });
    const { disks } = (await (await fetch(`${world.endpoints.control}/disks`)).json()) as {
      disks: readonly { readonly properties: { readonly uniqueId: string } }[];
    };
    await world.close();
    return disks.map(({ properties }) => properties.uniqueId);
  };
  const ids = await idsOf('a');
  expect(ids).toEqual([expect.stringMatching(/^[0-9a-f-]{36}$/)]);
  expect(await idsOf('a')).toEqual(ids);
  expect(await idsOf('b')).not.toEqual(ids);
});

test('a seed that is not valid is refused with the field', async () => {
  const wrong = { ...seed(), identities: [] };
  await expect(startCloud({ stateDirectory: join(directory, 'other'), seed: wrong })).rejects.toThrow(/identities/);
});
