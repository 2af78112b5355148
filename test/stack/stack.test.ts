/**
 * The supervisor leaves nothing behind, however it ends, and brings back what dies. Azurite and the simulator as real
 * processes, without a host; the drill (test/demo) has that too.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { findBuild } from '../../local/stack/layout';
import { isListening, portNames } from '../../local/stack/ports';
import { findStackProcesses } from '../../local/stack/processes';
import { type Stack, type StackOptions, startStack } from '../../local/stack/stack';
import { isAlive } from '../../local/stack/watch-parent';

let state: string;
const stacks: Stack[] = [];
const children: ChildProcess[] = [];

beforeEach(() => {
  state = mkdtempSync(path.join(tmpdir(), 'blockferry-stack-'));
});
afterEach(async () => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
  for (const stack of stacks.splice(0)) await stack.stop();
  rmSync(state, { recursive: true, force: true });
});

async function start(options: Partial<StackOptions> = {}): Promise<Stack> {
  const stack = await startStack({ state, host: false, ...options });
  stacks.push(stack);
  return stack;
}

async function untilTrue(condition: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await condition())) await sleep(50);
}

test('stop leaves no process and no port, and may be repeated', async () => {
  const stack = await start();
  expect(findStackProcesses(stack.id).length).toBeGreaterThanOrEqual(2);
  expect(await stack.stop()).toEqual([]);
  expect(await stack.stop()).toEqual([]);
  expect(findStackProcesses(stack.id)).toEqual([]);
  for (const name of portNames) expect(await isListening(stack.ports[name])).toBe(false);
});

test('a simulator killed with -9 comes back at the same address and with what it knew', async () => {
  const events: string[] = [];
  const stack = await start({ onEvent: (event) => events.push(`${event.name} ${event.kind}`) });
  const body = JSON.stringify({ subscription: 's', name: 'kept', location: 'westeurope' });
  await fetch(`${stack.cloud.control}/groups`, { method: 'POST', body });
  process.kill(stack.pidOf('cloud') ?? 0, 'SIGKILL');
  await untilTrue(() => events.length > 0);
  expect(events).toEqual(['cloud restarted']);
  expect((await fetch(`${stack.cloud.control}/disks`)).status).toBe(200);
  expect(await stack.stop()).toEqual([]);
});

test('the tenant key is made once, for its owner only', async () => {
  const stack = await start();
  await stack.stop();
  const key = readFileSync(stack.layout.keyFile);
  expect(key).toHaveLength(32);
  expect(statSync(stack.layout.keyFile).mode & 0o777).toBe(0o600);
  const again = await start();
  expect(readFileSync(again.layout.keyFile)).toEqual(key);
  expect(again.ports).toEqual(stack.ports);
});

test('a second stack on the same state is refused', async () => {
  const holder = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)']);
  children.push(holder);
  const stack = await start();
  await stack.stop();
  writeFileSync(path.join(state, 'stack.pid'), String(holder.pid));
  await expect(startStack({ state, host: false })).rejects.toThrow(/already, as process/);
});

test('a port in use is named before anything is started', async () => {
  const stack = await start();
  await stack.stop();
  const squatter = createServer().listen(stack.ports.arm, '127.0.0.1');
  await once(squatter, 'listening');
  try {
    await expect(startStack({ state, host: false })).rejects.toThrow(`port ${stack.ports.arm} (arm) is in use`);
  } finally {
    squatter.close();
  }
});

test('when the supervisor is killed with -9, everything it started goes', async () => {
  const program = `
    const { startStack } = require(${JSON.stringify(path.join(findBuild().dist, 'local', 'stack', 'stack.js'))});
    startStack({ state: ${JSON.stringify(state)}, host: false }).then((stack) => {
      console.log(JSON.stringify({ id: stack.id, pids: [stack.pidOf('azurite'), stack.pidOf('cloud')] }));
    });`;
  const supervisor = spawn(process.execPath, ['-e', program], { stdio: ['ignore', 'pipe', 'inherit'] });
  children.push(supervisor);
  const [line] = (await once(createInterface({ input: supervisor.stdout }), 'line')) as [string];
  const { id, pids } = JSON.parse(line) as { readonly id: string; readonly pids: readonly number[] };
  supervisor.kill('SIGKILL');
  await untilTrue(() => !pids.some(isAlive) && findStackProcesses(id).length === 0);
});
