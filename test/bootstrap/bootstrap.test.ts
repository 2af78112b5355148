/** One command sets up what it needs and nothing more. Run as a black box on a toy project. */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { lockfile, makeToyProject, type ToyProject } from './toy-project';

// Quiet: on Node 20 npm would warn of every package that wants Node 22.
const INSTALL = 'npm ci --ignore-scripts --no-fund --no-audit --loglevel=error';

let toy: ToyProject;
beforeEach(() => {
  toy = makeToyProject();
});
afterEach(() => toy.dispose());

test('a fresh clone is installed without install scripts, built, and the command gets its arguments', async () => {
  const run = await toy.run(['demo', '--json', 'x y']);
  expect(run.stdout).toBe('ran --json x y\n');
  expect(run.code).toBe(0);
  expect(toy.calls()).toEqual([INSTALL, 'tsc']);
});

test('nothing is installed or built a second time', async () => {
  await toy.run(['demo']);
  toy.calls();
  expect((await toy.run(['demo'])).stdout).toBe('ran\n');
  expect(toy.calls()).toEqual([]);
});

test('a changed lockfile installs again', async () => {
  await toy.run(['demo']);
  toy.calls();
  toy.write('package-lock.json', lockfile('1.0.1'));
  const run = await toy.run(['demo']);
  expect(run.stderr).toContain('node_modules/tool is 1.0.0, the lockfile says 1.0.1');
  expect(toy.calls()).toEqual([INSTALL, 'tsc']);
});

test('an interrupted install is seen', async () => {
  await toy.run(['demo']);
  toy.calls();
  toy.remove('node_modules/.package-lock.json');
  await toy.run(['demo']);
  expect(toy.calls()[0]).toMatch(/^npm ci/);
});

test('a changed source is built, and the compiled file of a removed source goes', async () => {
  await toy.run(['demo']);
  expect(toy.has('dist/functions/scheduler.js')).toBe(true);
  toy.calls();
  toy.remove('functions/scheduler.ts');
  toy.write('functions/backup.ts', '');
  await toy.run(['demo']);
  expect(toy.calls()).toEqual(['tsc']);
  expect(readdirSync(path.join(toy.root, 'dist', 'functions'))).toEqual(['backup.js']);
});

test('a compiled file that somebody deleted is made again', async () => {
  await toy.run(['demo']);
  toy.remove('dist/functions/scheduler.js');
  await toy.run(['demo']);
  expect(toy.has('dist/functions/scheduler.js')).toBe(true);
});

test('a signal during the install ends npm too, and the next run installs anew', async () => {
  toy.write('registry-is-slow', '');
  const run = await toy.run(['demo'], (line, pid) => {
    if (line === 'npm is at it') process.kill(pid, 'SIGTERM');
  });
  expect(run.code).toBe(143);
  const npm = Number(readFileSync(path.join(toy.root, 'npm.pid'), 'utf8'));
  expect(() => process.kill(npm, 0)).toThrow(/ESRCH/);
  expect(toy.has('.blockferry/bootstrap.lock')).toBe(false);
  toy.remove('registry-is-slow');
  expect((await toy.run(['demo'])).code).toBe(0);
});

test('a failed install says what is needed and runs nothing', async () => {
  toy.write('registry-is-down', '');
  const run = await toy.run(['demo']);
  expect(run.code).toBe(1);
  expect(run.stdout).toBe('');
  expect(run.stderr).toMatch(/could not install the packages.*registry/s);
  expect(run.stderr).not.toContain('    at ');
});

test('a failed build runs nothing, and is tried again', async () => {
  toy.write('functions/scheduler.ts', 'not a program');
  const failed = await toy.run(['demo']);
  expect(failed.code).toBe(1);
  expect(failed.stdout).toBe('');
  expect(failed.stderr).toContain('the build failed');
  expect((await toy.run(['demo'])).code).toBe(1);
  toy.write('functions/scheduler.ts', '');
  expect((await toy.run(['demo'])).code).toBe(0);
});

test('two at once install once, and both run', async () => {
  const runs = await Promise.all([toy.run(['demo', 'a']), toy.run(['demo', 'b'])]);
  expect(runs.map((run) => run.code)).toEqual([0, 0]);
  expect(toy.calls()).toEqual([INSTALL, 'tsc']);
});

test('a lock left behind by a killed set-up does not block', async () => {
  await toy.run(['demo']);
  // Larger than any process id of the platforms we run on.
  writeFileSync(path.join(toy.root, '.blockferry', 'bootstrap.lock'), '99999999');
  expect((await toy.run(['demo'])).code).toBe(0);
});

test('a folder that cannot be written to is named, without a stack trace', async () => {
  toy.write('.blockferry', 'a file, so that nobody, not even root, can write below it');
  const run = await toy.run(['demo']);
  expect(run.code).toBe(1);
  expect(run.stderr).toMatch(/^blockferry: cannot write to .*\.blockferry: /);
  expect(run.stderr).not.toContain('    at ');
  expect(toy.calls()).toEqual([]);
});

test('the exit code of the command is passed on', async () => {
  toy.write('local/demo/main.ts', 'process.exit(7);');
  expect((await toy.run(['demo'])).code).toBe(7);
});

test('SIGTERM reaches the command, whose exit code counts', async () => {
  toy.write(
    'local/demo/main.ts',
    "process.on('SIGTERM', () => process.exit(9)); console.log('up'); setInterval(() => {}, 1000);",
  );
  const run = await toy.run(['demo'], (line, pid) => {
    if (line === 'up') process.kill(pid, 'SIGTERM');
  });
  expect(run.code).toBe(9);
});

test.each([[[]], [['nonsense']], [['constructor']]])('%j is answered with the usage and exit code 2', async (args) => {
  const run = await toy.run(args);
  expect(run.code).toBe(2);
  expect(run.stderr).toContain('usage:');
  expect(toy.calls()).toEqual([]);
});
