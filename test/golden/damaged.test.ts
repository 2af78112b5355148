/** Damage done to the golden repository is found and named, by the product and by the reader alike. */

import { loadRestorePoint } from '../../shared/blockstore/points';
import { publishRestorePoint } from '../../shared/blockstore/publish';
import { readSession } from '../../shared/blockstore/session';
import { verifyRestorePoint } from '../../shared/blockstore/verify';
import { readWindowFact } from '../../shared/blockstore/window-facts';
import { AppError } from '../../shared/model/errors';
import { planWindows } from '../../shared/model/transfer';
import { copyStores } from '../helpers/memory-object-store';
import { inFolder, runReader } from '../reader/run-reader';
import { damages, webKey } from './damages';
import { dumpStores, goldenRootKeyFile, loadGolden, openGolden } from './load';

jest.setTimeout(120_000);

const golden = loadGolden();
const damagedBy = (name: string) => {
  const stores = copyStores(golden);
  const damage = damages.find((one) => one.name === name);
  if (!damage) throw new Error(`no damage is called ${name}`);
  damage.apply(stores);
  return { stores, damage };
};

test.each(damages.map(({ name }) => name))('the product: %s', async (name) => {
  const { stores, damage } = damagedBy(name);
  const repository = await openGolden(stores, 'acme');
  const request = { vmKey: webKey, pointId: damage.pointId ?? 'p-web-4', sampleBlocks: 100_000, seed: 'all' };
  const result: unknown = await verifyRestorePoint(repository, request).catch((error: unknown) => error);
  if (!damage.product) return expect(result).toMatchObject({ level: 'sample' });
  expect(result).toBeInstanceOf(AppError);
  expect(result).toMatchObject(damage.product);
});

test.each(damages.map(({ name }) => name))('the reader: %s', async (name) => {
  const { stores, damage } = damagedBy(name);
  await inFolder(async (folder) => {
    const { data } = dumpStores(stores, folder);
    const where = ['--data', data, '--root-key-file', goldenRootKeyFile, '--tenant', 'acme'];
    const run = await runReader(['verify', ...where, '--vm', webKey, '--point', damage.pointId ?? 'p-web-4']);
    expect(run.stdout + run.stderr).toMatch(damage.reader.says);
    expect(run.code).toBe(damage.reader.code);
  });
});

test('a register played again opens nothing: its point cannot be published with another content', async () => {
  const { stores } = damagedBy('older registers are played again');
  const repository = await openGolden(stores, 'acme');
  expect(await readSession(repository, 'web-4')).toMatchObject({ state: 'PENDING' });
  const before = [...stores.data.objects].map(([key, { etag }]) => `${key} ${etag}`);
  const point = await loadRestorePoint(repository, webKey, 'p-web-4');
  const disks = point.disks.map((disk) => ({
    ...disk,
    basePointId: 'p-web-2',
    windows: planWindows(disk.sizeBytes, 192 * 2 ** 20),
  }));
  await expect(publishRestorePoint(repository, { ...point, disks })).rejects.toMatchObject({ code: 'store.conflict' });
  expect([...stores.data.objects].map(([key, { etag }]) => `${key} ${etag}`)).toEqual(before);
});

test('a register or a fact under the name of another is refused', async () => {
  const stores = copyStores(golden);
  const move = (from: string, to: string): void => {
    const entry = stores.control.objects.get(`t/acme/s/${from}`);
    if (!entry) throw new Error(from);
    stores.control.objects.set(`t/acme/s/${to}`, entry);
  };
  move('web-1/register', 'web-2/register');
  move('web-1/w/os-0', 'web-1/w/os-1');
  const repository = await openGolden(stores, 'acme');
  await expect(readSession(repository, 'web-2')).rejects.toMatchObject({ code: 'manifest.corrupt' });
  await expect(readWindowFact(repository, 'web-1', { lun: 'os', index: 1 })).rejects.toMatchObject({
    code: 'manifest.corrupt',
  });
});
