/** The same backup and restore through each of the three fleets; afterwards its data proxies are gone. */
import { fleetNames } from '../../local/stack/fleets';
import { onlySnapshots, startTrial, type Trial } from './harness';
import { changeImage, MIB } from './images';

const luns = ['os', 0] as const;
let trial: Trial | undefined;
afterEach(async () => trial?.stop(), 30_000);

test.each(fleetNames)(
  'fleet %s: full, incremental and restore, then nothing of it is left',
  async (fleet) => {
    trial = await startTrial({
      fleet,
      machines: [
        {
          name: 'vm1',
          disks: [
            { lun: 'os', bytes: 24 * MIB },
            { lun: 0, bytes: 80 * MIB },
          ],
        },
      ],
    });
    await trial.backup('vm1');
    expect(await trial.leftovers()).toEqual(onlySnapshots(2));

    changeImage(trial.imageOf('vm1', 0), 70 * MIB, MIB, 'second');
    await trial.cloud.importDisk(trial.diskId('vm1', 0), trial.imageOf('vm1', 0));
    await trial.backup('vm1');
    expect(await trial.leftovers()).toEqual(onlySnapshots(2));

    const [newest, ...older] = await trial.points('vm1');
    expect(older).toHaveLength(1);
    expect(newest?.disks.map(({ mode }) => mode)).toEqual(['incremental', 'incremental']);
    expect(await trial.restoredDigests(newest?.id ?? '')).toEqual(trial.digests('vm1', luns));
    expect(await trial.leftovers()).toEqual(onlySnapshots(2));
    if (fleet === 'scale-set') {
      const resized = (await trial.cloud.log('arm')).filter(({ operation }) => /scaleSets?\.update/i.test(operation));
      expect(resized.length).toBeGreaterThanOrEqual(6);
    }
  },
  120_000,
);
