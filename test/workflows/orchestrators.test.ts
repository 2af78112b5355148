/** Each orchestrator: the order of its story, each step failing once (heals) and for good (nothing is left behind). */
import { type Run, runOrchestration } from '../helpers/orchestration-harness';
import { activitiesOf, entityOf, newWorld, orchestrators, type World } from './backup-world';

interface Failing {
  readonly failAt: number;
  readonly failure: 'once' | 'for-good';
}

function run(name: 'backupJob' | 'restoreJob', failing?: Failing): { world: World; run: Run } {
  const world = newWorld();
  const result = runOrchestration(name, {
    instanceId: name === 'backupJob' ? 'b-1' : 'r-1',
    input: { vmId: 'vm', excludeLuns: [] },
    orchestrators,
    activities: activitiesOf(world),
    entity: entityOf(world),
    ...failing,
  });
  return { world, run: result };
}

const firstCalls = (result: Run): string[] => [...new Set(result.calls.map((call) => call.name))];

/** Steps whose failing for good must itself leave something: they are the ones that clean up, and the job's notes say so. */
const cleaners = ['abandonSession', 'dataProxyFleet.release', 'endAccess', 'removeSnapshot', 'discardTarget', 'endJob'];

describe('backup job', () => {
  test('does the steps in the order of the story and swaps the base snapshots only after verification', () => {
    const { world, run: result } = run('backupJob');
    expect(result.error).toBeUndefined();
    expect(firstCalls(result)).toEqual([
      'beginBackup',
      'enterPhase',
      'requestSnapshot',
      'checkSnapshots',
      'prepareTransfer',
      'dataProxyFleet.use',
      'sendTransfers',
      'checkTransfers',
      'publishPoint',
      'verifyPoint',
      'adoptPoint',
      'dataProxyFleet.release',
      'endAccess',
      'removeSnapshot',
      'endJob',
    ]);
    expect([...world.snapshots].sort()).toEqual(['new-0', 'new-os']);
    expect(world.access.size + world.fleet.size).toBe(0);
    expect(world.ended).toMatchObject([{ status: 'succeeded' }]);
  });

  const clean = run('backupJob').run.calls;

  test.each(clean.map((call, index) => [index, call.name] as const))('call %i (%s) failing once heals', (failAt) => {
    const { world, run: result } = run('backupJob', { failAt, failure: 'once' });
    expect(result.error).toBeUndefined();
    expect(world.ended).toMatchObject([{ status: 'succeeded' }]);
    expect([...world.snapshots].sort()).toEqual(['new-0', 'new-os']);
    expect(world.access.size + world.fleet.size).toBe(0);
  });

  test.each(clean.map((call, index) => [index, call.name] as const).filter(([, name]) => !cleaners.includes(name)))(
    'call %i (%s) failing for good leaves nothing behind and keeps the old base',
    (failAt) => {
      const { world, run: result } = run('backupJob', { failAt, failure: 'for-good' });
      expect(result.error).toBeUndefined();
      expect(world.ended).toMatchObject([{ status: 'failed', failure: { code: 'cloud.unavailable' } }]);
      expect([...world.snapshots].sort()).toEqual(['base-0', 'base-os']);
      expect(world.access.size + world.fleet.size).toBe(0);
      expect(world.base).toBe('base');
      expect(world.session).not.toBe('pending');
    },
  );

  test.each(cleaners.filter((name) => clean.some((call) => call.name === name) && name !== 'endJob'))(
    '%s failing for good is noted, and the other clean-up steps still run',
    (name) => {
      const { world, run: result } = run('backupJob', {
        failAt: clean.findIndex((call) => call.name === name),
        failure: 'for-good',
      });
      expect(result.error).toBeUndefined();
      expect(world.ended).toMatchObject([
        { status: 'succeeded', notes: [expect.stringContaining('left to the janitor')] },
      ]);
    },
  );

  test('a transfer without progress asks for the fleet again and then gives up', () => {
    const world = newWorld();
    const result = runOrchestration('backupJob', {
      instanceId: 'b-1',
      input: { vmId: 'vm', excludeLuns: [] },
      orchestrators,
      activities: { ...activitiesOf(world), checkTransfers: () => ({ windowsDone: 0, windowsTotal: 4, bytesSeen: 7 }) },
      entity: entityOf(world),
    });
    expect(world.ended).toMatchObject([{ status: 'failed', failure: { code: 'job.stalled' } }]);
    expect(result.calls.filter((call) => call.name === 'dataProxyFleet.use')).toHaveLength(4);
    expect([...world.snapshots].sort()).toEqual(['base-0', 'base-os']);
  });

  test('a long transfer continues as new and still ends', () => {
    const world = newWorld();
    let looks = 0;
    const result = runOrchestration('backupJob', {
      instanceId: 'b-1',
      input: { vmId: 'vm', excludeLuns: [] },
      orchestrators,
      activities: {
        ...activitiesOf(world),
        checkTransfers: () => ({ windowsDone: looks++ < 130 ? 0 : 4, windowsTotal: 4, bytesSeen: looks }),
      },
      entity: entityOf(world),
    });
    expect(result.error).toBeUndefined();
    expect(world.ended).toMatchObject([{ status: 'succeeded' }]);
    expect(result.calls.filter((call) => call.name === 'sendTransfers')).toHaveLength(1);
  });
});

describe('restore job', () => {
  const clean = run('restoreJob').run.calls;

  test('makes the target, fills it, finishes it, and releases everything', () => {
    const { world } = run('restoreJob');
    expect(world.ended).toMatchObject([{ status: 'succeeded' }]);
    expect([...world.disks]).toEqual(['restored-os']);
    expect(world.session).toBe('aborted');
    expect(world.fleet.size).toBe(0);
  });

  test.each(clean.map((call, index) => [index, call.name] as const))('call %i (%s) failing once heals', (failAt) => {
    const { world } = run('restoreJob', { failAt, failure: 'once' });
    expect(world.ended).toMatchObject([{ status: 'succeeded' }]);
    expect([...world.disks]).toEqual(['restored-os']);
  });

  test.each(clean.map((call, index) => [index, call.name] as const).filter(([, name]) => !cleaners.includes(name)))(
    'call %i (%s) failing for good discards the target',
    (failAt) => {
      const { world } = run('restoreJob', { failAt, failure: 'for-good' });
      expect(world.ended).toMatchObject([{ status: 'failed' }]);
      expect(world.disks.size + world.fleet.size).toBe(0);
      expect(world.session).not.toBe('pending');
    },
  );
});
