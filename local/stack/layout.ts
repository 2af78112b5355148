/** Where things are: in the checkout, in the build, and in the state directory of one stack. */
import { existsSync } from 'node:fs';
import path from 'node:path';

export interface BuildLayout {
  /** The checkout: has package.json and host.json. */
  readonly root: string;
  /** Compiled output; child processes run from here. */
  readonly dist: string;
}

/** The unpacked archives of `npm run package`: nothing of them needs the checkout. */
export interface PackagedProduct {
  readonly functionApp: string;
  readonly dataProxy: string;
}

/** Works from the compiled file and from the source (tests); these may name a build elsewhere. */
export function findBuild(dist = process.env['BLOCKFERRY_TEST_DIST']): BuildLayout {
  // A build elsewhere may bring its own package.json and host.json: then that is the app the host loads.
  const own = dist === undefined ? undefined : path.dirname(path.resolve(dist));
  const root =
    own !== undefined && existsSync(path.join(own, 'package.json')) ? own : ancestorWith('package.json', __dirname);
  return {
    root,
    dist: dist ?? (__filename.endsWith('.js') ? path.resolve(__dirname, '..', '..') : path.join(root, 'dist')),
  };
}

export interface StateLayout {
  readonly state: string;
  readonly azurite: string;
  readonly cloud: string;
  readonly host: string;
  /** Process files and logs of data proxies (BLOCKFERRY_STATE_DIRECTORY). */
  readonly proxies: string;
  /** Image files that restores write (BLOCKFERRY_IMAGE_DIRECTORY). */
  readonly restored: string;
  /** Sample disks. */
  readonly disks: string;
  readonly logs: string;
  readonly seedFile: string;
  readonly portsFile: string;
  readonly keyFile: string;
  /** Both halves of the escrow key, here side by side; in service the private one lies offline. */
  readonly escrowKeyFile: string;
  readonly escrowPrivateKeyFile: string;
}

export function stateLayout(state: string): StateLayout {
  const below = (name: string): string => path.join(state, name);
  return {
    state,
    azurite: below('azurite'),
    cloud: below('cloud'),
    host: below('host'),
    proxies: below('proxies'),
    restored: below('restored'),
    disks: below('disks'),
    logs: below('logs'),
    seedFile: below('seed.json'),
    portsFile: below('ports.json'),
    keyFile: below('tenant.key'),
    escrowKeyFile: below('escrow.pem'),
    escrowPrivateKeyFile: below('escrow-private.pem'),
  };
}

function ancestorWith(file: string, start: string): string {
  for (let folder = start; ; folder = path.dirname(folder)) {
    if (existsSync(path.join(folder, file))) return folder;
    if (path.dirname(folder) === folder) throw new Error(`no ${file} above ${start}`);
  }
}

/** A file name from the command line: relative ones start where the person is, not where the program was started. */
export const fromCaller = (file: string): string => path.resolve(process.env['INIT_CWD'] ?? process.cwd(), file);
