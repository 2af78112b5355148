/**
 * Deployed apart: one app is the control plane, another the data proxy of a region. Neither has a function of the other,
 * and together they do the main job.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { type HostProcess, startHost } from '../host/host-process';
import { onlySnapshots, startTrial, type Trial } from './harness';
import { MIB } from './images';

const ROOT = path.resolve(__dirname, '..', '..');
const folder = mkdtempSync(path.join(tmpdir(), 'blockferry-split-'));
let trial: Trial | undefined;
let proxyApp: HostProcess | undefined;

afterAll(async () => {
  await proxyApp?.stop();
  await trial?.stop();
  rmSync(folder, { recursive: true, force: true });
}, 60_000);

test('a control plane and a data proxy as two apps back up and restore', async () => {
  trial = await startTrial({
    fleet: 'functions',
    settings: { BLOCKFERRY_SERVES: 'control' },
    machines: [{ name: 'vm1', region: 'westeurope', disks: [{ lun: 'os', bytes: 24 * MIB }] }],
  });
  const { settings, api } = trial.stack;
  proxyApp = await startHost({
    dir: folder,
    app: ROOT,
    env: { ...settings, BLOCKFERRY_SERVES: 'data-proxy', BLOCKFERRY_REGION: 'westeurope' },
  });
  const control = await functionsOf(api?.url ?? '', api?.masterKey ?? '');
  const proxy = await functionsOf(proxyApp.url, proxyApp.masterKey);
  expect(proxy).toEqual(['dataProxy-westeurope']);
  expect(control).toContain('scheduler');
  expect(control.filter((name) => name.startsWith('dataProxy-'))).toEqual([]);

  await trial.backup('vm1');
  const [point] = await trial.points('vm1');
  expect(await trial.restoredDigests(point?.id ?? '')).toEqual(trial.digests('vm1', ['os']));
  expect(await trial.leftovers()).toEqual(onlySnapshots(1));
}, 120_000);

async function functionsOf(url: string, masterKey: string): Promise<string[]> {
  const reply = await fetch(`${url}/admin/functions`, { headers: { 'x-functions-key': masterKey } });
  const listed = (await reply.json()) as { readonly name: string }[];
  return listed.map(({ name }) => name).sort();
}
