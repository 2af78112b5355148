import { createDiskBases } from '../../shared/catalog/disk-bases';
import { createIntents } from '../../shared/catalog/intents';
import { createLeases } from '../../shared/catalog/leases';
import { manualClock } from '../helpers/manual-clock';
import { memoryRecordStore } from '../helpers/memory-record-store';

describe('leases', () => {
  const make = () => createLeases(memoryRecordStore(), manualClock());

  test('of many jobs that want one VM, one gets it and all learn its name', async () => {
    const leases = make();
    const answers = await Promise.all(Array.from({ length: 8 }, (_, index) => leases.acquire('vm', `job-${index}`)));
    const winners = answers.filter((answer) => answer.acquired);
    expect(winners).toHaveLength(1);
    expect(new Set(answers.map((answer) => answer.holder)).size).toBe(1);
  });

  test('the holder may acquire again', async () => {
    const leases = make();
    await leases.acquire('vm', 'job-a');
    expect(await leases.acquire('vm', 'job-a')).toMatchObject({ holder: 'job-a', acquired: true });
  });

  test('release frees only its own lease', async () => {
    const leases = make();
    await leases.acquire('vm', 'job-a');
    await leases.release('vm', 'job-b');
    expect(await leases.holder('vm')).toBe('job-a');
    await leases.release('vm', 'job-a');
    await leases.release('vm', 'job-a');
    expect(await leases.holder('vm')).toBeUndefined();
  });

  test('a dead holder is replaced once, by one of those who saw it dead', async () => {
    const leases = make();
    await leases.acquire('vm', 'dead');
    const taken = await Promise.all(['job-a', 'job-b', 'job-c'].map((job) => leases.takeOver('vm', job, 'dead')));
    expect(taken.filter(Boolean)).toHaveLength(1);
    expect(await leases.holder('vm')).toMatch(/^job-/);
  });

  test('take-over repeats, takes a free lease, and refuses a holder it did not expect', async () => {
    const leases = make();
    expect(await leases.takeOver('vm', 'job-a', 'gone')).toBe(true);
    expect(await leases.takeOver('vm', 'job-a', 'gone')).toBe(true);
    expect(await leases.takeOver('vm', 'job-b', 'gone')).toBe(false);
  });
});

describe('intents', () => {
  test('are kept once, listed by job, and closed once', async () => {
    const clock = manualClock();
    const intents = createIntents(memoryRecordStore(), clock);
    await intents.record('job-1', 'snapshot', '/snap/A');
    clock.advance(1000);
    await intents.record('job-1', 'snapshot', '/snap/a');
    await intents.record('job-1', 'access', '/snap/a');
    await intents.record('job-10', 'fleet', 'westeurope');
    expect((await intents.list('job-1')).map((intent) => [intent.kind, intent.resourceId, intent.recordedAt])).toEqual([
      ['access', '/snap/a', '2026-11-22T12:00:01.000Z'],
      ['snapshot', '/snap/A', '2026-11-22T12:00:00.000Z'],
    ]);
    await intents.close('job-1', 'snapshot', '/snap/a');
    await intents.close('job-1', 'snapshot', '/snap/a');
    expect(await intents.list()).toHaveLength(2);
  });
});

describe('disk bases', () => {
  test('are replaced, removed, and refuse a record that is not theirs', async () => {
    const records = memoryRecordStore();
    const bases = createDiskBases(records);
    const base = {
      pointId: 'p-job-1',
      snapshotId: '/snap/1',
      sourceUniqueId: 'disk-1',
      sizeBytes: 1024,
      logicalSectorBytes: 512,
      takenAt: '2026-11-22T12:00:00.000Z',
    };
    await bases.put('disk', base);
    await bases.put('disk', { ...base, snapshotId: '/snap/2', familyId: 'family' });
    expect(await bases.read('disk')).toMatchObject({ snapshotId: '/snap/2', familyId: 'family' });
    await bases.remove('disk');
    expect(await bases.read('disk')).toBeUndefined();
    await records.put('disk-bases', 'disk', { snapshotId: 'sig=secret' });
    await expect(bases.read('disk')).rejects.toThrow(/format.unknown.*pointId/);
    await expect(bases.read('disk')).rejects.not.toThrow(/secret/);
  });
});
