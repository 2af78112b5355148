/** What the frame does for every command: values judged, errors with an exit code and a way out, text that cannot do harm. */
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { z } from 'zod';
import { CliError } from '../../cli/cli-error';
import { defineCommand } from '../../cli/command';
import { findConnection } from '../../cli/connection';
import { exitCodes } from '../../cli/exit-codes';
import { profilePath, readProfiles, writeProfile } from '../../cli/profiles';
import { progressLine } from '../../cli/progress';
import { bytes, duration } from '../../cli/text';
import { AppError, type ErrorCode } from '../../shared/model/errors';
import { cli } from '../helpers/cli-harness';

const HOSTILE = '<img src=x onerror=1>\u001b[31m\u009b2J\r\nforged \u202etxt.exe =1+1';

const probe = defineCommand({
  name: 'probe',
  summary: 'for tests',
  examples: [{ run: 'blockferry probe', does: 'nothing' }],
  arguments: { name: { usage: '[name]', says: 'a name', value: z.string().default('none') } },
  options: {
    count: { flags: '--count <n>', says: 'how many', value: z.coerce.number().int().min(1).default(1) },
    fail: { flags: '--fail <code>', says: 'how to fail', value: z.string().optional() },
  },
  watchable: true,
  lines: { thing: z.object({ name: z.string(), size: z.number() }), progress: progressLine },
  run: async ({ args, options, out }) => {
    if (options.fail !== undefined) throw new AppError(options.fail as ErrorCode, 'something in detail');
    out.step({ what: 'working', doneBytes: 1, totalBytes: 4, bytesPerSecond: 1, etaSeconds: 3 });
    out.note('beside the result');
    const items = Array.from({ length: options.count }, (_, index) => ({
      name: args.name,
      size: index,
      extra: 'dropped',
    }));
    out.rows(
      'thing',
      items,
      [
        { title: 'NAME', of: ({ name }) => name },
        { title: 'SIZE', of: ({ size }) => size, align: 'right' },
      ],
      'none',
    );
    return options.count > 2 ? 'partial' : undefined;
  },
});
const run = (words: string[], options = {}) => cli(['probe', ...words], { commands: [probe], ...options });

test('people get a table, notes and progress beside it', async () => {
  expect(await run(['web', '--count', '2'])).toMatchObject({
    exitCode: 0,
    stdout: 'NAME  SIZE\nweb      0\nweb      1\n',
    stderr: 'working  25 %  1 B of 4 B  1 B/s  3 s left\nbeside the result\n',
  });
  expect((await run(['web', '--quiet'])).stderr).toBe('');
});

test('programs get a line each, of the declared fields only', async () => {
  const { lines, stderr } = await run(['web', '--json']);
  expect(lines).toEqual([
    { type: 'progress', what: 'working', doneBytes: 1, totalBytes: 4, bytesPerSecond: 1, etaSeconds: 3 },
    { type: 'thing', name: 'web', size: 0 },
  ]);
  expect(stderr).toBe('');
});

test('names are text: no control character, no second line, in tables and in JSON', async () => {
  const table = await run([HOSTILE]);
  expect(table.stdout.trimEnd().split('\n')).toHaveLength(2);
  expect(table.stdout).toContain('<img src=x onerror=1>\\u001b[31m\\u009b2J\\u000d\\u000aforged \\u202etxt.exe =1+1');
  const json = await run([HOSTILE, '--json']);
  expect(json.lines.at(-1)?.['name']).toBe(HOSTILE);
  for (const { stdout, stderr } of [table, json]) expect(stdout + stderr).not.toMatch(/[^\n\P{Cc}]|\u202e/u);
});

test('a terminal gets a bar and colours, NO_COLOR and pipes get none; columns give way to the width', async () => {
  const wide = await run(['x'.repeat(80)], { terminal: 40 });
  expect(wide.stdout).toContain('\u001b[1m');
  expect(wide.stdout).toContain('…');
  expect(wide.stderr).toContain('[######..................] working');
  const plain = await run(['x'], { terminal: 40, environment: { HOME: '/nonexistent', NO_COLOR: '1' } });
  expect(plain.stdout).not.toContain('\u001b');
});

test('a wrong value names its flag, exit code 2; the exit of a command is kept', async () => {
  const wrong = await run(['--count', '0']);
  expect(wrong.exitCode).toBe(2);
  expect(wrong.stderr).toContain('--count <n>:');
  expect((await run(['--count', '3'])).exitCode).toBe(exitCodes.partial.code);
});

test.each([
  ['key.wrong', 12],
  ['store.denied', 12],
  ['pack.corrupt', 13],
  ['record.not-found', 4],
  ['request.conflict', 11],
  ['cloud.throttled', 10],
  ['config.invalid', 2],
  ['snapshot.failed', 1],
])('%s ends with %i, in words and as one line of JSON', async (code, exitCode) => {
  const people = await run(['--fail', code]);
  expect(people.exitCode).toBe(exitCode);
  expect(people.stderr).toMatch(/^blockferry: something in detail/);
  const programs = await run(['--fail', code, '--json']);
  expect(JSON.parse(programs.stderr)).toMatchObject({ type: 'error', code, exitCode, message: 'something in detail' });
  expect(programs.stdout).toBe('');
});

test('--watch runs again until it is interrupted', async () => {
  const stop = new AbortController();
  let rounds = 0;
  const sleep = async (): Promise<void> => {
    rounds += 1;
    if (rounds === 3) stop.abort();
  };
  const { stdout, exitCode } = await run(['--watch', '--json'], { signal: stop.signal, sleep });
  expect(stdout.match(/"thing"/g)).toHaveLength(3);
  expect(exitCode).toBe(130);
});

test('an interrupted command ends with 130 whatever it threw', async () => {
  const stop = AbortSignal.abort();
  expect((await run(['--fail', 'snapshot.failed'], { signal: stop })).exitCode).toBe(130);
});

describe('where the API is', () => {
  const home = mkdtempSync(path.join(tmpdir(), 'blockferry-cli-'));
  const environment = { HOME: home };
  afterAll(() => rmSync(home, { recursive: true }));

  test('nothing configured says what to do', async () => {
    const { exitCode, stderr } = await cli(['vms'], { environment });
    expect(exitCode).toBe(2);
    expect(stderr).toContain('blockferry login --url');
  });

  test('a profile is kept with mode 600, and refused with any other', async () => {
    await writeProfile(environment, 'default', { url: 'https://a.example/api', key: 'secret-key' });
    await writeProfile(environment, 'other', { url: 'https://b.example/api', scope: 'api://x/.default' });
    expect(Object.keys(await readProfiles(environment))).toEqual(['default', 'other']);
    expect(statSync(profilePath(environment)).mode & 0o777).toBe(0o600);
    expect(await findConnection({}, environment)).toEqual({
      url: 'https://a.example/api',
      credential: { kind: 'key', key: 'secret-key' },
    });
    expect((await findConnection({ profile: 'other' }, environment)).credential.kind).toBe('azure-cli');
    writeFileSync(profilePath(environment), '{}');
    require('node:fs').chmodSync(profilePath(environment), 0o644);
    await expect(findConnection({}, environment)).rejects.toMatchObject({ exit: 'denied' });
  });

  test('what `npm start` prints can be used as it is; a key never leaves in clear', async () => {
    const printed = {
      HOME: '/nonexistent',
      BLOCKFERRY_URL: 'http://127.0.0.1:7071/api',
      BLOCKFERRY_KEY: 'x-functions-key: abc',
    };
    expect(await findConnection({}, printed)).toEqual({
      url: 'http://127.0.0.1:7071/api',
      credential: { kind: 'key', key: 'abc' },
    });
    for (const url of ['http://example.com/api', 'ftp://127.0.0.1', 'https://u:p@example.com/api', 'x']) {
      await expect(findConnection({ url }, printed)).rejects.toBeInstanceOf(CliError);
    }
  });
});

test('figures read well', () => {
  expect([0, 1023, 1024, 1536, 64 * 1024 ** 2, 1.5 * 1024 ** 4].map(bytes)).toEqual([
    '0 B',
    '1023 B',
    '1 KiB',
    '1.5 KiB',
    '64 MiB',
    '1.5 TiB',
  ]);
  expect([0, 59, 60, 200, 7500, 360_000].map(duration)).toEqual([
    '0 s',
    '59 s',
    '1 min',
    '3 min 20 s',
    '2 h 5 min',
    '4 d 4 h',
  ]);
});
