/**
 * `npm run bench`: ours side by side with restic, borg and the limits of the machine, on the same images, in one run. Prints
 * the table; writes docs/performance.md and its picture; with --json ends with one JSON object.
 */
import { mkdirSync } from 'node:fs';
import path from 'node:path';
import { dataProxyNodeArgs } from '../shared/app/process-fleet';
import { type Image, type Images, makeImages, scales } from './images/recipe';
import { folderSize, remove, runFolder } from './kit/folders';
import { BenchError, measure, run } from './kit/shell';
import { ensureTools } from './kit/tools';
import { machineLimits } from './limits';
import { localityTable } from './locality-simulation';
import { type Options, parseOptions } from './options';
import type { IndexAnswer } from './ours/index-main';
import type { SparseAnswer } from './ours/sparse-main';
import { writeDocument } from './report/document';
import { summarize } from './report/figures';
import { describeMachine } from './report/machine';
import { textTable } from './report/table';
import { runRounds } from './rounds';

const ROOT = path.join(__dirname, '..', '..');
/** A quick run ends within ten minutes: no round begins that would end later than this. */
const QUICK_END_MS = 8 * 60 * 1000;
const FULL_END_MS = 90 * 60 * 1000;

async function main(): Promise<void> {
  const options = parseOptions(process.argv.slice(2), ROOT);
  const say = (line: string): void => {
    process.stderr.write(`bench: ${line}\n`);
  };
  if (process.platform !== 'linux') throw new BenchError('the bench runs on Linux only: it compares Debian packages');
  ensureTools(['perl', 'time', 'mke2fs', 'debugfs', 'mmdebstrap', 'zstd', 'restic', 'borg'], say);
  const scale = options.quick ? scales.quick : scales.full;
  mkdirSync(options.work, { recursive: true });
  const made = await makeImages(path.join(options.work, scale.name), path.join(options.work, 'trees'), scale, say);
  const { folder, medium } = runFolder(roomOf(made), options.work);
  mkdirSync(folder, { recursive: true });
  try {
    await compare(options, folder, medium, made, say);
  } finally {
    remove(folder);
  }
}

async function compare(options: Options, folder: string, medium: string, made: Images, say: (line: string) => void) {
  say(`images and repositories lie in ${medium}`);
  const images = stage(made, path.join(folder, 'images'));
  const machine = describeMachine(medium);
  say('the block index');
  const index = indexRun(path.join(folder, 'index'));
  say('a sparse disk of 32 TiB');
  const sparse = sparseRun(path.join(folder, 'sparse'), options.quick ? 128 : 512);
  const limits = machineLimits(images.vm1);
  const locality = localityTable(index.bytesPerBlock);
  const endMs = options.quick ? QUICK_END_MS : FULL_END_MS;
  const results = runRounds({ folder, images, roundsMax: options.rounds, endMs, say });
  const summary = summarize(results, sparse, index);
  const report = { machine, images, results, sparse, index, limits, locality, summary };
  process.stdout.write(`${textTable(report)}\n`);
  if (options.docs !== undefined) say(`written: ${writeDocument(options.docs, report).join(', ')}`);
  if (options.json) process.stdout.write(`${JSON.stringify(summary)}\n`);
}

/** Images beside the repositories, so that a hard link stands for a disk. */
function stage(images: Images, folder: string): Images {
  mkdirSync(folder, { recursive: true });
  const moved = (image: Image): Image => {
    const file = path.join(folder, `${image.name}.img`);
    run('cp', ['--sparse=always', image.file, file]);
    return { ...image, file };
  };
  return { vm1: moved(images.vm1), vm1g2: moved(images.vm1g2), vm1p1: moved(images.vm1p1), vm2: moved(images.vm2) };
}

/** The images once more, four repositories of about half of one, and one restored image. */
function roomOf(images: Images): number {
  const data = Object.values(images).map((image: Image) =>
    image.data.reduce((sum, { start, end }) => sum + end - start, 0),
  );
  return data.reduce((sum, bytes) => sum + bytes, 0) + 4 * (data[0] ?? 0);
}

function indexRun(folder: string): IndexAnswer {
  const program = path.join(__dirname, 'ours', 'index-main.js');
  measure(process.execPath, [program, folder, 'write']);
  const done = measure(process.execPath, [program, folder]);
  remove(folder);
  return JSON.parse(done.stdout) as IndexAnswer;
}

function sparseRun(folder: string, runs: number): SparseAnswer {
  const done = measure(process.execPath, [
    ...dataProxyNodeArgs,
    path.join(__dirname, 'ours', 'sparse-main.js'),
    folder,
    String(runs),
  ]);
  const { bytes } = folderSize(folder);
  remove(folder);
  const answer = JSON.parse(done.stdout) as SparseAnswer;
  if (bytes < answer.dataBytes / 4) throw new BenchError('the sparse disk was not stored');
  return { ...answer, rssMib: Math.max(answer.rssMib, done.rssMib) };
}

main().catch((error: unknown) => {
  if (!(error instanceof BenchError)) throw error;
  process.stderr.write(`bench: ${error.message}\n`);
  process.exitCode = 1;
});
