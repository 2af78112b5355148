import { readFileSync } from 'node:fs';
import { inspect } from 'node:util';
import { createCompute } from '../../shared/azure/compute';
import { type ClosableDiskAccess, createDiskAccess } from '../../shared/azure/disk-access';
import type { DiskReader } from '../../shared/dataproxy/ports';
import { type ByteRange, totalLength } from '../../shared/model/byte-range';
import { AppError } from '../../shared/model/errors';
import { computeId } from '../../shared/model/ids';
import { MIB } from '../../shared/model/limits';
import type { Compute } from '../../shared/workflows/ports';
import { dataBytes, type Fixture, region, snapshotId, startFixture, subscription, vmId } from './cloud-fixture';

const tags = { 'blockferry-job': 'job-1' };
const never = new AbortController().signal;
const quick = { attemptsMax: 5, firstDelayMs: 2, delayMsMax: 10 };

describe('disk access', () => {
  let fixture: Fixture;
  let compute: Compute;
  let access: ClosableDiskAccess;
  let first: Buffer;

  const take = async (name: string): Promise<void> => {
    const machine = await compute.getMachine(vmId);
    const disk = machine?.disks.find(({ lun }) => lun === 3);
    if (!disk) throw new Error('the seeded disk is missing');
    await compute.startSnapshot({ snapshotId: snapshotId(name), disk, region, tags });
    while ((await compute.getSnapshot(snapshotId(name))).state === 'pending');
  };
  const readAll = async (reader: DiskReader, ranges: readonly ByteRange[], into: Buffer): Promise<Buffer> => {
    for (const range of ranges) (await reader.read(range, never)).copy(into, range.start);
    return into;
  };
  const whole = { start: 0, end: dataBytes };

  beforeAll(async () => {
    fixture = await startFixture();
    compute = createCompute(fixture.arm);
    access = createDiskAccess({ ...fixture.arm, dataRule: quick, limitRule: quick });
    await take('base');
    first = Buffer.from(fixture.data);
    fixture.data.fill(0, MIB, MIB + 64 * 1024); // cleared
    for (let page = 0; page < 40; page++) fixture.data.fill(page + 1, page * 64 * 1024 + 4096, page * 64 * 1024 + 8192);
    fixture.data.fill('more', 10 * MIB, 10 * MIB + 4096);
    await fixture.importData();
    await take('next');
  });
  afterAll(async () => {
    await access.close();
    await fixture.close();
  });
  afterEach(() => fixture.clearFaults());

  test('a full read of the allocated ranges gives the disk, byte for byte', async () => {
    const reader = await access.openSnapshot({ snapshotId: snapshotId('base') });
    expect(reader.sizeBytes).toBe(dataBytes);
    const ranges = await reader.allocatedRanges(whole, never);
    expect(totalLength(ranges)).toBeLessThan(5 * MIB);
    expect((await readAll(reader, ranges, Buffer.alloc(dataBytes))).equals(first)).toBe(true);
  });

  test('the changed ranges over the base give the new disk: written and cleared, over many pages of the answer', async () => {
    const reader = await access.openSnapshot({ snapshotId: snapshotId('next'), baseSnapshotId: snapshotId('base') });
    fixture.cloud.context.log.clear();
    const ranges = await reader.changedRanges(whole, never);
    expect(fixture.cloud.context.log.entries({ service: 'disk' }).length).toBeGreaterThan(5);
    expect(totalLength(ranges)).toBeLessThan(MIB);
    expect((await readAll(reader, ranges, Buffer.from(first))).equals(fixture.data)).toBe(true);
  });

  test('windows list exactly what the whole lists', async () => {
    const reader = await access.openSnapshot({ snapshotId: snapshotId('next'), baseSnapshotId: snapshotId('base') });
    const all = await reader.changedRanges(whole, never);
    const parts: ByteRange[] = [];
    for (let start = 0; start < dataBytes; start += 3 * MIB) {
      parts.push(...(await reader.changedRanges({ start, end: Math.min(dataBytes, start + 3 * MIB) }, never)));
    }
    expect(totalLength(parts)).toBe(totalLength(all));
  });

  test.each([
    ['a reset', { kind: 'reset' }],
    ['a body cut off', { kind: 'cut' }],
    ['a short but clean answer', { kind: 'truncate' }],
    ['a busy service', { kind: 'status', status: 503, code: 'ServerBusy' }],
    ['throttling', { kind: 'status', status: 429, retryAfterSeconds: 0 }],
    ['an expired SAS', { kind: 'expire' }],
  ] as const)('%s is ridden out in reads and listings, with the right bytes', async (_name, action) => {
    const reader = await access.openSnapshot({ snapshotId: snapshotId('next'), baseSnapshotId: snapshotId('base') });
    fixture.fault({ id: 'f', service: 'disk', times: 1, action });
    const ranges = await reader.changedRanges(whole, never);
    fixture.clearFaults();
    fixture.fault({ id: 'f', service: 'disk', times: 1, action });
    expect((await readAll(reader, ranges, Buffer.from(first))).equals(fixture.data)).toBe(true);
  });

  test('a stalled body ends at the deadline and the read is made again', async () => {
    const hasty = createDiskAccess({ ...fixture.arm, dataRule: quick, deadlineBaseMs: 150 });
    const reader = await hasty.openSnapshot({ snapshotId: snapshotId('next') });
    fixture.fault({ id: 'f', service: 'disk', times: 1, action: { kind: 'stall', ms: 5000 } });
    const bytes = await reader.read({ start: 4096, end: 8192 }, never);
    expect(bytes.equals(fixture.data.subarray(4096, 8192))).toBe(true);
    await hasty.close();
  });

  test('an abort of the caller ends a read at once, with the caller’s reason', async () => {
    const reader = await access.openSnapshot({ snapshotId: snapshotId('next') });
    fixture.fault({ id: 'f', service: 'disk', action: { kind: 'stall', ms: 5000 } });
    const stop = new AbortController();
    const reading = reader.read({ start: 0, end: MIB }, stop.signal);
    setTimeout(() => stop.abort(new Error('canceled by the test')), 50);
    await expect(reading).rejects.toThrow('canceled by the test');
  });

  test('a revoked access is granted again and reading goes on', async () => {
    const reader = await access.openSnapshot({ snapshotId: snapshotId('next') });
    await reader.read({ start: 0, end: 4096 }, never);
    await compute.revokeSnapshotAccess(snapshotId('next'));
    const bytes = await Promise.all(
      [0, 1, 2, 3].map((n) => reader.read({ start: n * 4096, end: n * 4096 + 4096 }, never)),
    );
    expect(Buffer.concat(bytes).equals(fixture.data.subarray(0, 4 * 4096))).toBe(true);
  });

  test('a base that is gone means a full read, said so', async () => {
    await take('short-lived');
    const reader = await access.openSnapshot({
      snapshotId: snapshotId('next'),
      baseSnapshotId: snapshotId('short-lived'),
    });
    await compute.deleteSnapshot(snapshotId('short-lived'));
    await expect(reader.changedRanges(whole, never)).rejects.toMatchObject({
      code: 'source.bad-ranges',
      retryable: false,
    });
    const alone = await access.openSnapshot({ snapshotId: snapshotId('next') });
    await expect(alone.changedRanges(whole, never)).rejects.toMatchObject({ code: 'source.bad-ranges' });
  });

  test('a list that stays truncated is bad ranges, never an empty list', async () => {
    const reader = await access.openSnapshot({ snapshotId: snapshotId('next'), baseSnapshotId: snapshotId('base') });
    fixture.fault({ id: 'f', service: 'disk', action: { kind: 'truncate' } });
    await expect(reader.changedRanges(whole, never)).rejects.toMatchObject({ code: 'source.bad-ranges' });
    await expect(reader.allocatedRanges(whole, never)).rejects.toMatchObject({ code: 'source.bad-ranges' });
  });

  test('a restore written with Put Page is the disk it was meant to be', async () => {
    const template = (await compute.getMachine(vmId))?.disks.find(({ lun }) => lun === 3);
    if (!template) throw new Error('the seeded disk is missing');
    const diskId = computeId(subscription, 'restored', 'disks', 'copy');
    await compute.createUploadDisk({ diskId, region, template, tags });
    const writer = await access.openUpload({ diskId, diskBytes: dataBytes });
    await writer.write(4 * MIB, Buffer.alloc(MIB, 0xee), never); // left there by an attempt that died
    fixture.fault({ id: 'f', service: 'disk', probability: 0.3, action: { kind: 'lost-reply' } });
    await writer.write(0, fixture.data.subarray(0, 11 * MIB), never);
    await writer.zero({ start: 11 * MIB, end: dataBytes - 4096 }, never);
    await writer.write(dataBytes - 4096, fixture.data.subarray(dataBytes - 4096), never);
    await writer.flush(never);
    const other = await access.openUpload({ diskId: diskId.replace('/copy', '/COPY'), diskBytes: dataBytes });
    await other.flush(never); // each window's writer ends so: the same footer
    fixture.clearFaults();
    await compute.finishUploadDisk(diskId);
    await compute.finishUploadDisk(diskId);
    expect(await compute.getDisk(diskId)).toMatchObject({ state: 'Unattached' });
    const file = `${fixture.directory}/exported.img`;
    await fixture.control('GET', `/disks/export?diskId=${encodeURIComponent(diskId)}&file=${encodeURIComponent(file)}`);
    expect(readFileSync(file).subarray(0, dataBytes).equals(fixture.data)).toBe(true);
    const late = await access.openUpload({ diskId, diskBytes: dataBytes });
    await expect(late.write(0, Buffer.alloc(512), never)).rejects.toMatchObject({ code: 'restore.target-invalid' });
  });

  test('no SAS, token or header secret is in any error, whatever goes wrong', async () => {
    const listed = fixture.cloud.context;
    const failing = createDiskAccess({
      ...fixture.arm,
      dataRule: { attemptsMax: 1, firstDelayMs: 1, delayMsMax: 1 },
      limitRule: { attemptsMax: 1, firstDelayMs: 1, delayMsMax: 1 },
      deadlineBaseMs: 200,
    });
    const reader = await failing.openSnapshot({ snapshotId: snapshotId('next'), baseSnapshotId: snapshotId('base') });
    await reader.changedRanges(whole, never);
    const actions = [
      { kind: 'status', status: 400, code: 'InvalidHeaderValue' },
      { kind: 'status', status: 403 },
      { kind: 'status', status: 500 },
      { kind: 'reset' },
      { kind: 'truncate' },
      { kind: 'stall', ms: 3000 },
      { kind: 'expire' },
    ] as const;
    for (const action of actions) {
      listed.faults.clear();
      listed.faults.add({ id: 'f', action });
      for (const failed of [
        reader.read({ start: 0, end: MIB }, never),
        reader.changedRanges(whole, never),
        failing.openSnapshot({ snapshotId: snapshotId('base') }),
      ]) {
        const error = await failed.then(
          () => undefined,
          (reason: unknown) => reason,
        );
        if (error === undefined) continue; // the fault does not touch this call
        expect(error).toBeInstanceOf(AppError);
        const shown = [inspect(error, { depth: 10, showHidden: true }), JSON.stringify(error), String(error)].join(
          '\n',
        );
        expect(shown).not.toMatch(/sig=|https?:\/\/|eyJ[A-Za-z0-9_-]{10}|Bearer/);
      }
    }
    await failing.close();
  });

  test('a sixth snapshot of a family waits for a permit and says so when none comes', async () => {
    for (const name of ['base', 'next']) await compute.revokeSnapshotAccess(snapshotId(name));
    await fixture.control('POST', '/clock', { shiftMs: 6 * 60_000 });
    const names = ['p1', 'p2', 'p3', 'p4', 'p5', 'p6'];
    for (const name of names) await take(name);
    const readers = names.map((name) => access.openSnapshot({ snapshotId: snapshotId(name) }));
    const outcomes = await Promise.allSettled(readers);
    const refused = outcomes.filter((outcome) => outcome.status === 'rejected');
    expect(refused.map(({ reason }) => reason)).toEqual([
      expect.objectContaining({ code: 'access.limit', retryable: true }),
    ]);
    const lost = names[outcomes.findIndex(({ status }) => status === 'rejected')] ?? '';
    const held = names.find((name) => name !== lost) ?? '';
    const waiting = createDiskAccess({
      ...fixture.arm,
      limitRule: { attemptsMax: 200, firstDelayMs: 5, delayMsMax: 30 },
    });
    const opening = waiting.openSnapshot({ snapshotId: snapshotId(lost) });
    await compute.revokeSnapshotAccess(snapshotId(held));
    expect((await opening).sizeBytes).toBe(dataBytes);
    await waiting.close();
  });
});
