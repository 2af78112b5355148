/**
 * A project small enough to set up in milliseconds: the real bootstrap scripts, an npm that only writes what an install
 * leaves behind, and a compiler that copies. Both note each call in calls.txt.
 */
import { spawn } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

const REAL_ROOT = path.resolve(__dirname, '..', '..');

const FAKE_NPM = `
const fs = require('node:fs');
fs.appendFileSync('calls.txt', 'npm ' + process.argv.slice(2).join(' ') + '\\n');
if (fs.existsSync('registry-is-slow')) {
  process.on('SIGTERM', () => {});
  fs.writeFileSync('npm.pid', String(process.pid));
  process.stderr.write('npm is at it\\n');
  setInterval(() => {}, 1000);
  return;
}
if (fs.existsSync('registry-is-down')) process.exit(1);
fs.rmSync('node_modules', { recursive: true, force: true });
Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 100);
fs.mkdirSync('node_modules/typescript/bin', { recursive: true });
fs.mkdirSync('node_modules/tool', { recursive: true });
fs.writeFileSync('node_modules/tool/package.json', '{}');
fs.writeFileSync('node_modules/typescript/bin/tsc', fs.readFileSync('fake-tsc.js'));
const lock = JSON.parse(fs.readFileSync('package-lock.json', 'utf8'));
delete lock.packages[''];
delete lock.packages['node_modules/elsewhere'];
fs.writeFileSync('node_modules/.package-lock.json', JSON.stringify(lock));
`;

const FAKE_TSC = `
const fs = require('node:fs'), path = require('node:path');
fs.appendFileSync('calls.txt', 'tsc\\n');
for (const folder of ['functions', 'local']) for (const name of fs.readdirSync(folder, { recursive: true })) {
  if (!name.endsWith('.ts')) continue;
  const source = fs.readFileSync(path.join(folder, name), 'utf8');
  if (source.includes('not a program')) process.exit(2);
  const output = path.join('dist', folder, name.replace(/ts$/, 'js'));
  fs.mkdirSync(path.dirname(output), { recursive: true });
  fs.writeFileSync(output, source);
}
`;

export interface ToyRun {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface ToyProject {
  readonly root: string;
  /** Runs `node local/bootstrap.mjs ...args` to its end; `onLine` gets each line with the bootstrap's pid. */
  run(args: readonly string[], onLine?: (line: string, pid: number) => void): Promise<ToyRun>;
  write(file: string, text: string): void;
  remove(file: string): void;
  has(file: string): boolean;
  /** What npm and the compiler were asked to do since the last look. */
  calls(): string[];
  dispose(): void;
}

export function makeToyProject(): ToyProject {
  const root = mkdtempSync(path.join(tmpdir(), 'blockferry-toy-'));
  const write = (file: string, text: string): void => {
    mkdirSync(path.dirname(path.join(root, file)), { recursive: true });
    writeFileSync(path.join(root, file), text);
  };
  mkdirSync(path.join(root, 'local'));
  cpSync(path.join(REAL_ROOT, 'local', 'bootstrap.mjs'), path.join(root, 'local', 'bootstrap.mjs'));
  cpSync(path.join(REAL_ROOT, 'local', 'bootstrap'), path.join(root, 'local', 'bootstrap'), { recursive: true });
  write('fake-npm.js', FAKE_NPM);
  write('fake-tsc.js', FAKE_TSC);
  write('tsconfig.json', '{}');
  write('package.json', '{"type":"commonjs"}');
  write('package-lock.json', lockfile('1.0.0'));
  write('functions/scheduler.ts', '');
  write('local/demo/main.ts', "console.log(['ran', ...process.argv.slice(2)].join(' '));");
  return {
    root,
    write,
    run: (args, onLine) => runBootstrap(root, args, onLine),
    remove: (file) => rmSync(path.join(root, file)),
    has: (file) => existsSync(path.join(root, file)),
    calls: () => {
      const file = path.join(root, 'calls.txt');
      const lines = existsSync(file) ? readFileSync(file, 'utf8').trim().split('\n') : [];
      rmSync(file, { force: true });
      return lines;
    },
    dispose: () => rmSync(root, { recursive: true, force: true }),
  };
}

/** A lockfile with one tool and one optional package of another platform. */
export function lockfile(toolVersion: string): string {
  return JSON.stringify({
    lockfileVersion: 3,
    packages: {
      '': { devDependencies: { tool: toolVersion }, optionalDependencies: { elsewhere: '1.0.0' } },
      'node_modules/tool': { version: toolVersion },
      'node_modules/elsewhere': { version: '1.0.0', optional: true },
    },
  });
}

function runBootstrap(
  root: string,
  args: readonly string[],
  onLine: ((line: string, pid: number) => void) | undefined,
): Promise<ToyRun> {
  const child = spawn(process.execPath, ['local/bootstrap.mjs', ...args], {
    cwd: root,
    env: { ...process.env, npm_execpath: path.join(root, 'fake-npm.js') },
  });
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
    for (const line of text.split('\n')) if (line && child.pid) onLine?.(line, child.pid);
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
    for (const line of text.split('\n')) if (line && child.pid) onLine?.(line, child.pid);
  });
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code) => resolve({ code, stdout, stderr }));
  });
}
