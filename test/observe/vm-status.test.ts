/** the table of states. Whatever single thing is wrong or unknown, the status is not green. */
import * as fc from 'fast-check';
import { type VmFacts, vmStatus } from '../../shared/observe/vm-status';

const HOUR = 3600;
const nowMs = Date.parse('2026-03-01T12:00:00Z');
const ago = (hours: number): string => new Date(nowMs - hours * HOUR * 1000).toISOString();

const good: VmFacts = {
  policies: ['gold'],
  lastPointAt: ago(10),
  lastVerifiedAt: ago(10),
  rpoSeconds: 24 * HOUR,
  doubts: [],
  nowMs,
};

test('all is well: protected, without a reason', () => {
  expect(vmStatus(good)).toEqual({ state: 'protected', reasons: [], rpoGapSeconds: 0 });
});

const spoilers: Readonly<Record<string, readonly [Partial<VmFacts>, string]>> = {
  'no policy': [{ policies: [] }, 'unprotected'],
  'cannot be backed up': [{ obstacle: 'disk 3: shared' }, 'unprotected'],
  'no point': [{ lastPointAt: undefined }, 'unprotected'],
  'a time that is none': [{ lastPointAt: 'yesterday' }, 'unprotected'],
  'point too old': [{ lastPointAt: ago(26) }, 'at-risk'],
  'point in the future': [{ lastPointAt: ago(-1) }, 'at-risk'],
  'never verified': [{ lastVerifiedAt: undefined }, 'at-risk'],
  'verified too long ago': [{ lastVerifiedAt: ago(60) }, 'at-risk'],
  'verification failed': [{ verificationFailed: true }, 'at-risk'],
  'disks missing': [{ partial: true }, 'at-risk'],
  'last job failed': [{ lastJobFailed: true }, 'at-risk'],
  'no schedule': [{ rpoSeconds: undefined }, 'at-risk'],
  'the scheduler is silent': [{ doubts: ['the scheduler has been silent for 40 min'] }, 'at-risk'],
};

test.each(Object.entries(spoilers))('%s: not green, and it says why', (_name, [change, state]) => {
  const status = vmStatus({ ...good, ...change });
  expect(status.state).toBe(state);
  expect(status.reasons.length).toBeGreaterThan(0);
});

test('however much else is right or wrong, one spoiler keeps it from green', async () => {
  const names = Object.keys(spoilers);
  await fc.assert(
    fc.property(fc.uniqueArray(fc.constantFrom(...names), { minLength: 1 }), (chosen) => {
      const facts = Object.assign({ ...good }, ...chosen.map((name) => spoilers[name]?.[0])) as VmFacts;
      expect(['at-risk', 'unprotected']).toContain(vmStatus(facts).state);
    }),
  );
});

test('excluded on purpose is a state of its own, unless a policy protects it after all', () => {
  const excludedBy = 'policy gold, tag backup=none';
  expect(vmStatus({ ...good, policies: [], excludedBy })).toEqual({
    state: 'excluded',
    reasons: [`excluded by ${excludedBy}`],
  });
  expect(vmStatus({ ...good, excludedBy }).state).toBe('protected');
});

test('the gap counts from what the policy allows', () => {
  expect(vmStatus({ ...good, lastPointAt: ago(30) }).rpoGapSeconds).toBe(5 * HOUR);
});
