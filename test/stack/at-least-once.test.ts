/**
 * Azure promises at-least-once for activities and replays orchestrators at will. The host runs every activity twice and every
 * turn twice here: the result must be the same as if each had run once.
 */
import { readdirSync } from 'node:fs';
import { onlySnapshots, startTrial, type Trial } from './harness';
import { changeImage, MIB } from './images';

const luns = ['os', 0] as const;
let trial: Trial;
beforeAll(async () => {
  trial = await startTrial({
    settings: { BLOCKFERRY_HOST_REPEAT_ACTIVITIES: '1', BLOCKFERRY_HOST_CHECK_REPLAY: '1' },
    machines: [
      {
        name: 'twice',
        disks: [
          { lun: 'os', bytes: 24 * MIB },
          { lun: 0, bytes: 70 * MIB },
        ],
      },
    ],
  });
}, 60_000);
afterAll(async () => trial.stop(), 30_000);

test('with every activity and every turn run twice, each job has the effects of one', async () => {
  await trial.backup('twice');
  changeImage(trial.imageOf('twice', 0), 66 * MIB, MIB, 'changed');
  await trial.cloud.importDisk(trial.diskId('twice', 0), trial.imageOf('twice', 0));
  await trial.backup('twice');

  const points = await trial.points('twice');
  expect(points.map((point) => point.disks.map(({ mode }) => mode))).toEqual([
    ['incremental', 'incremental'],
    ['full', 'full'],
  ]);
  const requests = (await trial.cloud.log('arm')).filter(({ status }) => status < 300);
  // Once each: two for the full backup, four for the incremental one (new and replaced snapshots). So activities ran twice.
  const revoked = requests.filter(({ operation }) => operation === 'arm.snapshots.revokeAccess');
  expect(revoked.length).toBeGreaterThan(6);
  const creations = requests.filter(({ operation }) => operation === 'arm.snapshots.createOrUpdate');
  expect(new Set(creations.map((entry) => entry.path.split('?')[0]?.toLowerCase())).size).toBe(4);
  expect(await trial.leftovers()).toEqual(onlySnapshots(2));

  const newest = points[0]?.id ?? '';
  expect(await trial.restoredDigests(newest)).toEqual(trial.digests('twice', luns));
  const before = (await trial.cloud.disks()).length;
  const asDisks = { kind: 'disk', resourceGroup: 'restored', namePrefix: 'back' };
  expect(await trial.exportedDigests(newest, asDisks)).toEqual(trial.digests('twice', luns));
  expect(await trial.cloud.disks()).toHaveLength(before + 2);
  expect(readdirSync(trial.stack.layout.restored)).toHaveLength(2);
  expect(await trial.leftovers()).toEqual(onlySnapshots(2));
}, 90_000);
