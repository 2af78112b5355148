import { createIdempotency } from '../../shared/catalog/idempotency';
import { createPoints } from '../../shared/catalog/points';
import { ABSENT, createPolicies } from '../../shared/catalog/policies';
import { manualClock } from '../helpers/manual-clock';
import { memoryRecordStore } from '../helpers/memory-record-store';
import { sampleMachine, samplePoint, samplePolicy, sampleVerification, vmIdOf } from '../helpers/samples';

describe('policies', () => {
  const make = () => createPolicies(memoryRecordStore(), manualClock());

  test('are created, replaced, listed and removed', async () => {
    const policies = make();
    expect((await policies.put(samplePolicy())).created).toBe(true);
    expect((await policies.put(samplePolicy({ enabled: false }))).created).toBe(false);
    await policies.put(samplePolicy({ name: 'hourly' }));
    expect((await policies.list()).map(({ policy }) => [policy.name, policy.enabled])).toEqual([
      ['hourly', true],
      ['nightly', false],
    ]);
    expect(await policies.remove('hourly')).toBe(true);
    expect(await policies.remove('hourly')).toBe(false);
  });

  test('an expectation that does not hold changes nothing', async () => {
    const policies = make();
    const { etag } = await policies.put(samplePolicy(), ABSENT);
    await policies.put(samplePolicy({ enabled: false }), etag);
    await expect(policies.put(samplePolicy(), etag)).rejects.toThrow('record.conflict');
    await expect(policies.put(samplePolicy(), ABSENT)).rejects.toThrow('record.conflict');
    await expect(policies.remove('nightly', etag)).rejects.toThrow('record.conflict');
    expect((await policies.read('nightly'))?.policy.enabled).toBe(false);
  });

  test('the state goes with the policy', async () => {
    const policies = make();
    await policies.put(samplePolicy());
    await policies.updateState('nightly', (state) => ({ ...state, lastSlot: '2026-11-22T02:00:00.000Z' }));
    expect(await policies.readState('nightly')).toEqual({ lastSlot: '2026-11-22T02:00:00.000Z' });
    await policies.remove('nightly');
    expect(await policies.readState('nightly')).toEqual({});
  });
});

describe('restore points', () => {
  test('are listed newest first, over all VMs and of one', async () => {
    const points = createPoints(memoryRecordStore());
    const other = sampleMachine('db');
    for (const [jobId, at, machine] of [
      ['job-1', '2026-11-20T02:00:00.000Z', undefined],
      ['job-2', '2026-11-22T02:00:00.000Z', other],
      ['job-3', '2026-11-21T02:00:00.000Z', undefined],
    ] as const) {
      await points.put(samplePoint(jobId, at, machine), sampleVerification(at));
      await points.put(samplePoint(jobId, at, machine), sampleVerification(at));
    }
    const ids = (found: readonly { readonly point: { readonly id: string } }[]) => found.map(({ point }) => point.id);
    expect(ids(await points.list())).toEqual(['p-job-2', 'p-job-3', 'p-job-1']);
    expect(ids(await points.list({ vmId: vmIdOf('WEB') }))).toEqual(['p-job-3', 'p-job-1']);
    expect(ids(await points.list({ vmId: vmIdOf('web'), limit: 1 }))).toEqual(['p-job-3']);
    expect(await points.latest(other.id)).toEqual({ id: 'p-job-2', createdAt: '2026-11-22T02:00:00.000Z' });
    expect(await points.latest(vmIdOf('none'))).toBeUndefined();
    const first = await points.page({ limit: 2 });
    const second = await points.page({ limit: 2, cursor: first.nextCursor });
    expect(ids([...first.items, ...second.items])).toEqual(['p-job-2', 'p-job-3', 'p-job-1']);
    expect(second.nextCursor).toBeUndefined();
  });
});

describe('idempotency keys', () => {
  test('one request a key for 24 hours; its repetitions get one seed, then its answer', async () => {
    const clock = manualClock();
    const keys = createIdempotency(memoryRecordStore(), clock);
    const answer = { status: 202, headers: { location: '/api/jobs/x' }, body: { jobId: 'x' } };
    const claims = await Promise.all([keys.claim('key', 'print'), keys.claim('key', 'print')]);
    expect(claims[0]).toEqual(claims[1]);
    expect(claims[0].kind).toBe('proceed');
    expect(await keys.claim('key', 'other')).toEqual({ kind: 'mismatch' });
    await keys.keep('key', 'other', answer);
    await keys.keep('key', 'print', answer);
    expect(await keys.claim('key', 'print')).toEqual({ kind: 'answered', answer });
    clock.advance(86_400_000);
    const later = await keys.claim('key', 'other');
    expect(later.kind).toBe('proceed');
    expect(later).not.toEqual(claims[0]);
  });
});
