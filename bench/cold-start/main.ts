/**
 * `node dist/bench/cold-start/main.js [--rounds 9] [--json]`: how long the function app takes until its functions are known, as it is
 * packaged and as it is built, in turns, beside a Node that loads nothing. Makes the package first. The last line of --json
 * is one object; ratios are of medians.
 */
import path from 'node:path';
import { parseArgs } from 'node:util';
import { sampleSettings } from '../kit/sample-settings';
import { run } from '../kit/shell';
import type { ColdStart } from './probe';

const ROOT = path.join(__dirname, '..', '..', '..');
const PROBE = path.join(__dirname, 'probe.js');

type Measured = Record<'wallMs' | 'cpuMs' | 'rssMib' | 'codeMib' | 'files' | 'functions', number>;

function main(): void {
  const { values } = parseArgs({
    options: { rounds: { type: 'string', default: '9' }, json: { type: 'boolean', default: false } },
  });
  const rounds = Number(values.rounds);
  run(process.execPath, [path.join(ROOT, 'dist', 'infra', 'package', 'main.js')]);
  const apps = { packaged: path.join(ROOT, 'dist', 'package', 'function-app'), built: ROOT };
  const starts: Record<keyof typeof apps, ColdStart[]> = { packaged: [], built: [] };
  const bare: number[] = [];
  for (let round = 0; round < rounds; round++) {
    for (const name of ['packaged', 'built'] as const) starts[name].push(coldStart(apps[name]));
    bare.push(Number(run(process.execPath, ['-e', 'console.log(performance.now())'])));
  }
  const packaged = middle(starts.packaged);
  const built = middle(starts.built);
  const bareMs = median(bare);
  const sdks = starts.packaged.flatMap(({ sdks: early }) => early);
  if (values.json) {
    const ratio = { wall: built.wallMs / packaged.wallMs, cpu: built.cpuMs / packaged.cpuMs };
    process.stdout.write(`${JSON.stringify({ rounds, packaged, built, bareMs, builtOverPackaged: ratio, sdks })}\n`);
    return;
  }
  process.stdout.write(
    [
      `| until ${packaged.functions} functions are registered (median of ${rounds}) | wall ms | CPU ms | RSS MiB | files | code MiB |`,
      '| --- | --- | --- | --- | --- | --- |',
      row('packaged', packaged),
      row('built, with node_modules', built),
      `| Node alone | ${bareMs.toFixed(0)} | | | | |`,
      `SDKs read before they are used: ${sdks.length === 0 ? 'none' : sdks.join(', ')}`,
      '',
    ].join('\n'),
  );
}

function coldStart(app: string): ColdStart {
  return JSON.parse(run(process.execPath, [PROBE, app], { env: sampleSettings(ROOT) })) as ColdStart;
}

function middle(starts: readonly ColdStart[]): Measured {
  const of = (name: keyof Measured): number => median(starts.map((start) => start[name]));
  return {
    functions: of('functions'),
    wallMs: of('wallMs'),
    cpuMs: of('cpuMs'),
    rssMib: of('rssMib'),
    files: of('files'),
    codeMib: of('codeMib'),
  };
}

const median = (values: readonly number[]): number =>
  [...values].sort((a, b) => a - b)[values.length >> 1] ?? Number.NaN;

const row = (name: string, { wallMs, cpuMs, rssMib, files, codeMib }: Measured): string =>
  `| ${name} | ${wallMs.toFixed(0)} | ${cpuMs.toFixed(0)} | ${rssMib.toFixed(0)} | ${files} | ${codeMib.toFixed(1)} |`;

main();
