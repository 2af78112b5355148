/** The lock keeper's orchestration: step by step, each failing once (heals) and for good (says so), generation after generation. */
import type { KeeperPlace } from '../../shared/collector/keep-locks';
import { keeperOrchestrator } from '../../shared/workflows/keeper/contracts';
import { keepLocks } from '../../shared/workflows/keeper/keep-locks.orchestrator';
import { type Run, runOrchestration } from '../helpers/orchestration-harness';

const STEPS = 45; // more than two generations

function run(
  options: { failAt?: number; failure?: 'once' | 'for-good'; due?: boolean; supersededAt?: number } = {},
): Run {
  return runOrchestration(keeperOrchestrator, {
    instanceId: 'keeper-1',
    input: {},
    orchestrators: { [keeperOrchestrator]: keepLocks },
    entity: () => undefined,
    activities: {
      beginKeeping: () =>
        options.due === false
          ? { kind: 'not-now', why: 'done' }
          : { kind: 'begun', run: { startedAt: 'now', lockedUntil: 'later' } },
      extendLocks: ({ next }: { next?: KeeperPlace }) => {
        const at = Number(next?.key ?? 0) + 1;
        return {
          extended: 10,
          missing: at === 3 ? 1 : 0,
          damaged: at >= 4 ? 1 : 0,
          ...(at < STEPS ? { next: { sessionId: 's', key: String(at), damaged: at >= 4 ? 1 : 0 } } : {}),
          superseded: at === options.supersededAt,
        };
      },
    },
    ...(options.failAt === undefined ? {} : { failAt: options.failAt }),
    ...(options.failure === undefined ? {} : { failure: options.failure }),
  });
}

test('all steps are done, each going on where the last one ended, and sums survive a new generation', () => {
  const { calls, output } = run();
  expect(calls.filter(({ name }) => name === 'extendLocks')).toHaveLength(STEPS);
  expect(calls.filter(({ name }) => name === 'beginKeeping')).toHaveLength(1);
  expect(output).toEqual({ ok: true, value: { outcome: 'kept', extended: 10 * STEPS, missing: 1, damaged: 1 } });
});

test('a run that is not due, and one that another has taken over, do nothing more', () => {
  expect(run({ due: false })).toMatchObject({
    calls: [{ name: 'beginKeeping' }],
    output: { value: { outcome: 'not-now' } },
  });
  const { calls, output } = run({ supersededAt: 2 });
  expect(calls).toHaveLength(3);
  expect(output).toMatchObject({ value: { outcome: 'superseded', extended: 20 } });
});

test.each([0, 1, 25, STEPS])('call %i failing once heals, failing for good is the outcome', (failAt) => {
  expect(run({ failAt, failure: 'once' }).output).toMatchObject({ ok: true, value: { extended: 10 * STEPS } });
  expect(run({ failAt, failure: 'for-good' }).output).toMatchObject({
    ok: false,
    failure: { code: 'cloud.unavailable' },
  });
});
