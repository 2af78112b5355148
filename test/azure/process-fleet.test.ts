import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createProcessFleet } from '../../shared/app/process-fleet';
import { startOf } from '../../shared/app/process-identity';

const region = 'westeurope';

describe('process fleet', () => {
  let directory: string;

  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'blockferry-fleet-'));
  });
  afterEach(async () => {
    await fleet().remove(region);
    rmSync(directory, { recursive: true, force: true });
  });

  const pidFile = () => join(directory, 'state', `data-proxy-${region}.pid`);
  const running = (): number => JSON.parse(readFileSync(pidFile(), 'utf8')).pid;
  const fleet = (program = 'setInterval(() => {}, 1000)', graceMs = 5000) => {
    const mainFile = join(directory, 'proxy.js');
    if (!existsSync(mainFile)) writeFileSync(mainFile, program);
    const environment = { PATH: process.env['PATH'], BLOCKFERRY_PARENT_PID: String(process.pid) };
    return createProcessFleet({ mainFile, stateDirectory: join(directory, 'state'), environment, graceMs });
  };

  test('a proxy runs until it is removed; both can be repeated, also by a restarted host', async () => {
    await fleet().launch(region);
    const pid = running();
    expect(await startOf(pid)).toBeDefined();
    await fleet().launch(region);
    expect(running()).toBe(pid);
    await fleet().remove(region);
    expect(await startOf(pid)).toBeUndefined();
    expect(existsSync(pidFile())).toBe(false);
    await fleet().remove(region);
  });

  test('many launches at the same time, from several hosts, leave one proxy', async () => {
    const hosts = [fleet(), fleet(), fleet()];
    await Promise.all(hosts.flatMap((host) => [host.launch(region), host.launch(region)]));
    const pid = running();
    const proxies = readdirSync('/proc')
      .filter((name) => /^\d+$/.test(name))
      .filter((name) => commandLine(name).includes(join(directory, 'proxy.js')));
    expect(proxies.length).toBeLessThanOrEqual(1 + proxies.filter((name) => stateOf(name) === 'Z').length);
    expect(proxies).toContain(String(pid));
  });

  test('a proxy that died is launched anew, and the pid of a foreign process is not taken for ours', async () => {
    await fleet().launch(region);
    const pid = running();
    process.kill(pid, 'SIGKILL');
    while ((await startOf(pid)) !== undefined) await new Promise((resolve) => setTimeout(resolve, 5));
    writeFileSync(pidFile(), JSON.stringify({ pid: process.pid, start: 'another start', region }));
    await fleet().remove(region); // does not end this very process
    await fleet().launch(region);
    expect(running()).not.toBe(pid);
    expect(await startOf(running())).toBeDefined();
  });

  test('a damaged pid file is as good as none', async () => {
    await fleet().launch(region);
    await fleet().remove(region);
    for (const text of ['', '{}', '{"pid":1,"start":"x"}', 'garbage']) {
      writeFileSync(pidFile(), text);
      await fleet().launch(region);
      expect(await startOf(running())).toBeDefined();
      await fleet().remove(region);
    }
  });

  test('a proxy that ignores SIGTERM is killed after its grace', async () => {
    const stubborn = fleet("process.on('SIGTERM', () => {}); console.log('ready'); setInterval(() => {}, 1000)", 200);
    await stubborn.launch(region);
    const pid = running();
    const log = join(directory, 'state', `data-proxy-${region}.log`);
    while (!readFileSync(log, 'utf8').includes('ready')) await new Promise((resolve) => setTimeout(resolve, 5));
    await stubborn.remove(region);
    expect(await startOf(pid)).toBeUndefined();
  });

  test('the proxy gets its region and the settings, and its output goes to the log', async () => {
    const host = fleet(
      'console.log(process.env.BLOCKFERRY_REGION, process.env.BLOCKFERRY_PARENT_PID); setInterval(() => {}, 1000)',
    );
    await host.launch(region);
    const log = join(directory, 'state', `data-proxy-${region}.log`);
    while (readFileSync(log, 'utf8') === '') await new Promise((resolve) => setTimeout(resolve, 5));
    expect(readFileSync(log, 'utf8').trim()).toBe(`${region} ${process.pid}`);
  });

  test('a name that is no region becomes no file name', async () => {
    await expect(fleet().launch('../elsewhere')).rejects.toMatchObject({ code: 'request.invalid' });
    await expect(fleet().remove('a/b')).rejects.toMatchObject({ code: 'request.invalid' });
  });
});

function commandLine(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8');
  } catch {
    return ''; // ended in the meantime
  }
}

function stateOf(pid: string): string {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return stat.slice(stat.lastIndexOf(')') + 2, stat.lastIndexOf(')') + 3);
  } catch {
    return 'Z';
  }
}
