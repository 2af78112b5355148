/**
 * `npm run package`: what is deployed, made from the build in dist/.
 *
 *   dist/package/function-app/            what the zip holds, as files
 *   dist/package/function-app.zip         for the Functions platform
 *   dist/package/data-proxy/              what the archive holds, as files
 *   dist/package/data-proxy.tar.gz        the worker for a bare Linux with Node 24
 *
 * Both are made of bundles: some files of code instead of ten thousand, so that a cold start reads a megabyte and not a tree.
 * The last line on stdout is a JSON object with the sizes.
 */
import { statSync } from 'node:fs';
import { mkdir, rm } from 'node:fs/promises';
import path from 'node:path';
import { writeTarGz, writeZip } from './archive';
import { stageDataProxy } from './data-proxy';
import { stageFunctionApp } from './function-app';
import type { PackagePlaces } from './places';

async function main(): Promise<void> {
  const root = path.resolve(__dirname, '..', '..', '..');
  const out = path.join(root, 'dist', 'package');
  await rm(out, { recursive: true, force: true });
  await mkdir(out, { recursive: true });
  const places: PackagePlaces = { root, build: path.join(root, 'dist') };
  const app = path.join(out, 'function-app');
  const proxy = path.join(out, 'data-proxy');
  const staged = [await stageFunctionApp(places, app), await stageDataProxy(places, proxy)];
  const zip = path.join(out, 'function-app.zip');
  const archive = path.join(out, 'data-proxy.tar.gz');
  await writeZip(app, zip);
  await writeTarGz(proxy, archive);
  const sizes = {
    functionApp: { zip: sized(root, zip), codeBytes: staged[0] },
    dataProxy: { archive: sized(root, archive), codeBytes: staged[1] },
  };
  process.stdout.write(`${JSON.stringify(sizes)}\n`);
}

const sized = (root: string, file: string) => ({ file: path.relative(root, file), bytes: statSync(file).size });

main().catch((error: unknown) => {
  process.stderr.write(`blockferry: packaging failed: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exit(1);
});
