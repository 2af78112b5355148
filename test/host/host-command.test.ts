/** The host as a command: arguments, settings, keys, logs, and how it ends. */
import { spawn } from 'node:child_process';
import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseHostArgs } from '../../local/host/args';
import { loadHostConfig } from '../../local/host/host-json';
import { loadSettings, resolveSettings } from '../../local/host/settings';
import { type HostProcess, startHost, temporaryDir, until } from './host-process';

const scratch = temporaryDir();
const hosts: HostProcess[] = [];

afterEach(async () => {
  await Promise.all(hosts.splice(0).map((host) => host.stop()));
});
afterAll(() => scratch.remove());

async function start(options: { dir?: string; args?: readonly string[]; env?: Record<string, string> } = {}) {
  const host = await startHost({ dir: scratch.dir, ...options });
  hosts.push(host);
  return host;
}

test('missing or malformed arguments are refused with the usage', () => {
  expect(() => parseHostArgs(['--app', 'x'])).toThrow(/--app and --state are required\nusage/);
  expect(() => parseHostArgs(['--app', 'x', '--state', 'y', '--port', 'z'])).toThrow(/whole number/);
  expect(() => parseHostArgs(['--app', 'x', '--state', 'y', '--wrong'])).toThrow(/--wrong/);
});

test('host.json: defaults without one, and errors that name the place', () => {
  expect(loadHostConfig(join(scratch.dir, 'absent.json'))).toMatchObject({
    functionTimeoutMs: 1_800_000,
    routePrefix: 'api',
    queues: { batchSize: 16, newBatchThreshold: 8, maxDequeueCount: 5, encoding: 'base64' },
  });
  const file = join(scratch.dir, 'host.json');
  writeFileSync(file, '{"functionTimeout":"-1","extensions":{"http":{"routePrefix":""}}}');
  expect(loadHostConfig(file)).toMatchObject({ functionTimeoutMs: undefined, routePrefix: '' });
  writeFileSync(file, '{"extensions":{"queues":{"batchSize":99}}}');
  expect(() => loadHostConfig(file)).toThrow(/extensions\.queues\.batchSize/);
});

test('files that are no settings are refused by their names', () => {
  const file = join(scratch.dir, 'wrong.json');
  for (const text of ['{"Values":', 'null', '[]', '{"IsEncrypted":true,"Values":{}}', '{"Values":3}']) {
    writeFileSync(file, text);
    expect(() => loadSettings(file, {})).toThrow(/wrong\.json/);
  }
  expect(() => loadSettings(join(scratch.dir, 'none.json'), {})).toThrow(/none\.json/);
  writeFileSync(file, '{"functionTimeout":');
  expect(() => loadHostConfig(file)).toThrow(/wrong\.json/);
  writeFileSync(file, '{"functionTimeout":"soon"}');
  expect(() => loadHostConfig(file)).toThrow(/time span/);
});

test('%NAME% is replaced by the setting, and an unset one is an error', () => {
  expect(resolveSettings('a-%X%-%Y%', { X: '1', Y: '2' })).toBe('a-1-2');
  expect(() => resolveSettings('%Z%', {})).toThrow(/"Z"/);
});

test('settings come from the file, the environment wins, and logs go to the file too', async () => {
  const settings = join(scratch.dir, 'settings.json');
  const log = join(scratch.dir, 'host.log');
  writeFileSync(
    settings,
    JSON.stringify({ IsEncrypted: false, Values: { FIXTURE_SETTING: 'file', TICK_SCHEDULE: 'x' } }),
  );
  const host = await start({ args: ['--settings', settings, '--log', log] });
  const environment = await (await host.fetch('/api/environment')).json();
  expect(environment).toMatchObject({ setting: 'file' });
  await host.fetch('/api/hello');
  await until(() => (readFileSync(log, 'utf8').includes('hello was called') ? true : undefined));
});

test('keys are made once and only their owner can read them', async () => {
  const first = await start();
  await first.stop();
  const second = await start();
  expect([second.masterKey, second.functionKey]).toEqual([first.masterKey, first.functionKey]);
  expect(statSync(join(scratch.dir, 'state', 'keys.json')).mode & 0o777).toBe(0o600);
  expect(second.logs().join('\n')).not.toContain(second.masterKey);
});

test('a state folder belongs to one host, a port too', async () => {
  const host = await start();
  await expect(start()).rejects.toThrow(/another host/);
  const other = temporaryDir();
  const port = new URL(host.url).port;
  await expect(start({ dir: other.dir, args: ['--port', port] })).rejects.toThrow(/EADDRINUSE/);
  other.remove();
});

test('the host ends when the process named by --parent ends', async () => {
  const parent = spawn(process.execPath, ['-e', 'setInterval(() => undefined, 1000)'], { stdio: 'ignore' });
  const host = await start({ args: ['--parent', String(parent.pid)] });
  expect(host.hasEnded()).toBe(false);
  parent.kill('SIGKILL');
  await until(() => (host.hasEnded() ? true : undefined));
});
