/** `npm start` and `npm run cloud` as programs: they come up, say where, and after Ctrl-C nothing of them is left. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { findBuild } from '../../local/stack/layout';
import { isListening, type Ports, portNames, samplePorts } from '../../local/stack/ports';

let state: string;
let child: ChildProcess | undefined;
beforeEach(() => {
  state = mkdtempSync(path.join(tmpdir(), 'blockferry-command-'));
});
afterEach(() => {
  if (child?.exitCode === null) child.kill('SIGKILL');
  rmSync(state, { recursive: true, force: true });
});

interface Running {
  readonly child: ChildProcess;
  readonly output: () => string;
  readonly exit: Promise<unknown[]>;
}

function run(command: 'start' | 'cloud'): Running {
  const program = path.join(findBuild().dist, 'local', 'stack', 'main.js');
  const started = spawn(process.execPath, [program, command, '--state', state], { stdio: ['ignore', 'pipe', 'pipe'] });
  child = started;
  let text = '';
  for (const stream of [started.stdout, started.stderr]) {
    stream.setEncoding('utf8');
    stream.on('data', (piece: string) => {
      text += piece;
    });
  }
  return { child: started, output: () => text, exit: once(started, 'exit') };
}

async function untilReady({ child: program, output }: Running): Promise<void> {
  while (!output().includes('Ctrl-C')) {
    if (program.exitCode !== null || program.signalCode !== null) throw new Error(`it ended: ${output()}`);
    await sleep(50);
  }
}

/** Whatever has this state directory in its command line. */
function processesOf(directory: string): string[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
    .flatMap((pid) => {
      try {
        const command = readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ');
        const environment = readFileSync(`/proc/${pid}/environ`, 'latin1');
        return command.includes(directory) || environment.includes(directory) ? [`${pid} ${command}`] : [];
      } catch {
        return [];
      }
    });
}

async function openPorts(ports: Ports): Promise<string[]> {
  const open: string[] = [];
  for (const name of portNames) if (await isListening(ports[name])) open.push(name);
  return open;
}

test('npm start: the printed address and key answer; Ctrl-C leaves no process and no port', async () => {
  const running = run('start');
  await untilReady(running);
  const ports = JSON.parse(readFileSync(path.join(state, 'ports.json'), 'utf8')) as Ports;
  expect(await openPorts(ports)).toEqual([...portNames]);
  const [, url = '', key = ''] = /^URL=(\S+)\nKEY='x-functions-key: (\S+)'$/m.exec(running.output()) ?? [];
  const vms = await fetch(`${url}/vms`, { headers: { 'x-functions-key': key } });
  expect(vms.status).toBe(200);
  const { items } = (await vms.json()) as { readonly items: readonly { readonly id: string }[] };
  expect(items.length).toBeGreaterThan(0);
  // In the middle of a job, with a data proxy under way.
  const headers = { 'x-functions-key': key, 'content-type': 'application/json' };
  const backup = await fetch(`${url}/backups`, {
    method: 'POST',
    headers,
    body: JSON.stringify({ vmId: items[0]?.id }),
  });
  expect(backup.status).toBe(202);
  while (!processesOf(state).some((command) => command.includes('data-proxy-main'))) await sleep(50);

  running.child.kill('SIGINT');
  const [code] = await running.exit;
  expect({ code, output: running.output() }).toMatchObject({ code: 0 });
  expect(processesOf(state)).toEqual([]);
  expect(await openPorts(ports)).toEqual([]);
}, 90_000);

test('npm start: Ctrl-C while it starts ends it as well, and leaves no process', async () => {
  const running = run('start');
  // Written when its children are about to be started.
  while (!existsSync(path.join(state, 'seed.json'))) await sleep(10);
  running.child.kill('SIGINT');
  const [code] = await running.exit;
  expect({ code, output: running.output() }).toMatchObject({ code: 0 });
  expect(running.output()).not.toMatch(/did not start|given up/);
  expect(processesOf(state)).toEqual([]);
}, 60_000);

test('npm run cloud: the ports of the sample settings; Ctrl-C leaves no process and no port', async () => {
  const running = run('cloud');
  await untilReady(running);
  expect(await openPorts(samplePorts)).toEqual(portNames.filter((name) => name !== 'host'));
  const sample: unknown = JSON.parse(readFileSync(path.join(findBuild().root, 'local.settings.sample.json'), 'utf8'));
  const { Values } = sample as { readonly Values: Readonly<Record<string, string>> };
  const token = await fetch(`${Values['IDENTITY_ENDPOINT']}?api-version=2019-08-01&resource=api://blockferry`, {
    headers: { 'x-identity-header': Values['IDENTITY_HEADER'] ?? '' },
  });
  expect(token.status).toBe(200);
  running.child.kill('SIGINT');
  const [code] = await running.exit;
  expect({ code, output: running.output() }).toMatchObject({ code: 0 });
  expect(processesOf(state)).toEqual([]);
  expect(await openPorts(samplePorts)).toEqual([]);
}, 90_000);
