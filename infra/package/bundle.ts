/**
 * An entry and all that it requires as one file, and the cloud SDKs in files beside it (`sdks.ts`). The input is the compiled
 * CommonJS, not the sources: there each module stays a function that runs at its first `require`.
 */
import { cp, mkdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { build, type Metafile, type Plugin } from 'esbuild';
import type { PackagePlaces } from './places';
import { SDK_FILES, sdksApart, sdkText } from './sdks';

/** Packages with machine code: a bundle cannot hold it. Each brings the code for the platform that it was installed on. */
const NATIVE = ['@napi-rs/blake-hash'];

/** The worker of the Functions platform offers this module itself. */
const OF_THE_PLATFORM = ['@azure/functions-core'];

export interface Bundle {
  readonly bytes: number;
  /** Names of the npm packages that went in. */
  readonly packages: readonly string[];
}

/**
 * Writes each of `entries` (file name to code) into `folder`, and the SDKs beside them. An entry requires by paths relative to the
 * build. Compute threads start the bundle's own file again (they are threads of the same code), so the entry says what a
 * thread runs.
 */
export async function bundle(
  places: PackagePlaces,
  entries: Readonly<Record<string, string>>,
  folder: string,
): Promise<Bundle> {
  const own = Object.entries(entries).map(([file, text]) =>
    oneFile(places, text, path.join(folder, file), [sdksApart]),
  );
  const sdks = Object.entries(SDK_FILES).map(([file, names]) =>
    oneFile(places, sdkText(names), path.join(folder, file), []),
  );
  const made = await Promise.all([...own, ...sdks]);
  return {
    bytes: made.reduce((sum, { bytes }) => sum + bytes, 0),
    packages: [...new Set(made.flatMap(({ packages }) => packages))].sort(),
  };
}

async function oneFile(places: PackagePlaces, text: string, outfile: string, plugins: Plugin[]): Promise<Bundle> {
  const result = await build({
    stdin: { contents: text, resolveDir: places.build, loader: 'js', sourcefile: 'entry.js' },
    outfile,
    plugins,
    bundle: true,
    platform: 'node',
    target: 'node22',
    format: 'cjs',
    minify: true,
    // Stack traces in a log are read by people.
    keepNames: true,
    legalComments: 'none',
    external: [...NATIVE, ...OF_THE_PLATFORM],
    metafile: true,
    logLevel: 'error',
    absWorkingDir: places.root,
  });
  const bytes = Object.values(result.metafile.outputs).reduce((sum, output) => sum + output.bytes, 0);
  return { bytes, packages: packagesOf(result.metafile) };
}

/** An entry that runs `entries` on the main thread and serves as a compute thread on every other. */
export const entryText = (entries: readonly string[]): string =>
  [
    `'use strict';`,
    `if (require('node:worker_threads').isMainThread) {`,
    ...entries.map((entry) => `  require('./${entry}');`),
    `} else {`,
    `  require('./shared/blockstore/compute-pool.js');`,
    `}`,
  ].join('\n');

/** Copies the packages with machine code, and the parts of them for this platform, into `folder`/node_modules. */
export async function copyNative(places: PackagePlaces, folder: string): Promise<readonly string[]> {
  const copied: string[] = [];
  for (const name of NATIVE) {
    const manifest = await manifestOf(places.root, name);
    const parts = Object.keys(manifest?.optionalDependencies ?? {});
    for (const part of [name, ...parts]) {
      if (part !== name && !(await manifestOf(places.root, part))) continue; // of another platform
      const target = path.join(folder, 'node_modules', part);
      await mkdir(path.dirname(target), { recursive: true });
      await cp(path.join(places.root, 'node_modules', part), target, { recursive: true });
      copied.push(part);
    }
  }
  return copied;
}

interface Manifest {
  readonly version: string;
  readonly license?: string;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
}

/** undefined when the package is not installed. */
export async function manifestOf(root: string, name: string): Promise<Manifest | undefined> {
  try {
    return JSON.parse(await readFile(path.join(root, 'node_modules', name, 'package.json'), 'utf8')) as Manifest;
  } catch {
    return undefined;
  }
}

function packagesOf(metafile: Metafile): string[] {
  const names = new Set<string>();
  for (const output of Object.values(metafile.outputs)) {
    for (const [file, { bytesInOutput }] of Object.entries(output.inputs)) {
      const name = /.*node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(file)?.[1];
      if (name && bytesInOutput > 0) names.add(name);
    }
  }
  return [...names].sort();
}
