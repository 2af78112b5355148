/** The checked-in repository, as stores that the product reads and as a folder that the reader does. */
import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { silentLogger } from '../../shared/base/logger';
import { openRepository, type Repository } from '../../shared/blockstore/repository';
import { type MemoryStores, memoryStores } from '../helpers/memory-object-store';
import { type Expectation, readExpectation } from './expectation';
import { stillClock } from './still-clock';

export const goldenFolder = path.join(__dirname, 'v1');
export const goldenRootKeyFile = path.join(goldenFolder, 'root-key.hex');
export const goldenKey = (): Buffer => Buffer.from(readFileSync(goldenRootKeyFile, 'utf8').trim(), 'hex');
export const goldenExpectation = (): Expectation => readExpectation(path.join(goldenFolder, 'expected.json'));

/** All files below a folder of the golden repository: relative name with '/', and content. */
export function filesBelow(folder: string): [name: string, content: Buffer][] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((name) => statSync(path.join(folder, name)).isFile())
    .map((name): [string, Buffer] => [name.split(path.sep).join('/'), readFileSync(path.join(folder, name))])
    .sort(([a], [b]) => (a < b ? -1 : 1));
}

export function loadGolden(): MemoryStores {
  const stores = memoryStores();
  for (const bucket of ['data', 'control'] as const) {
    for (const [key, body] of filesBelow(path.join(goldenFolder, bucket))) {
      stores[bucket].objects.set(key, { body, etag: `"${key}"` });
    }
  }
  return stores;
}

export const openGolden = (stores: MemoryStores, tenant: string): Promise<Repository> =>
  openRepository({
    stores,
    tenant,
    keys: { rootKey: async () => goldenKey() },
    clock: stillClock('2026-11-23T00:00:00.000Z'),
    logger: silentLogger,
  });

/** Writes stores as `aws s3 sync` would: one folder a bucket. */
export function dumpStores(stores: MemoryStores, folder: string): { readonly data: string; readonly control: string } {
  const folders = { data: path.join(folder, 'data'), control: path.join(folder, 'control') };
  for (const bucket of ['data', 'control'] as const) {
    mkdirSync(folders[bucket], { recursive: true });
    for (const [key, { body }] of stores[bucket].objects) {
      const file = path.join(folders[bucket], key);
      mkdirSync(path.dirname(file), { recursive: true });
      writeFileSync(file, body);
    }
  }
  return folders;
}
