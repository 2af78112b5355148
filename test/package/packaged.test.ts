/**
 * What is deployed, not what was built: the zip and the archive are unpacked where no checkout is above them, so a module
 * that they forgot is missed, and then they do the main job on the embedded stack.
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { ColdStart } from '../../bench/cold-start/probe';
import { sampleSettings } from '../../bench/kit/sample-settings';
import { onlySnapshots, startTrial, type Trial } from '../stack/harness';
import { MIB } from '../stack/images';

const ROOT = path.resolve(__dirname, '..', '..');
/** Compressed. The Functions platform takes 1 GB; a small package is a fast cold start. */
const ZIP_BYTES_MAX = 6 * MIB;
const ARCHIVE_BYTES_MAX = 4 * MIB;

let folder: string;
let trial: Trial | undefined;
const app = (): string => path.join(folder, 'function-app');
const dataProxy = (): string => path.join(folder, 'data-proxy');

beforeAll(() => {
  execFileSync(process.execPath, [path.join(ROOT, 'dist', 'infra', 'package', 'main.js')], { stdio: 'pipe' });
  folder = mkdtempSync(path.join(tmpdir(), 'blockferry-packaged-'));
  mkdirSync(app());
  execFileSync('python3', ['-m', 'zipfile', '-e', made('function-app.zip'), app()]);
  execFileSync('tar', ['-xzf', made('data-proxy.tar.gz'), '-C', folder]);
}, 120_000);
afterEach(async () => trial?.stop(), 30_000);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

test('the zip holds the app, its machine code and licences, and nothing of the workshop', () => {
  const names = filesOf(app());
  const own = names.filter((name) => !name.startsWith('node_modules/') && !/^(dashboard|prices)\//.test(name));
  expect(own).toEqual([
    'LICENSE',
    'THIRD-PARTY-NOTICES.txt',
    'dist/data-proxy-main.js',
    'dist/main.js',
    'dist/sdk-aws.js',
    'dist/sdk-azure.js',
    'host.json',
    'package.json',
  ]);
  expect(names.filter((name) => /\.(ts|map|test\.js)$/.test(name) && !name.endsWith('.d.ts'))).toEqual([]);
  expect(names.filter((name) => /node-(linux|win)|azurite|jest|local\.settings|\.key$|\.pem$/.test(name))).toEqual([]);
  expect(statSync(made('function-app.zip')).size).toBeLessThan(ZIP_BYTES_MAX);
  expect(statSync(made('data-proxy.tar.gz')).size).toBeLessThan(ARCHIVE_BYTES_MAX);
});

test('the package of the app names one file and installs nothing', () => {
  const manifest = JSON.parse(readFileSync(path.join(app(), 'package.json'), 'utf8')) as Record<string, unknown>;
  expect(manifest['main']).toBe('dist/main.js');
  expect(Object.keys(manifest).filter((name) => /scripts|dependencies/i.test(name))).toEqual([]);
});

test('no SDK of a cloud is read before a function needs it', () => {
  const probe = path.join(ROOT, 'dist', 'bench', 'cold-start', 'probe.js');
  const said = execFileSync(process.execPath, [probe, app()], {
    env: { ...sampleSettings(ROOT), NODE_EXTRA_CA_CERTS: '' },
  });
  const start = JSON.parse(`${said}`) as ColdStart;
  expect(start.functions).toBeGreaterThan(20);
  expect(start.sdks).toEqual([]);
});

test('nobody finds a path of the machine it was packaged on', () => {
  for (const file of [path.join(app(), 'dist', 'main.js'), path.join(dataProxy(), 'data-proxy.js')]) {
    expect(readFileSync(file, 'utf8')).not.toContain(ROOT);
  }
});

test('packaging twice gives the same bytes', () => {
  const before = readFileSync(made('function-app.zip'));
  execFileSync(process.execPath, [path.join(ROOT, 'dist', 'infra', 'package', 'main.js')], { stdio: 'pipe' });
  expect(readFileSync(made('function-app.zip')).equals(before)).toBe(true);
});

test('the worker says by itself what it needs', () => {
  const start = path.join(dataProxy(), 'blockferry-data-proxy');
  expect(() =>
    execFileSync(start, { env: { PATH: '/usr/bin:/bin', BLOCKFERRY_NODE: '/nowhere/node' }, stdio: 'pipe' }),
  ).toThrow(/set BLOCKFERRY_NODE/);
  const bare = { PATH: '/usr/bin:/bin', BLOCKFERRY_NODE: process.execPath };
  expect(() => execFileSync(start, { env: bare, stdio: 'pipe' })).toThrow(/BLOCKFERRY_TENANT/);
});

test.each(['process', 'scale-set'] as const)(
  'unpacked, with the fleet %s: backup and restore, byte for byte',
  async (fleet) => {
    trial = await startTrial({
      fleet,
      packaged: { functionApp: app(), dataProxy: dataProxy() },
      machines: [{ name: 'vm1', disks: [{ lun: 'os', bytes: 24 * MIB }] }],
    });
    await trial.backup('vm1');
    const [point] = await trial.points('vm1');
    expect(await trial.restoredDigests(point?.id ?? '')).toEqual(trial.digests('vm1', ['os']));
    expect(await trial.leftovers()).toEqual(onlySnapshots(1));
  },
  120_000,
);

const made = (name: string): string => path.join(ROOT, 'dist', 'package', name);

function filesOf(below: string): string[] {
  return readdirSync(below, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => path.relative(below, path.join(entry.parentPath, entry.name)))
    .sort();
}
