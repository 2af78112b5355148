import { createJobs } from '../../shared/catalog/jobs';
import { isAppError } from '../../shared/model/errors';
import { emptyStats, type TransferEvent } from '../../shared/model/transfer';
import { manualClock } from '../helpers/manual-clock';
import { memoryRecordStore } from '../helpers/memory-record-store';
import { sampleJob, vmIdOf } from '../helpers/samples';

const make = () => {
  const clock = manualClock();
  const records = memoryRecordStore();
  return { clock, records, jobs: createJobs(records, clock) };
};
const day = (offset: number): string =>
  new Date(Date.parse('2026-11-22T12:00:00Z') + offset * 86_400_000).toISOString();

describe('jobs', () => {
  test('a second create keeps the first', async () => {
    const { jobs } = make();
    expect(await jobs.create(sampleJob('job-1'))).toMatchObject({ created: true });
    const second = await jobs.create(sampleJob('job-1', { phase: 'ended' }));
    expect(second).toMatchObject({ created: false, job: { phase: 'queued' } });
    expect((await jobs.list({ limit: 10 })).items).toHaveLength(1);
  });

  test('a repeated create with a later time is listed once, and an ended job is no longer running', async () => {
    const { jobs } = make();
    await jobs.create(sampleJob('job-1'));
    await jobs.create(sampleJob('job-1', { createdAt: day(1) }));
    expect((await jobs.list({ limit: 10 })).items).toHaveLength(1);
    expect((await jobs.list({ limit: 10, status: 'running' })).items).toHaveLength(1);
    await jobs.update('job-1', (job) => ({ ...job, status: 'succeeded' }));
    expect((await jobs.list({ limit: 10, status: 'running' })).items).toEqual([]);
    expect((await jobs.list({ limit: 10, status: 'succeeded' })).items).toHaveLength(1);
  });

  test('updates from many sides are all kept', async () => {
    const { jobs } = make();
    await jobs.create(sampleJob('job-1'));
    await Promise.all(
      Array.from({ length: 5 }, (_, index) =>
        jobs.update('job-1', (job) => ({ ...job, notes: [...job.notes, `note ${index}`] })),
      ),
    );
    expect((await jobs.read('job-1'))?.notes).toHaveLength(5);
  });

  test('update of an unknown job is record.not-found, and nothing is written', async () => {
    const { jobs, records } = make();
    const error = await jobs.update('job-1', (job) => job).catch((reason: unknown) => reason);
    expect(isAppError(error, 'record.not-found')).toBe(true);
    expect(records.size()).toBe(0);
  });

  test('lists newest first over many days, page by page, each job once', async () => {
    const { jobs } = make();
    const made = Array.from({ length: 23 }, (_, index) => `job-${String(index).padStart(2, '0')}`);
    for (const [index, id] of made.entries()) await jobs.create(sampleJob(id, { createdAt: day(-index / 3) }));
    const seen: string[] = [];
    let cursor: string | undefined;
    let pages = 0;
    do {
      const page = await jobs.list({ limit: 5, cursor });
      seen.push(...page.items.map((job) => job.id));
      cursor = page.nextCursor;
      pages += 1;
    } while (cursor !== undefined);
    expect(seen).toEqual(made);
    expect(pages).toBe(5);
  });

  test('filters by VM, whatever the case of its id, and by status', async () => {
    const { jobs } = make();
    await jobs.create(sampleJob('job-a', { createdAt: day(-2), status: 'failed' }));
    await jobs.create(sampleJob('job-b', { createdAt: day(-1), vmId: vmIdOf('db') }));
    await jobs.create(sampleJob('job-c', { createdAt: day(0) }));
    const ids = async (filter: object) => (await jobs.list({ limit: 10, ...filter })).items.map((job) => job.id);
    expect(await ids({ vmId: vmIdOf('web').toUpperCase() })).toEqual(['job-c', 'job-a']);
    expect(await ids({ status: 'running' })).toEqual(['job-c', 'job-b']);
    expect(await ids({ status: 'running', vmId: vmIdOf('db') })).toEqual(['job-b']);
    expect(await ids({ status: 'canceled' })).toEqual([]);
  });

  test('a cursor of no list of ours is refused', async () => {
    const { jobs } = make();
    await expect(jobs.list({ limit: 1, cursor: '../other' })).rejects.toThrow('request.invalid');
  });
});

describe('progress', () => {
  const SPAN = 100_000_000;
  const event = (change: Partial<TransferEvent> & { bytes?: number }): TransferEvent => {
    const { bytes = 0, ...rest } = change;
    return {
      kind: 'progress',
      jobId: 'job-1',
      lun: 'os',
      windowIndex: 0,
      stats: { ...emptyStats, logicalBytes: SPAN, changedBytes: SPAN, readBytes: bytes },
      at: 0,
      ...rest,
    } as TransferEvent;
  };

  test('is the sum over windows and disks, and late events never take any of it back', async () => {
    const { jobs, clock } = make();
    const at = clock.now();
    const events = [
      event({ at, bytes: 100 }),
      event({ at: at + 2, bytes: 300, kind: 'finished' }),
      event({ at: at + 1, bytes: 200 }),
      event({ at: at + 9, bytes: 50 }),
      event({ at, lun: 1, windowIndex: 3, bytes: 40 }),
    ];
    for (const one of [...events, ...events.toReversed()]) await jobs.putProgress(one);
    const progress = await jobs.progress('job-1');
    expect(progress).toMatchObject({ bytesDone: SPAN + 40, windowsDone: 1, stats: { readBytes: 340 } });
    expect(progress.windows.map((row) => [row.lun, row.windowIndex, row.state])).toEqual([
      [1, 3, 'copying'],
      ['os', 0, 'done'],
    ]);
  });

  test('a failed window says why, and goes on when another proxy does', async () => {
    const { jobs, clock } = make();
    const at = clock.now();
    await jobs.putProgress(event({ at, bytes: 500 }));
    await jobs.putProgress({
      kind: 'failed',
      jobId: 'job-1',
      lun: 'os',
      windowIndex: 0,
      code: 'access.expired',
      message: 'gone',
      retryable: true,
      at: at + 1,
    });
    expect((await jobs.progress('job-1')).windows[0]).toMatchObject({
      state: 'failed',
      failure: { code: 'access.expired' },
    });
    await jobs.putProgress(event({ at: at + 2, bytes: 10 }));
    const [row] = (await jobs.progress('job-1')).windows;
    expect(row).toMatchObject({ state: 'copying', samples: [{ moved: 10 }] });
    expect(row).not.toHaveProperty('failure');
  });

  test('the rate is that of the last moments: steady, then falling to zero in a stall', async () => {
    const { jobs, clock } = make();
    for (let second = 1; second <= 40; second++) {
      clock.advance(1000);
      await jobs.putProgress(event({ at: clock.now(), bytes: second * 1_000_000 }));
    }
    expect(await jobs.progress('job-1')).toMatchObject({
      rateBytesPerSecond: 1_000_000,
      paceBytesPerSecond: 1_000_000,
      bytesDone: 40_000_000,
    });
    clock.advance(60_000);
    expect((await jobs.progress('job-1')).rateBytesPerSecond).toBe(0);
  });

  test('an incremental window has its unchanged bytes behind it at once, and its audit is no progress', async () => {
    const { jobs, clock } = make();
    clock.advance(1000);
    const stats = { ...emptyStats, logicalBytes: 1000, changedBytes: 100, readBytes: 80, auditBytes: 20 };
    await jobs.putProgress({ ...event({ at: clock.now() }), stats } as TransferEvent);
    clock.advance(1000);
    expect(await jobs.progress('job-1')).toMatchObject({
      bytesDone: 960,
      rateBytesPerSecond: 80,
      paceBytesPerSecond: 960,
    });
  });

  test('a restore has behind it what it wrote and what it cleared', async () => {
    const { jobs } = make();
    const stats = { ...emptyStats, logicalBytes: 1000, readBytes: 300, zeroBytes: 200 };
    await jobs.putProgress({ ...event({}), stats } as TransferEvent);
    expect((await jobs.progress('job-1')).bytesDone).toBe(500);
  });

  test('plan and progress of an unknown job are empty', async () => {
    const { jobs } = make();
    expect(await jobs.readPlan('job-1')).toBeUndefined();
    expect(await jobs.progress('job-1')).toMatchObject({ bytesDone: 0, rateBytesPerSecond: 0, windows: [] });
    await jobs.setPlan('job-1', { bytesTotal: 10, windowsTotal: 2 });
    expect(await jobs.readPlan('job-1')).toEqual({ bytesTotal: 10, windowsTotal: 2 });
  });
});
