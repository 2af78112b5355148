/** Completion: the right candidates, and scripts that shells can run and that never run what a name says. */
import { execFileSync, spawnSync } from 'node:child_process';
import { chmodSync, existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { commands } from '../../cli/commands';
import { candidatesFor, FILES } from '../../cli/completion';
import { completionScripts, shells } from '../../cli/completion-scripts';
import { findBuild } from '../../local/stack/layout';

const names = { vm: 'web-1', policy: 'gold', job: 'b-1', point: 'p-b-1' };
const lookUp = async (kind: keyof typeof names) => [{ value: names[kind], about: kind }];
const valuesFor = async (...words: string[]): Promise<string[]> => {
  const found = await candidatesFor(words, commands, lookUp);
  return found === FILES ? ['<files>'] : found.map(({ value }) => value);
};

test.each<[string[], string[]]>([
  [[''], ['vms', 'policy', 'jobs', 'restore', 'version']],
  [
    ['jobs', ''],
    ['list', 'show', 'watch', 'cancel'],
  ],
  [['jobs', 'show', ''], ['b-1']],
  [
    ['jobs', 'list', '--'],
    ['--status', '--vm', '--json', '--url', '--help', '--watch'],
  ],
  [
    ['jobs', 'list', '--status', ''],
    ['running', 'failed'],
  ],
  [['jobs', 'list', '--status='], ['running']],
  [['jobs', 'list', '--status', '=', 'ru'], ['running']],
  [['jobs', 'list', '--status', '='], ['running']],
  [['backup', 'run', '--watch', ''], ['web-1']],
  [['backup', 'run', 'web-1', ''], ['web-1']],
  [['policy', 'show', ''], ['gold']],
  [['points', 'show', ''], ['p-b-1']],
  [['completion', ''], [...shells]],
  [['vms', '--token-file', ''], ['<files>']],
])('after %j come %j', async (words, wanted) => {
  expect(await valuesFor(...words)).toEqual(expect.arrayContaining(wanted));
});

test('nothing is offered where nothing fits, and hidden commands never', async () => {
  expect(await valuesFor('jobs', 'show', 'b-1', '')).toEqual([]);
  expect(await valuesFor('nonsense', '')).toEqual([]);
  expect(await valuesFor('')).not.toEqual(expect.arrayContaining(['complete']));
});

describe('in shells', () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'blockferry-completion-'));
  const hostile = `$(touch ${folder}/ran) \`touch ${folder}/ran\` "; touch ${folder}/ran`;
  const environment = { PATH: `${folder}:${process.env['PATH']}`, HOME: folder, TERM: 'dumb' };
  const has = (shell: string): boolean => spawnSync(shell, ['--version']).status === 0;
  const shim = (script: string): void => {
    writeFileSync(path.join(folder, 'blockferry'), `#!/bin/sh\n${script}\n`);
    chmodSync(path.join(folder, 'blockferry'), 0o755);
  };
  beforeAll(() => {
    for (const shell of shells) writeFileSync(path.join(folder, shell), completionScripts[shell]);
    shim(`cat ${folder}/names`);
    writeFileSync(path.join(folder, 'names'), `${hostile}\tan evil name\nweb-1\tgood\n`);
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  const inBash = (words: string[]): string => {
    const list = words.map((word) => `'${word}'`).join(' ');
    const script = `source ${folder}/bash; COMP_WORDS=(${list}); COMP_CWORD=${words.length - 1}; _blockferry; printf '%s\\n' "\${COMPREPLY[@]}"`;
    return execFileSync('bash', ['--norc', '-c', script], { env: environment, encoding: 'utf8' });
  };
  // compadd and _files work inside the line editor only: what they would get is printed instead.
  const inZsh = (words: string[]): string => {
    const list = words.map((word) => `'${word}'`).join(' ');
    const script =
      `compdef() { }; compadd() { print -rl -- "\${(@P)@[-1]}" }; _files() { print files }; source ${folder}/zsh; ` +
      `words=(${list}); CURRENT=${words.length}; _blockferry`;
    return execFileSync('zsh', ['-f', '-c', script], { env: environment, encoding: 'utf8' });
  };
  const inFish = (line: string): string =>
    execFileSync('fish', ['--no-config', '-c', `source ${folder}/fish; complete -C '${line}'`], {
      env: environment,
      encoding: 'utf8',
    });

  test('bash: names are quoted and cut to what is typed; nothing of them runs', () => {
    expect(inBash(['blockferry', 'vms', 'w'])).toBe('web-1\n');
    expect(inBash(['blockferry', 'vms', ''])).toContain('\\$\\(touch\\ ');
    expect(existsSync(path.join(folder, 'ran'))).toBe(false);
  });

  (has('zsh') ? test : test.skip)('zsh: names come as they are; nothing of them runs', () => {
    expect(inZsh(['blockferry', 'vms', ''])).toBe(`${hostile}\nweb-1\n`);
    expect(existsSync(path.join(folder, 'ran'))).toBe(false);
  });

  (has('fish') ? test : test.skip)('fish: names with their remarks; nothing of them runs', () => {
    expect(inFish('blockferry vms w')).toBe('web-1\tgood\n');
    inFish('blockferry vms ');
    expect(existsSync(path.join(folder, 'ran'))).toBe(false);
  });

  test('the real program behind the scripts', async () => {
    const main = path.join(findBuild().dist, 'cli', 'main.js');
    shim(`exec '${process.execPath}' '${main}' "$@"`);
    expect(inBash(['blockferry', 'jobs', ''])).toBe('list\nshow\nwatch\nlog\ncancel\n');
    if (has('zsh')) expect(inZsh(['blockferry', 'jobs', ''])).toContain('list\nshow\nwatch\nlog\ncancel\n');
    if (has('fish')) expect(inFish('blockferry jobs w')).toBe('watch\tstay with a job to its end\n');
    if (has('fish')) expect(inFish('blockferry vms --token-file /etc/host')).toContain('/etc/hosts');
    expect(completionScripts.bash).toBe(
      execFileSync(path.join(folder, 'blockferry'), ['completion', 'bash'], { env: environment, encoding: 'utf8' }),
    );
  });
});
