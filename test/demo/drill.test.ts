/**
 * kill -9 of host, data proxy and simulator in turn, in the middle of a backup: the jobs end right, every byte comes back,
 * nothing is left over. The whole demo as its users start it, from the build.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { findBuild } from '../../local/stack/layout';

const DEMO_MS_MAX = 240_000;
let folder: string;
const children: ChildProcess[] = [];

beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'blockferry-drill-'));
});
afterEach(() => {
  // Without its supervisor the rest of the stack ends by itself.
  for (const child of children.splice(0)) child.kill('SIGKILL');
  rmSync(folder, { recursive: true, force: true });
});

interface DemoRun {
  readonly code: number | null;
  readonly lines: readonly string[];
  readonly stderr: string;
}

/** `interruptAt`: Ctrl-C when this has been said. */
function runDemo(args: readonly string[], interruptAt?: RegExp): Promise<DemoRun> {
  const temporary = path.join(folder, 'tmp');
  mkdirSync(temporary, { recursive: true });
  const build = findBuild();
  const child = spawn(process.execPath, [path.join(build.dist, 'local', 'demo', 'main.js'), ...args], {
    cwd: folder,
    env: { ...process.env, INIT_CWD: folder, TMPDIR: temporary },
  });
  children.push(child);
  let stdout = '';
  let stderr = '';
  let interrupted = false;
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
    if (interruptAt?.test(stdout) && !interrupted) interrupted = child.kill('SIGINT');
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code) => resolve({ code, lines: stdout.split('\n').filter((line) => line !== ''), stderr }));
  });
}

test(
  'host, data proxy and simulator are killed in turn, and everything comes back as it was',
  async () => {
    const run = await runDemo(['--kill', 'all', '--json', '--state', path.join(folder, 'state')]);
    const messages = run.lines.map((line) => JSON.parse(line) as Readonly<Record<string, unknown>>);
    const summary = messages.at(-1);
    expect(summary).toMatchObject({
      type: 'summary',
      ok: true,
      problems: [],
      killed: ['host', 'proxy', 'cloud'],
      orphans: 0,
      leftovers: { snapshots: 7, activeAccesses: 0, dataProxies: 0, unfinishedDisks: 0, openUploads: 0 },
    });
    expect(summary?.['comparisons']).toHaveLength(6);
    expect(run.code).toBe(0);
  },
  DEMO_MS_MAX,
);

test.each([
  ['an empty file', '', /is empty/],
  ['a file of odd size', 'x'.repeat(1000), /1000 bytes.*truncate -s 20M/],
])('%s is refused with exit code 2, and nothing is started', async (_name, content, message) => {
  writeFileSync(path.join(folder, 'my.img'), content);
  const run = await runDemo(['--json', '--disk', 'my.img']);
  expect(run.code).toBe(2);
  expect(run.lines).toEqual([]);
  expect(run.stderr).toMatch(message);
  expect(run.stderr).not.toContain('    at ');
});

test.each([
  // So large that nobody could wait for the end of its copy.
  ['its disks are copied', 2 ** 42, /copying 1 file \(4\.0 TiB\)/],
  ['the stack starts', 20 * 2 ** 20, /1 VM with .* 1 data disk/],
  ['a backup runs', 20 * 2 ** 20, /"transferring"/],
])(
  'Ctrl-C while %s ends the demo and leaves nothing',
  async (_when, bytes, said) => {
    writeFileSync(path.join(folder, 'my.img'), 'boot');
    truncateSync(path.join(folder, 'my.img'), bytes);
    const run = await runDemo(['--json', '--disk', 'my.img'], said);
    expect(run.stderr).toBe('');
    expect(run.code).toBe(130);
    expect(readdirSync(path.join(folder, 'tmp'))).toEqual([]);
  },
  60_000,
);

test('a state folder in use, or none, is refused with exit code 2', async () => {
  writeFileSync(path.join(folder, 'file'), 'not a folder');
  for (const state of ['.', 'file']) {
    const run = await runDemo(['--json', '--state', state]);
    expect(run.code).toBe(2);
    expect(run.lines).toEqual([]);
    expect(run.stderr).toMatch(/is not empty|cannot be used/);
  }
  expect(readdirSync(folder).sort()).toEqual(['file', 'tmp']);
});

test.each([[['--nonsense']], [['--kill', 'me']], [['--disk', 'absent.img']]])('%j: exit code 2', async (args) => {
  const run = await runDemo(args);
  expect(run.code).toBe(2);
  expect(run.lines).toEqual([]);
});
