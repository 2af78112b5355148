/** `kill -9` of the simulator's process while it writes: what was acknowledged is there, and it goes on. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { request } from 'node:https';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { MIB, pattern } from './arm-fixture';
import { keepKeys, reuseKeys } from './reused-keys';

const MAIN = join(process.env['BLOCKFERRY_TEST_DIST'] ?? resolve(__dirname, '../../dist'), 'local/cloud/main.js');
const GROUP = '/subscriptions/sub-1/resourceGroups/rg/providers/Microsoft.Compute';
const WRITE_BYTES = 64 * 1024;
const KILL_AFTER_COUNT = [7, 13];

interface Running {
  readonly process: ChildProcess;
  readonly endpoints: Readonly<Record<string, string>>;
}

let directory: string;
let running: Running | undefined;

async function startProcess(): Promise<Running> {
  reuseKeys(join(directory, 'state'));
  const child = spawn(
    process.execPath,
    [
      MAIN,
      '--state',
      join(directory, 'state'),
      '--seed',
      join(directory, 'seed.json'),
      '--parent',
      String(process.pid),
    ],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  );
  const [line] = await once(createInterface({ input: child.stdout ?? process.stdin }), 'line');
  keepKeys(join(directory, 'state'));
  const ready = JSON.parse(String(line)) as { readonly endpoints: Readonly<Record<string, string>> };
  return { process: child, endpoints: ready.endpoints };
}

async function end(signal: NodeJS.Signals): Promise<void> {
  if (running === undefined) return;
  const exited = once(running.process, 'exit');
  running.process.kill(signal);
  await exited;
  running = undefined;
}

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'bf-crash-'));
  writeFileSync(join(directory, 'os.img'), pattern(2 * MIB, 3));
  writeFileSync(
    join(directory, 'seed.json'),
    JSON.stringify({
      tenantId: 'tenant-1',
      subscriptions: ['sub-1'],
      vms: [
        {
          subscription: 'sub-1',
          resourceGroup: 'rg',
          name: 'vm',
          location: 'westeurope',
          osDisk: { name: 'os', file: 'os.img' },
        },
      ],
      scaleSets: [
        {
          subscription: 'sub-1',
          resourceGroup: 'rg',
          name: 'proxies',
          location: 'westeurope',
          instanceCommand: [
            process.execPath,
            '-e',
            "console.log('up', process.pid); setInterval(() => undefined, 1000)",
          ],
        },
      ],
      identities: [{ clientId: 'client-1', objectId: 'object-1' }],
      aws: { accountId: '111122223333', region: 'eu-central-1', oidcProviders: [], roles: [], buckets: [] },
      behaviour: { lroMs: 0 },
    }),
  );
});
afterEach(async () => {
  await end('SIGKILL');
  rmSync(directory, { recursive: true, force: true });
});

/** A request to ARM over a connection of its own: one that is kept would break with each kill. */
async function arm(
  method: string,
  path: string,
  body?: unknown,
): Promise<{ status: number; headers: Readonly<Record<string, unknown>>; body: unknown }> {
  const endpoints: Readonly<Record<string, string>> = running?.endpoints ?? {};
  const token = (await (
    await fetch(`${endpoints['identity']}?api-version=2019-08-01&resource=https://management.azure.com`, {
      headers: { 'x-identity-header': endpoints['identityHeader'] ?? '' },
    })
  ).json()) as { access_token: string };
  const url = path.startsWith('https:') ? path : `${endpoints['arm']}${path}?api-version=2026-03-02`;
  return new Promise((resolvePromise, reject) => {
    const outgoing = request(
      url,
      { method, agent: false, rejectUnauthorized: false, headers: { authorization: `Bearer ${token.access_token}` } },
      (response) => {
        let text = '';
        response.setEncoding('utf8').on('data', (chunk: string) => {
          text += chunk;
        });
        response.on('end', () =>
          resolvePromise({
            status: response.statusCode ?? 0,
            headers: response.headers,
            body: text === '' ? undefined : JSON.parse(text),
          }),
        );
      },
    );
    outgoing.on('error', reject);
    outgoing.end(body === undefined ? undefined : JSON.stringify(body));
  });
}

async function grant(id: string, access: 'Read' | 'Write'): Promise<string> {
  const { headers } = await arm('POST', `${id}/beginGetAccess`, { access, durationInSeconds: 3600 });
  const done = await arm('GET', String(headers['location']));
  return (done.body as { accessSAS: string }).accessSAS;
}

test('acknowledged pages, snapshots and SAS survive kill -9 at any moment', async () => {
  const disk = `${GROUP}/disks/target`;
  const sizeBytes = 20 * MIB;
  running = await startProcess();
  const first = running.endpoints;
  const creationData = { createOption: 'Upload', uploadSizeBytes: sizeBytes + 512 };
  await arm('PUT', disk, { location: 'westeurope', properties: { creationData } });
  const sas = await grant(disk, 'Write');
  const acknowledged = new Map<number, Buffer>();
  const snapshots = new Set<string>();
  const statuses = new Set<number>();

  for (let round = 0; round < KILL_AFTER_COUNT.length; round++) {
    // The kill comes while later writes are on their way.
    let killed: Promise<void> | undefined;
    try {
      for (let number = 0; ; number++) {
        if (number === KILL_AFTER_COUNT[round]) killed = end('SIGKILL');
        const start = ((round * 97 + number * 7) % (sizeBytes / WRITE_BYTES)) * WRITE_BYTES;
        const bytes = pattern(WRITE_BYTES, round * 1000 + number + 1);
        acknowledged.delete(start); // unknown until the answer: a write that was cut off may be torn
        const response = await fetch(`${sas}&comp=page`, {
          method: 'PUT',
          headers: { 'x-ms-page-write': 'update', 'x-ms-range': `bytes=${start}-${start + WRITE_BYTES - 1}` },
          body: new Uint8Array(bytes),
        });
        await response.arrayBuffer();
        statuses.add(response.status);
        acknowledged.set(start, bytes);
        if (number % 5 === 0) {
          const id = `${GROUP}/snapshots/s-${round}-${number}`;
          const properties = { creationData: { createOption: 'Copy', sourceResourceId: `${GROUP}/disks/os` } };
          if ((await arm('PUT', id, { location: 'westeurope', properties })).status === 202) snapshots.add(id);
        }
      }
    } catch {
      // The connection broke: the process is gone.
    }
    await killed;
    running = await startProcess();
    expect(running.endpoints).toEqual(first);
    for (const [start, bytes] of acknowledged) {
      const back = await fetch(sas, { headers: { 'x-ms-range': `bytes=${start}-${start + WRITE_BYTES - 1}` } });
      expect(Buffer.from(await back.arrayBuffer()).equals(bytes)).toBe(true);
    }
    for (const id of snapshots) expect((await arm('GET', id)).status).toBe(200);
  }
  expect([...statuses]).toEqual([201]);
  expect(acknowledged.size).toBeGreaterThan(10);
  const list = (await arm('GET', `${GROUP}/snapshots`)).body as { value: readonly { id: string }[] };
  for (const { id } of list.value) {
    const bytes = Buffer.from(await (await fetch(await grant(id, 'Read'))).arrayBuffer());
    expect(bytes.subarray(0, 2 * MIB).equals(pattern(2 * MIB, 3))).toBe(true);
    await arm('POST', `${id}/endGetAccess`);
  }
});

test('scale-set instances do not outlive a simulator that is killed', async () => {
  running = await startProcess();
  await arm('PATCH', `${GROUP}/virtualMachineScaleSets/proxies`, { sku: { capacity: 1 } });
  const log = join(directory, 'state/azure/instances/proxies_0.log');
  let pid = 0;
  while (pid === 0) {
    await sleep(20);
    pid = existsSync(log) ? Number(/up (\d+)/.exec(readFileSync(log, 'utf8'))?.[1] ?? 0) : 0;
  }
  await end('SIGKILL');
  while (isAlive(pid)) await sleep(20);
});

test('SIGTERM ends it with exit code 0; a wrong seed with 2', async () => {
  running = await startProcess();
  const exited = once(running.process, 'exit');
  running.process.kill('SIGTERM');
  expect((await exited)[0]).toBe(0);
  running = undefined;
  writeFileSync(join(directory, 'seed.json'), '{}');
  const child = spawn(process.execPath, [MAIN, '--state', directory, '--seed', join(directory, 'seed.json')], {
    stdio: 'ignore',
  });
  expect((await once(child, 'exit'))[0]).toBe(2);
});

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
