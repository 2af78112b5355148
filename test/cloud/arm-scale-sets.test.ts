import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type AzureFixture, GROUP, startAzureFixture } from './arm-fixture';

const INTERVAL = { updateIntervalInMs: 5 };

let fixture: AzureFixture;
beforeEach(async () => {
  const program =
    "console.log('up', process.pid, process.env.PROXY_REGION, process.env.BLOCKFERRY_INSTANCE); setInterval(() => undefined, 1000)";
  fixture = await startAzureFixture({ instanceCommand: [process.execPath, '-e', program] });
});
afterEach(() => fixture.close());

const scale = (capacity: number) =>
  fixture.compute.virtualMachineScaleSets.update(GROUP, 'proxies', { sku: { capacity } }, INTERVAL);

/** What each instance has printed, by its log file. */
function outputs(): readonly string[] {
  const directory = join(fixture.context.stateDirectory, 'azure', 'instances');
  return readdirSync(directory)
    .sort()
    .map((name) => readFileSync(join(directory, name), 'utf8'));
}

async function until<Value>(read: () => Value | undefined): Promise<Value> {
  for (;;) {
    const value = read();
    if (value !== undefined) return value;
    await sleep(20);
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

const pidsUp = (count: number) =>
  until(() => {
    const pids = outputs().map((text) => Number(/up (\d+)/.exec(text)?.[1]));
    return pids.length === count && pids.every((pid) => pid > 0) ? pids : undefined;
  });

test('capacity is the number of running instances, with their environment; 0 ends them', async () => {
  expect((await fixture.compute.virtualMachineScaleSets.get(GROUP, 'proxies')).sku?.capacity).toBe(0);
  const updated = await scale(2);
  expect(updated).toMatchObject({ sku: { capacity: 2 }, provisioningState: 'Succeeded' });
  const pids = await pidsUp(2);
  expect(outputs().map((text) => /up \d+ (.*)/.exec(text)?.[1]?.split(' '))).toEqual([
    ['westeurope', 'proxies_0'],
    ['westeurope', 'proxies_1'],
  ]);
  const instances: (string | undefined)[] = [];
  for await (const { instanceId } of fixture.compute.virtualMachineScaleSetVMs.list(GROUP, 'proxies'))
    instances.push(instanceId);
  expect(instances).toEqual(['0', '1']);
  await scale(0);
  await until(() => (pids.some(isAlive) ? undefined : true));
});

test('instances end with the simulator and start again with it', async () => {
  await scale(1);
  const [pid = 0] = await pidsUp(1);
  fixture = await fixture.restart();
  expect(isAlive(pid)).toBe(false);
  await until(() => (outputs()[0]?.match(/up/g)?.length === 2 ? true : undefined));
});

test('an instance that ends is started again while the capacity holds', async () => {
  await scale(1);
  const [pid = 0] = await pidsUp(1);
  process.kill(pid, 'SIGKILL');
  await until(() => (outputs()[0]?.match(/up/g)?.length === 2 ? true : undefined));
});
