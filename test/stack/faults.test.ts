/**
 * Bad days of both clouds, one at a time: what can be survived ends with the right bytes, what cannot ends with the right
 * code and leaves nothing. Each fault is counted: a rule that never acted proves nothing.
 */
import type { Fault } from './cloud-control';
import { onlySnapshots, startTrial, type Trial } from './harness';
import { changeImage, MIB } from './images';

interface Case {
  readonly name: string;
  /** Active during the full backup and the incremental one. */
  readonly backup?: readonly Fault[];
  /** Active during the restore to an image file and to a managed disk. */
  readonly restore?: readonly Fault[];
}

const status = (code: number, more: Record<string, unknown> = {}) => ({ kind: 'status', status: code, ...more });
const onDisk = (action: Fault['action'], more: Partial<Fault> = {}): Fault => ({
  id: `disk-${action.kind}`,
  operation: 'disk.read',
  skip: 3,
  times: 4,
  action,
  ...more,
});
const onS3 = (operation: string, action: Fault['action'], more: Partial<Fault> = {}): Fault => ({
  id: `${operation}-${action.kind}`,
  operation,
  skip: 1,
  times: 3,
  action,
  ...more,
});

const cases: readonly Case[] = [
  {
    name: 'ARM throttles and fails',
    backup: [
      { id: 'arm-429', operation: 'arm.snapshots.*', times: 2, action: status(429, { retryAfterSeconds: 1 }) },
      { id: 'arm-500', service: 'arm', skip: 4, times: 2, action: status(500) },
      { id: 'arm-reset', operation: 'arm.operations.get', times: 2, action: { kind: 'reset' } },
      { id: 'arm-lost', operation: 'arm.snapshots.createOrUpdate', times: 1, action: { kind: 'lost-reply' } },
    ],
    restore: [
      { id: 'arm-503', operation: 'arm.disks.*', times: 3, action: status(503) },
      { id: 'arm-lost-disk', operation: 'arm.disks.createOrUpdate', times: 1, action: { kind: 'lost-reply' } },
    ],
  },
  {
    name: 'disks answer 503, break off and fall silent',
    backup: [
      onDisk(status(503) as Fault['action']),
      onDisk({ kind: 'reset' }, { skip: 8 }),
      onDisk({ kind: 'cut' }, { skip: 14 }),
      onDisk({ kind: 'truncate' }, { skip: 20 }),
      onDisk({ kind: 'stall', ms: 700 }, { skip: 26 }),
      { id: 'list-503', operation: 'disk.pageList*', times: 2, action: status(503) },
      { id: 'list-cut', operation: 'disk.pageList*', skip: 2, times: 2, action: { kind: 'cut' } },
      { id: 'list-truncate', operation: 'disk.pageList*', times: 1, action: { kind: 'truncate' } },
    ],
    restore: [
      { id: 'write-503', operation: 'disk.write', skip: 2, times: 2, action: status(503) },
      { id: 'write-lost', operation: 'disk.write', skip: 5, times: 2, action: { kind: 'lost-reply' } },
      { id: 'write-reset', operation: 'disk.write', skip: 8, times: 2, action: { kind: 'reset' } },
    ],
  },
  { name: 'a disk read has a wrong bit', backup: [onDisk({ kind: 'corrupt' })] },
  {
    name: 'accesses and sessions expire in the middle',
    backup: [
      onDisk({ kind: 'expire' }, { times: 1 }),
      { id: 'list-expire', operation: 'disk.pageList*', times: 1, action: { kind: 'expire' } },
      onS3('s3.PutObject', { kind: 'expire' }, { skip: 2, times: 1 }),
      onS3('s3.ListObjectsV2', { kind: 'expire' }, { times: 1 }),
    ],
    restore: [
      { id: 'write-expire', operation: 'disk.write', skip: 3, times: 1, action: { kind: 'expire' } },
      onS3('s3.GetObject', { kind: 'expire' }, { skip: 6, times: 1 }),
    ],
  },
  {
    name: 'S3 is slow, breaks off and loses replies',
    backup: [
      onS3('s3.PutObject', status(503, { code: 'SlowDown' }) as Fault['action']),
      onS3('s3.PutObject', { kind: 'reset' }, { skip: 6 }),
      onS3('s3.PutObject', { kind: 'lost-reply' }, { skip: 10, times: 6 }),
      onS3('s3.ListObjectsV2', { kind: 'cut' }, { skip: 2 }),
      onS3('s3.ListObjectsV2', { kind: 'truncate' }, { skip: 6 }),
      onS3('s3.GetObject', status(500, { code: 'InternalError' }) as Fault['action']),
      onS3('s3.GetObject', { kind: 'corrupt' }, { skip: 6 }),
    ],
    restore: [
      onS3('s3.GetObject', { kind: 'corrupt' }, { pathIncludes: '/u/', times: 1 }),
      onS3('s3.GetObject', { kind: 'truncate' }, { pathIncludes: '/u/', skip: 3 }),
      onS3('s3.GetObject', { kind: 'cut' }, { skip: 12 }),
      onS3('s3.GetObject', { kind: 'stall', ms: 700 }, { skip: 16 }),
      onS3('s3.GetObject', status(503, { code: 'SlowDown' }) as Fault['action'], { skip: 20 }),
    ],
  },
  {
    name: 'identity and STS fail',
    backup: [
      { id: 'identity-500', operation: 'identity.token', times: 2, action: status(500) },
      { id: 'identity-reset', operation: 'identity.token', times: 1, action: { kind: 'reset' } },
      { id: 'sts-500', operation: 'sts.*', times: 2, action: status(500) },
      { id: 'sts-lost', operation: 'sts.*', skip: 1, times: 1, action: { kind: 'lost-reply' } },
    ],
    restore: [{ id: 'sts-503', operation: 'sts.*', times: 3, action: status(503) }],
  },
];
const machineOf = (name: string): string => `vm-${cases.findIndex((one) => one.name === name)}`;

interface Fatal {
  readonly name: string;
  readonly fault: Fault;
  readonly code: string;
  /** What has to wait for the janitor, because undoing it needs what is forbidden. */
  readonly forTheJanitor?: number;
}
const fatal: readonly Fatal[] = [
  {
    name: 'writing to the bucket is forbidden',
    fault: {
      id: 'fatal',
      operation: 's3.PutObject',
      pathIncludes: '/u/',
      action: status(403, { code: 'AccessDenied' }),
    },
    code: 'store.denied',
  },
  {
    name: 'snapshots are forbidden',
    fault: {
      id: 'fatal',
      operation: 'arm.snapshots.createOrUpdate',
      action: status(403, { code: 'AuthorizationFailed' }),
    },
    code: 'cloud.denied',
  },
  {
    name: 'federation is refused',
    fault: { id: 'fatal', operation: 'sts.*', action: status(403, { code: 'AccessDenied' }) },
    code: 'store.denied',
    forTheJanitor: 1, // the session, which may have been opened
  },
];

let trial: Trial;
beforeAll(async () => {
  const disks = [{ lun: 'os' as const, bytes: 32 * MIB }];
  const names = [...cases.map(({ name }) => machineOf(name)), ...fatal.map((_, index) => `fatal-${index}`)];
  trial = await startTrial({ machines: names.map((name) => ({ name, disks })) });
}, 60_000);
afterEach(async () => {
  await trial.cloud.clearFaults();
});
afterAll(async () => trial.stop(), 30_000);

test.each(cases)(
  '$name: survived, byte for byte',
  async ({ name, backup = [], restore = [] }) => {
    const machine = machineOf(name);
    const snapshots = (await trial.cloud.snapshots()).length;
    await trial.cloud.faults(backup);
    await trial.backup(machine);
    changeImage(trial.imageOf(machine, 'os'), 5 * MIB + 4096, 2 * MIB, 'later');
    changeImage(trial.imageOf(machine, 'os'), 20 * MIB, MIB, 'zeros');
    await trial.cloud.importDisk(trial.diskId(machine, 'os'), trial.imageOf(machine, 'os'));
    await trial.backup(machine);
    expect(idle(await trial.cloud.clearFaults())).toEqual([]);
    expect(await trial.leftovers()).toEqual(onlySnapshots(snapshots + 1));

    const points = await trial.points(machine);
    expect(points).toHaveLength(2);
    const newest = points[0]?.id ?? '';
    await trial.cloud.faults(restore);
    expect(await trial.restoredDigests(newest)).toEqual(trial.digests(machine, ['os']));
    const asDisk = { kind: 'disk', resourceGroup: 'restored', namePrefix: machine };
    expect(await trial.exportedDigests(newest, asDisk)).toEqual(trial.digests(machine, ['os']));
    expect(idle(await trial.cloud.clearFaults())).toEqual([]);
    expect(await trial.leftovers()).toEqual(onlySnapshots(snapshots + 1));
  },
  90_000,
);

test.each(fatal.map((one, index) => ({ ...one, index })))(
  '$name: fails with $code and leaves nothing',
  async ({ fault, code, forTheJanitor = 0, index }) => {
    const snapshots = (await trial.cloud.snapshots()).length;
    await trial.cloud.faults([fault]);
    const jobId = await trial.startBackup(`fatal-${index}`);
    const job = await trial.ended(jobId);
    expect(job).toMatchObject({ status: 'failed', error: { code } });
    await trial.cloud.clearFaults();
    if (forTheJanitor > 0) {
      expect(await trial.catalog.intents.list()).toHaveLength(forTheJanitor);
      await trial.runJanitor();
    }
    expect(await trial.points(`fatal-${index}`)).toEqual([]);
    expect(await trial.leftovers()).toEqual(onlySnapshots(snapshots));
  },
  90_000,
);

const idle = (applied: Readonly<Record<string, number>>): string[] =>
  Object.entries(applied).flatMap(([id, count]) => (count === 0 ? [id] : []));
