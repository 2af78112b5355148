/** What the ARM client and its pollers keep and say, pinned: why no poller of a grant is ever stored, and why 429 is ours. */
import { AzureLogger, setLogLevel } from '@azure/logger';
import { createCompute } from '../../shared/azure/compute';
import { createDiskAccess } from '../../shared/azure/disk-access';
import { type Fixture, region, snapshotId, startFixture, vmId } from '../azure/cloud-fixture';
import { LOCATION, resource, SNAPSHOT_GROUP, startAzureFixture } from '../cloud/arm-fixture';

const wish = { access: 'Read', durationInSeconds: 3600 } as const;
const poll = { updateIntervalInMs: 5 };

test('the serialized poller of a grant holds the SAS: no orchestration state may ever keep one', async () => {
  const fixture = await startAzureFixture();
  try {
    const { compute } = fixture;
    await compute.snapshots.createOrUpdate(
      SNAPSHOT_GROUP,
      's1',
      {
        location: LOCATION,
        incremental: true,
        creationData: { createOption: 'Copy', sourceResourceId: resource('disks', 'web-data') },
      },
      poll,
    );
    const poller = compute.snapshots.grantAccess(SNAPSHOT_GROUP, 's1', wish, poll);
    const { accessSAS = '' } = await poller.pollUntilDone();
    const signature = /sig=([^&]+)/.exec(accessSAS)?.[1] ?? 'none';
    expect(accessSAS).not.toBe('');
    expect(await poller.serialize()).toContain(signature);
    expect(JSON.stringify(poller.operationState)).toContain(signature);
  } finally {
    await fixture.close();
  }
});

describe('with our rules around it', () => {
  let fixture: Fixture;
  beforeAll(async () => {
    fixture = await startFixture();
  });
  afterAll(() => fixture.close());

  test('the verbose log of the SDK has neither SAS nor token', async () => {
    const lines: string[] = [];
    const before = AzureLogger.log;
    AzureLogger.log = (...parts) => void lines.push(parts.map(String).join(' '));
    setLogLevel('verbose');
    try {
      const compute = createCompute(fixture.arm);
      const disk = (await compute.getMachine(vmId))?.disks.find(({ lun }) => lun === 3);
      if (!disk) throw new Error('the seeded disk is missing');
      await compute.startSnapshot({ snapshotId: snapshotId('s1'), disk, region, tags: { 'blockferry-job': 'j' } });
      while ((await compute.getSnapshot(snapshotId('s1'))).state === 'pending');
      const access = createDiskAccess(fixture.arm);
      await access.openSnapshot({ snapshotId: snapshotId('s1') });
      await access.close();
    } finally {
      setLogLevel();
      AzureLogger.log = before;
    }
    expect(lines.length).toBeGreaterThan(10);
    expect(lines.join('\n')).not.toMatch(/sig=(?!REDACTED)[\w%]|eyJ[\w-]{20}/);
  });
});
