/** The function app as the platform gets it: host.json, a package.json that names one file, that file, the SDKs, machine code. */
import { cp, mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { bundle, copyNative, entryText, manifestOf } from './bundle';
import { writeNotices } from './notices';
import type { PackagePlaces } from './places';

/** Files that the running app reads, beside its code. Folders of the checkout; each is copied when it is there. */
const ASSETS = ['dashboard', 'prices'];

/** Bytes of the code. */
export async function stageFunctionApp(places: PackagePlaces, folder: string): Promise<number> {
  await mkdir(path.join(folder, 'dist'), { recursive: true });
  const entries = (await readdir(path.join(places.build, 'functions')))
    .filter((name) => name.endsWith('.js'))
    .sort()
    .map((name) => `functions/${name}`);
  const code = {
    'main.js': entryText(entries),
    // The fleet "process" starts it from beside the app's own file.
    'data-proxy-main.js': entryText(['shared/app/data-proxy-main.js']),
  };
  const app = await bundle(places, code, path.join(folder, 'dist'));
  const native = await copyNative(places, folder);
  await copyAssets(places, folder);
  await cp(path.join(places.root, 'host.json'), path.join(folder, 'host.json'));
  await cp(path.join(places.root, 'LICENSE'), path.join(folder, 'LICENSE'));
  await writeNotices(places, [...app.packages, ...native], path.join(folder, 'THIRD-PARTY-NOTICES.txt'));
  await writeFile(path.join(folder, 'package.json'), await manifestText(places, 'dist/main.js', native));
  return app.bytes;
}

async function copyAssets(places: PackagePlaces, folder: string): Promise<void> {
  const present = new Set(await readdir(places.root));
  for (const name of ASSETS.filter((asset) => present.has(asset))) {
    await cp(path.join(places.root, name), path.join(folder, name), {
      recursive: true,
      filter: (source) => !/\.(ts|md)$/.test(source),
    });
  }
}

/** No scripts and no dependencies but those that lie beside it: nothing is to be installed where this is unpacked. */
export async function manifestText(places: PackagePlaces, main: string, native: readonly string[]): Promise<string> {
  const own = JSON.parse(await readFile(path.join(places.root, 'package.json'), 'utf8')) as Record<string, unknown>;
  const versions = await Promise.all(
    native.map(async (name) => [name, (await manifestOf(places.root, name))?.version] as const),
  );
  const { name, version, description, license, engines } = own;
  const manifest = { name, version, description, private: true, license, main, engines };
  return `${JSON.stringify({ ...manifest, bundledMachineCode: Object.fromEntries(versions) }, null, 2)}\n`;
}
