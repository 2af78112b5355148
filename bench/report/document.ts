/** docs/performance.md: written by the bench, whole, so that no figure in it can be older than another. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { lengthOf } from '../images/ranges';
import type { Image } from '../images/recipe';
import { picture } from './picture';
import { markdownTable, measuredRows, millions, type Report, targetRows } from './table';

const MIB = 1024 * 1024;
/** What people write about the figures is kept from one run to the next: everything from this heading on. */
const NOTES = '## What limits it';

/** Paths of the files that it wrote. */
export function writeDocument(folder: string, report: Report): string[] {
  mkdirSync(folder, { recursive: true });
  const [document, image] = [path.join(folder, 'performance.md'), path.join(folder, 'performance.svg')];
  writeFileSync(image, picture(report));
  writeFileSync(document, `${generated(report)}\n\n${notesOf(document)}`);
  return [document, image];
}

function notesOf(document: string): string {
  try {
    const text = readFileSync(document, 'utf8');
    const at = text.indexOf(NOTES);
    if (at >= 0) return text.slice(at);
  } catch {
    // The first run writes the document.
  }
  return `${NOTES}\n\nNothing has been noted yet.\n`;
}

function generated(report: Report): string {
  const { machine, images, results, sparse, index } = report;
  const [page] = results.answers.get('page ranges 1 %') ?? [];
  const [first] = results.answers.get('initial') ?? [];
  return `# Performance

Measured by \`npm run bench\`, which writes this page down to "What limits it". Every tool is measured as a whole process on the
same images in the same run, in ${results.rounds} interleaved rounds (A B A B); ratios are taken pair by pair, then their median.

* Machine: ${machine.cores} cores, ${machine.cpu}, ${machine.memoryGib} GiB, ${machine.system}; images and repositories in ${machine.medium}. Load average when it began: ${machine.load.toFixed(1)}${machine.load > machine.cores ? ' - **others were at work: read the CPU ratios, wall times prove little**' : ''}.
* Versions: ${machine.versions}.
* Ours: keyed BLAKE3 ids, AES-256-GCM, every pack decoded and compared before it is put, every restored block hashed; session, publish and point record included; a folder instead of S3.
* restic: repository version 2, \`--compression auto\` (its default). borg: \`repokey-blake2\`, \`fixed,1048576\`, \`zstd,1\`, \`--sparse\`. None of them syncs to a disk that counts.
* Not measured here: TLS and HTTP, real Azure, real S3.

![Wall times](performance.svg)

## Against the targets

${markdownTable(targetRows(report))}

## Measured

${markdownTable(measuredRows(report))}

Stored: what the case added to the repository. Initial: ${first?.puts} writes, ${first?.gets} reads, ${first?.lists} listings; no request for single
blocks. Page ranges: ${mib(page?.readBytes)} MiB read for ${mib(page?.changedBytes)} MiB of changed blocks and ${mib(page?.auditBytes)} MiB of audit, ${page?.puts} writes, ${seconds(page?.workS)} s
of work in the proxy (the process as a whole takes longer: it has to start).

A sparse disk of 32 TiB (${sparse.windows} windows, ${mib(sparse.dataBytes)} MiB of data): ${sparse.workS.toFixed(1)} s, peak ${sparse.rssMib.toFixed(0)} MiB.

## Images

One Debian image, aged in place (\`bench/images/recipe.ts\`): unchanged files keep their blocks, as on a disk.

${markdownTable([['image', 'size MiB', 'data MiB', 'changed against vm1, MiB'], ...Object.values(images).map(imageRow)])}

## Limits of this machine, for each second of a core

${markdownTable([['operation', 'MiB/s'], ...Object.entries(report.limits).map(([name, value]) => [LIMIT_NAMES[name] ?? name, value.toFixed(0)])])}

## The index

${(index.blocks / 1e6).toFixed(1)} M blocks: ${index.bytesPerBlock.toFixed(1)} bytes a block, ${millions(index.hitsPerSecond)} hits and ${millions(index.missesPerSecond)} misses a second on one core;
rebuilt from index segments in ${index.rebuildS.toFixed(1)} s with a peak of ${index.rebuildRssMib.toFixed(0)} MiB.

Locality sampling, simulated (\`bench/locality-simulation.ts\`): only every 64th id is kept; repeated data that is stored twice because of
it, against the full index, by the mean length of a repeated run.

${markdownTable(localityRows(report))}`;
}

const LIMIT_NAMES: Readonly<Record<string, string>> = {
  copy: 'memory copy',
  blake3: 'keyed BLAKE3 of 64 KiB',
  aesGcm: 'AES-256-GCM of 1 MiB',
  zstd1: 'zstd 1 of 1 MiB',
  zstd3: 'zstd 3 of 1 MiB',
  unzstd: 'zstd decompression',
};

const mib = (bytes: number | undefined): string => ((bytes ?? 0) / MIB).toFixed(1);
const seconds = (value: number | undefined): string => (value ?? 0).toFixed(2);

function imageRow({ name, bytes, data, changed }: Image): string[] {
  return [
    name,
    (bytes / MIB).toFixed(0),
    mib(lengthOf(data)),
    changed.length === 0 ? '' : `${mib(lengthOf(changed))} in ${changed.length} ranges`,
  ];
}

function localityRows({ locality }: Report): string[][] {
  const runs = locality[0]?.lost ?? [];
  const head = [
    'unique data',
    'full index GiB',
    'hooks GiB',
    ...runs.map(({ runBlocks }) => `lost, runs of ${(runBlocks * 65_536) / MIB} MiB`),
    'segment reads a GiB repeated',
  ];
  return [
    head,
    ...locality.map(({ size, fullGib, hooksGib, lost }) => [
      ...[size, fullGib.toFixed(1), hooksGib.toFixed(2)],
      ...lost.map(({ share }) => `${(share * 100).toFixed(1)} %`),
      lost.map(({ loadsPerGib }) => loadsPerGib.toFixed(0)).join(' / '),
    ]),
  ];
}
