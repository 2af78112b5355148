/** The command line against the whole embedded stack, over real HTTP: every command that reaches the API, its lines judged by the published schema. */
import { execFile } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import Ajv2020, { type ValidateFunction } from 'ajv/dist/2020';
import { commands } from '../../cli/commands';
import { outputSchema } from '../../cli/commands/schema';
import { openRepositoryFor } from '../../cli/repository';
import { findBuild } from '../../local/stack/layout';
import { silentLogger } from '../../shared/base/logger';
import { type CliRun, cli } from '../helpers/cli-harness';
import { startTrial, type Trial } from '../stack/harness';
import { MIB } from '../stack/images';

let trial: Trial;
let environment: Readonly<Record<string, string | undefined>>;
let folder: string;
const used = new Set<string>();
const ajv = new Ajv2020({ strict: false });
const schema = outputSchema(commands) as { readonly $defs: Readonly<Record<string, object>> };
const validators = new Map<string, ValidateFunction>(
  Object.entries(schema.$defs).map(([name, definition]) => [name, ajv.compile(definition)]),
);

beforeAll(async () => {
  folder = mkdtempSync(path.join(tmpdir(), 'blockferry-cli-stack-'));
  trial = await startTrial({
    machines: [
      { name: 'web', tags: { backup: 'gold', note: '\u001b[31m<b>=1+1' }, disks: [{ lun: 'os', bytes: 24 * MIB }] },
      { name: 'bare', disks: [{ lun: 'os', bytes: 8 * MIB }] },
    ],
  });
  const { url = '', functionKey = '' } = trial.stack.api ?? {};
  environment = { HOME: folder, BLOCKFERRY_URL: `${url}/api`, BLOCKFERRY_KEY: `x-functions-key: ${functionKey}` };
}, 90_000);
afterAll(async () => {
  await trial.stop();
  rmSync(folder, { recursive: true });
}, 30_000);

const run = (words: string, options: { stdin?: string } = {}): Promise<CliRun> =>
  cli(words.split(' '), {
    environment,
    nowMs: Date.now,
    sleep: (ms) => new Promise((resolve) => setTimeout(resolve, Math.min(ms, 200))),
    ...options,
  });

/** With `--json`: each line is one that the schema of the command knows. */
async function lines(words: string, options: { stdin?: string; exitCode?: number } = {}) {
  const name = commands.find((command) => words === command.name || words.startsWith(`${command.name} `))?.name ?? '';
  const { lines: said, exitCode, stderr } = await run(`${words} --json`, options);
  const wanted = options.exitCode ?? 0;
  if (exitCode !== wanted || stderr !== '') {
    throw new Error(`${words}: ended with ${exitCode}, not ${wanted}: ${stderr}${JSON.stringify(said.at(-1))}`);
  }
  const validate = validators.get(name);
  for (const line of said)
    expect({ line, valid: validate?.(line), errors: validate?.errors }).toMatchObject({ valid: true });
  used.add(name);
  return said;
}

const policy = 'name: gold\ninclude: { tags: [{ tag: backup, value: gold }] }\nschedule: { cron: "0 0 2 * * *" }\n';

test('from a policy file to a restored disk, in lines of JSON', async () => {
  expect(await lines('policy list')).toEqual([]);
  expect(await lines('policy apply - --dry-run', { stdin: policy })).toMatchObject([
    { outcome: 'created', dryRun: true },
  ]);
  expect(await lines('policy list')).toEqual([]);
  expect(await lines('policy apply -', { stdin: policy })).toMatchObject([{ name: 'gold', outcome: 'created' }]);
  expect(await lines('policy apply -', { stdin: policy })).toMatchObject([{ outcome: 'unchanged' }]);
  expect(await lines('policy show gold')).toMatchObject([{ name: 'gold', enabled: true }]);
  expect(await lines('policy run gold --dry-run')).toMatchObject([{ type: 'wouldStart', vmName: 'web' }]);
  const ran = await lines('policy run gold --watch');
  expect(ran.at(0)).toMatchObject({ type: 'started', vmName: 'web' });
  expect(ran.at(-1)).toMatchObject({ type: 'job', status: 'succeeded' });
  const jobId = String(ran.at(0)?.['jobId']);

  expect(await lines('jobs list --status succeeded --vm web')).toMatchObject([{ id: jobId }]);
  expect(await lines(`jobs show ${jobId}`)).toMatchObject([{ id: jobId, progress: { percent: 100 } }]);
  expect((await lines(`jobs watch ${jobId}`)).at(-1)).toMatchObject({ status: 'succeeded' });
  const log = (await lines(`jobs log ${jobId} --follow`)).map(({ message }) => message);
  expect(log.at(0)).toBe('phase: snapshotting');
  expect(log).toEqual(expect.arrayContaining(['phase: verifying', expect.stringMatching(/^disk os, window 0 done: /)]));
  // Reports of data proxies come through a queue of their own and may arrive after the job has ended.
  expect(log).toContain('ended: succeeded');

  const [point] = await lines('points list --vm web');
  expect(await lines(`points show ${point?.['id']}`)).toMatchObject([{ vmName: 'web', disks: [{ lun: 'os' }] }]);
  expect(await lines('vms')).toMatchObject([{ name: expect.any(String) }, { name: expect.any(String) }]);
  expect(await lines('restore image latest --vm web --dry-run')).toMatchObject([{ type: 'planned', vmName: 'web' }]);
  const restored = await lines('restore image latest --vm web --watch');
  expect(restored.at(-1)).toMatchObject({ type: 'job', kind: 'restore', status: 'succeeded' });
  const disk = await lines(`restore disk ${point?.['id']} --resource-group restored --prefix again --watch`);
  expect(disk.at(-1)).toMatchObject({ status: 'succeeded', targets: [{ lun: 'os' }] });
}, 180_000);

test('what no rule keeps is given up, can be had back, and a hold keeps it', async () => {
  await lines('policy run gold --watch');
  const [newest, older] = (await lines('points list --vm web')).map(({ id }) => String(id));
  const verdicts = async () => (await lines('prune --vm web')).map(({ pointId, reasons }) => [pointId, reasons]);
  const all = [
    [newest, ['last', 'newest']],
    [older, ['last']],
  ];
  expect(await verdicts()).toEqual(all);
  expect(await lines('prune --vm web --keep-last 1')).toMatchObject([
    { pointId: newest },
    { pointId: older, reasons: [] },
  ]);
  expect(await lines('policy apply -', { stdin: `${policy}retention: { keepLast: 1 }\n` })).toMatchObject([
    { outcome: 'replaced' },
  ]);
  expect(await verdicts()).toEqual([all[0], [older, []]]);
  expect(await lines('points list --vm web')).toHaveLength(2);

  expect(await lines('prune --run')).toMatchObject([{ expired: 1, collection: { outcome: 'nothing', livePoints: 1 } }]);
  expect(await lines('points list --vm web')).toMatchObject([{ id: newest }]);
  expect(await trial.sessionState(older?.slice('p-'.length) ?? '')).toBe('EXPIRED');
  expect((await run('prune --run --keep-last 1')).exitCode).toBe(2);

  // What a person does in the buckets, with the settings of the app, is found by the next run.
  const inTheBuckets = { environment: { ...environment, ...trial.stack.settings } };
  expect((await cli(['points', 'undo-expire', older ?? ''], inTheBuckets)).exitCode).toBe(0);
  expect((await cli(['points', 'hold', older ?? '', '--reason', 'case 12'], inTheBuckets)).exitCode).toBe(0);
  expect(await lines('prune --run')).toMatchObject([{ expired: 0, returned: 1 }]);
  expect(await lines(`points show ${older}`)).toMatchObject([{ hold: { reason: 'case 12' } }]);
  expect(await verdicts()).toEqual([all[0], [older, ['hold']]]);
}, 180_000);

test('status says by its exit code that a VM is bare; metrics and coverage agree', async () => {
  // The janitor has its first round minutes after the start; until then nothing is called protected.
  const status = await lines('status --all', { exitCode: 5 });
  expect(status.find(({ vmName }) => vmName === 'bare')).toMatchObject({ state: 'unprotected' });
  const coverage = await lines('coverage', { exitCode: 5 });
  expect(coverage.find(({ vmName }) => vmName === 'web')).toMatchObject({ policies: ['gold'] });
  const people = await run('status --all');
  expect(people.stdout).toContain('no enabled policy selects it');
}, 60_000);

test('a backup that is canceled ends with exit code 1; a second one beside it is a conflict', async () => {
  expect(await lines('backup run bare --dry-run')).toMatchObject([{ type: 'wouldStart', disks: [{ lun: 'os' }] }]);
  const [started] = await lines('backup run bare');
  const second = await run('backup run bare --json');
  const canceled = await run(`jobs cancel ${started?.['jobId']} --json`);
  const end = await run(`jobs watch ${started?.['jobId']} --json`);
  // The job may have been faster than we: then it could no longer be canceled, and says so.
  if (canceled.exitCode === 0) expect([0, 1]).toContain(end.exitCode);
  else expect(JSON.parse(canceled.stderr)).toMatchObject({ type: 'error', code: 'job.ended', exitCode: 11 });
  if (second.exitCode !== 0) expect(JSON.parse(second.stderr)).toMatchObject({ code: 'job.running', exitCode: 11 });
  used.add('jobs cancel');
}, 60_000);

test.each([
  ['jobs show b-unknown-1', 4, 'nothing'],
  ['points show p-unknown-1', 4, 'nothing'],
  ['backup run nowhere', 4, 'vm.not-found'],
  ['policy delete gold', 2, 'usage'],
  ['jobs list --limit 0', 2, 'usage'],
])('%s ends with %i, and its error is a line of the published schema', async (words, exitCode) => {
  const { stderr, stdout, ...ended } = await run(`${words} --json`);
  expect(ended.exitCode).toBe(exitCode);
  expect(stdout).toBe('');
  expect(validators.get('error')?.(JSON.parse(stderr))).toBe(true);
});

test('a wrong key is denied, an absent API is unreachable, neither shows the key', async () => {
  const wrong = await cli(['vms'], { environment: { ...environment, BLOCKFERRY_KEY: 'wrong-secret-key' } });
  expect(wrong.exitCode).toBe(12);
  const absent = await cli(['vms'], { environment: { ...environment, BLOCKFERRY_URL: 'http://127.0.0.1:9/api' } });
  expect(absent.exitCode).toBe(10);
  for (const { stdout, stderr } of [wrong, absent]) {
    expect(stdout + stderr).not.toContain('secret-key');
    expect(stderr).toMatch(/^blockferry: /);
  }
});

test('login keeps a profile that works, from stdin', async () => {
  const { BLOCKFERRY_URL: url = '', BLOCKFERRY_KEY: key = '' } = environment;
  const home = { HOME: folder };
  expect((await cli(['login', '--url', url], { environment: home, stdin: 'wrong\n' })).exitCode).toBe(12);
  expect((await cli(['login', '--url', url], { environment: home, stdin: `${key}\n` })).exitCode).toBe(0);
  expect((await cli(['vms', '--json'], { environment: home })).lines).toHaveLength(2);
});

test('a copy of the buckets is opened without the API', async () => {
  const golden = path.join(__dirname, '..', 'golden', 'v1');
  const copy = path.join(folder, 'copy');
  mkdirSync(copy);
  for (const part of ['data', 'control']) cpSync(path.join(golden, part), path.join(copy, part), { recursive: true });
  const flags = { data: path.join(copy, 'data'), control: path.join(copy, 'control') };
  const escrowKey = path.join(golden, 'escrow-private.pem');
  await expect(openRepositoryFor({ ...flags, escrowKey }, {}, silentLogger)).rejects.toThrow(/--tenant/);
  const repository = await openRepositoryFor({ ...flags, escrowKey, tenant: 'acme' }, {}, silentLogger);
  expect(repository.tenant).toBe('acme');
  const other = path.join(folder, 'other.hex');
  writeFileSync(other, '00'.repeat(32), { mode: 0o600 });
  await expect(
    openRepositoryFor({ ...flags, rootKeyFile: other, tenant: 'acme' }, {}, silentLogger),
  ).rejects.toMatchObject({ code: 'key.wrong' });
});

test('Ctrl-C on the real program ends with 130 and leaves the job alone', async () => {
  const [started] = await lines('backup run web');
  const program = path.join(findBuild().dist, 'cli', 'main.js');
  const child = execFile(process.execPath, [program, 'jobs', 'list', '--watch', '--interval', '0.2'], {
    env: { ...environment },
  });
  await new Promise((resolve) => child.stdout?.once('data', resolve));
  const ended = new Promise<number | null>((resolve) => child.once('exit', resolve));
  child.kill('SIGINT');
  expect(await ended).toBe(130);
  expect((await lines(`jobs watch ${started?.['jobId']}`)).at(-1)).toMatchObject({ status: 'succeeded' });
}, 60_000);

test('a policy goes by its name, said twice', async () => {
  expect(await lines('policy delete gold --confirm gold')).toEqual([{ type: 'deleted', name: 'gold' }]);
  expect(await lines('policy list')).toEqual([]);
});

test('every command that reaches the API was used here', () => {
  const reaching = commands.filter(({ reach, hidden }) => reach?.includes('api') && !hidden).map(({ name }) => name);
  expect(reaching.filter((name) => !used.has(name))).toEqual([]);
});
