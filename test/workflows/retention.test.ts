/**
 * Retention and collector as one orchestration, over the real activities, a real repository in memory and a real catalog: what
 * the rules let go, each step failing once (heals) and for good (nothing is lost, the next run goes on), and two at once.
 */
import type { OrchestrationContext } from 'durable-functions';
import { silentLogger } from '../../shared/base/logger';
import { holdPoint, undoExpiry } from '../../shared/blockstore/expiry';
import { openSession } from '../../shared/blockstore/session';
import { createCatalog } from '../../shared/catalog/catalog';
import type { WorkflowDependencies } from '../../shared/workflows/dependencies';
import { failureOf, type Outcome } from '../../shared/workflows/durable';
import { createRetentionActivities } from '../../shared/workflows/retention/activities';
import type { RetentionEnd, RetentionInput } from '../../shared/workflows/retention/contracts';
import { retentionRun } from '../../shared/workflows/retention/retention.orchestrator';
import { type CollectorBench, collectorBench } from '../collector/collector-bench';
import { vmKey } from '../helpers/backup-bench';
import { memoryRecordStore } from '../helpers/memory-record-store';
import { samplePolicy } from '../helpers/samples';

type Activities = ReturnType<typeof createRetentionActivities>;
interface Injected {
  readonly failAt: number;
  readonly failure: 'once' | 'for-good';
}

/** Days of one VM with a point each, `keepLast: 2`, and disks that share nothing. */
async function world(days: number) {
  const bench = collectorBench();
  const catalog = createCatalog(memoryRecordStore(), bench.clock);
  const { policy } = { policy: samplePolicy({ name: 'nightly', retention: { keepLast: 2 } }) };
  await catalog.policies.put(policy);
  const points = [];
  for (let day = 1; day <= days; day++) {
    const { point } = await bench.backup(`job-${day}`, [bench.snapshot(`s${day}`, day * 10)]);
    await catalog.points.put({ ...point, policy: 'nightly' }, { level: 'sample', verifiedAt: point.createdAt });
    points.push(point);
    bench.pass(1);
  }
  const deps = {
    catalog,
    clock: bench.clock,
    logger: silentLogger,
    openCollector: async () => bench.context(),
  } as unknown as WorkflowDependencies; // what these activities use of it
  return { bench, catalog, points, activities: createRetentionActivities(deps), deps };
}

/** The orchestrator to its end; activities for real, timers move the clock. `calls` names what was called. */
async function run(
  bench: CollectorBench,
  activities: Activities,
  {
    injected,
    input = { trigger: 'schedule' },
    calls = [],
  }: { injected?: Injected; input?: RetentionInput; calls?: string[] } = {},
): Promise<RetentionEnd> {
  let brokenName: string | undefined;
  const perform = async (name: string, value: unknown): Promise<Outcome<unknown>> => {
    const position = calls.push(name) - 1;
    const breaks = position === injected?.failAt || (injected?.failure === 'for-good' && name === brokenName);
    if (breaks && injected.failure === 'for-good') brokenName = name;
    try {
      const activity = activities[name as keyof Activities] as (given: unknown) => Promise<unknown>;
      // An activity that fails has often done its work already: its reply was lost.
      const done = await activity(JSON.parse(JSON.stringify(value)));
      if (!breaks) return { ok: true, value: JSON.parse(JSON.stringify(done)) };
      return {
        ok: false,
        failure: { code: 'cloud.unavailable', message: 'injected', retryable: injected.failure === 'once' },
      };
    } catch (error) {
      return { ok: false, failure: failureOf(error) };
    }
  };
  const df = {
    instanceId: 'g-1',
    get currentUtcDateTime() {
      return new Date(bench.clock.now());
    },
    getInput: () => input,
    callActivity: (name: string, value: unknown) => () => perform(name, value),
    createTimer: (at: Date) => async () => bench.clock.advance(Math.max(0, at.getTime() - bench.clock.now())),
    Task: { all: (tasks: (() => Promise<unknown>)[]) => () => Promise.all(tasks.map((task) => task())) },
  };
  const steps = retentionRun({ df } as unknown as OrchestrationContext);
  let step = steps.next();
  while (!step.done) step = steps.next(await (step.value as unknown as () => Promise<unknown>)());
  return step.value;
}

const listed = async ({ catalog }: Pick<Awaited<ReturnType<typeof world>>, 'catalog'>): Promise<string[]> =>
  (await catalog.points.list()).map(({ point }) => point.id);

test('what no rule keeps leaves the lists; two weeks later its data go, and every other point restores', async () => {
  const made = await world(5);
  const { bench, catalog, activities, points } = made;
  const packs = bench.packs().length;
  expect(await run(bench, activities)).toMatchObject({ expired: 3, gone: 0, collection: { outcome: 'nothing' } });
  expect(await listed(made)).toEqual(['p-job-5', 'p-job-4']);
  expect((await catalog.points.expired({ limit: 9 })).map(({ point }) => point.id)).toEqual([
    'p-job-3',
    'p-job-2',
    'p-job-1',
  ]);
  expect(bench.packs()).toHaveLength(packs);
  expect(await run(bench, activities)).toMatchObject({ expired: 0, returned: 0 });

  bench.pass(15);
  const end = await run(bench, activities);
  expect(end).toMatchObject({ expired: 0, gone: 3, collection: { outcome: 'closed', livePoints: 2 } });
  expect(bench.packs()).toHaveLength(packs - 3);
  expect(await catalog.points.expired({ limit: 9 })).toEqual([]);
  expect(await catalog.points.read('p-job-1')).toBeUndefined();
  for (const day of [4, 5]) {
    const restored = await bench.restore(`res-${day}`, points[day - 1] as (typeof points)[0], 0);
    expect(restored.equals(bench.diskOf(day * 10).bytes)).toBe(true);
  }
  expect(await catalog.retentionRuns.list(9)).toMatchObject([{ runId: 'g-1', collection: { outcome: 'closed' } }]);
});

test('a hold keeps what the rules let go; what was taken back returns to the lists', async () => {
  const made = await world(4);
  const { bench, activities, catalog } = made;
  const repository = await bench.repository();
  await holdPoint(repository, 'p-job-1', { by: 'person', reason: 'case 12' });
  expect(await run(bench, activities)).toMatchObject({ expired: 1, held: 1 });
  expect(await listed(made)).toEqual(['p-job-4', 'p-job-3', 'p-job-1']);
  expect(await catalog.points.read('p-job-1')).toMatchObject({
    standing: { hold: { by: 'person', reason: 'case 12' } },
  });
  expect(await catalog.points.read('p-job-2')).toMatchObject({
    standing: { expiry: { by: 'policy:nightly', reason: 'no rule of its policy keeps it' } },
  });
  expect(await run(bench, activities)).toMatchObject({ expired: 0, held: 0 });

  await undoExpiry(repository, 'p-job-2');
  await catalog.policies.put(samplePolicy({ name: 'nightly', retention: { keepLast: 9 } }));
  expect(await run(bench, activities)).toMatchObject({ returned: 1, expired: 0 });
  expect(await listed(made)).toEqual(['p-job-4', 'p-job-3', 'p-job-2', 'p-job-1']);
});

test('points of a policy that is gone, and of none, stay', async () => {
  const made = await world(4);
  await made.catalog.policies.remove('nightly');
  expect(await run(made.bench, made.activities)).toMatchObject({ vms: 1, expired: 0 });
  expect(await listed(made)).toHaveLength(4);
});

test('a session that began before the list is waited for in durable timers; a silent one is fenced', async () => {
  const { bench, activities } = await world(4);
  await run(bench, activities);
  bench.pass(15);
  await openSession(await bench.repository(), { sessionId: 'job-9', vmKey, kind: 'BACKUP' });
  const calls: string[] = [];
  const end = await run(bench, activities, { calls });
  expect(end.collection).toMatchObject({ outcome: 'closed', fenced: ['job-9'] });
  expect(calls.filter((name) => name === 'lookForSessions').length).toBeGreaterThan(10);
});

test('more than a tenth: it asks, deletes nothing, and goes on when the figures are allowed', async () => {
  const { bench, deps, catalog } = await world(4);
  const activities = createRetentionActivities({
    ...deps,
    openCollector: async () => bench.context({ shareMax: 0.1 }),
  });
  await run(bench, activities);
  bench.pass(15);
  const packs = bench.packs();
  const { collection } = await run(bench, activities);
  expect(collection).toMatchObject({ outcome: 'asks', stops: [{ reason: 'share' }] });
  expect(bench.packs()).toEqual(packs);
  expect(await catalog.retentionRuns.list(1)).toMatchObject([{ collection: { stops: [{ reason: 'share' }] } }]);
  const allowance = { units: collection?.condemned?.units ?? 0, bytes: collection?.condemned?.bytes ?? 0 };
  const input = { trigger: 'request', allowance } as const;
  expect((await run(bench, activities, { input })).collection?.outcome).toBe('closed');
  expect(bench.packs()).toHaveLength(packs.length - 2);
});

test('without a collector nothing is done, and the run says what is missing', async () => {
  const { bench, deps, catalog } = await world(4);
  const { openCollector: _, ...rest } = deps;
  const end = await run(bench, createRetentionActivities(rest));
  expect(end.failure).toMatchObject({
    code: 'config.invalid',
    message: expect.stringContaining('BLOCKFERRY_COLLECTOR_ROLE_ARN'),
  });
  expect(await catalog.retentionRuns.list(1)).toMatchObject([{ failure: { code: 'config.invalid' } }]);
  expect(await catalog.heartbeats.lastAtMs('retention')).toBeUndefined();
});

describe('each step', () => {
  /** A run with everything to do: points to give up, a cycle to go through. */
  async function full() {
    const made = await world(4);
    await run(made.bench, made.activities);
    made.bench.pass(15);
    await made.catalog.policies.put(samplePolicy({ name: 'nightly', retention: { keepLast: 1 } }));
    return made;
  }
  let names: string[];
  beforeAll(async () => {
    const { bench, activities } = await full();
    names = [];
    await run(bench, activities, { calls: names });
    expect(new Set(names)).toEqual(new Set(Object.keys(activities).filter((name) => name !== 'fenceSilent')));
  });
  const positions = Array.from({ length: 9 }, (_, index) => index);
  let restores = 0;
  const left = async (made: Awaited<ReturnType<typeof full>>) => ({
    lists: await listed(made),
    packs: made.bench.packs().length,
    sound: (await made.bench.restore(`res-x${restores++}`, made.points[3] as (typeof made.points)[0], 0)).equals(
      made.bench.diskOf(40).bytes,
    ),
  });
  const wanted = { lists: ['p-job-4'], packs: 2, sound: true };

  test.each(positions)('call %i failing once heals, also when its work was done', async (failAt) => {
    const made = await full();
    const end = await run(made.bench, made.activities, { injected: { failAt, failure: 'once' } });
    expect(end.failure).toBeUndefined();
    expect(end.collection?.outcome).toBe('closed');
    expect(await left(made)).toEqual(wanted);
  });

  test.each(positions.slice(0, -1))(
    'call %i failing for good loses nothing, and the next run goes on',
    async (failAt) => {
      const made = await full();
      const end = await run(made.bench, made.activities, { injected: { failAt, failure: 'for-good' } });
      expect(end.failure).toMatchObject({ code: 'cloud.unavailable' });
      expect((await left(made)).sound).toBe(true);
      expect((await run(made.bench, made.activities)).failure).toBeUndefined();
      expect(await left(made)).toEqual(wanted);
    },
  );

  test('two runs at once do what one does', async () => {
    const made = await full();
    const ends = await Promise.all([run(made.bench, made.activities), run(made.bench, made.activities)]);
    for (const { failure } of ends) expect(failure === undefined || failure.code === 'store.conflict').toBe(true);
    await run(made.bench, made.activities);
    expect(await left(made)).toEqual(wanted);
  });
});
