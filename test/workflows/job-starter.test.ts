/** Races of starting and canceling that HTTP requests can run into. */
import { createCatalog } from '../../shared/catalog/catalog';
import { resourceKey } from '../../shared/model/ids';
import type { OrchestrationClient } from '../../shared/workflows/durable';
import { createJobStarter } from '../../shared/workflows/jobs';
import { manualClock } from '../helpers/manual-clock';
import { memoryRecordStore } from '../helpers/memory-record-store';
import { sampleJob, sampleMachine } from '../helpers/samples';

const idle: OrchestrationClient = {
  start: () => Promise.resolve('started'),
  raise: () => Promise.resolve(),
  isRunning: () => Promise.resolve(false),
  signal: () => Promise.resolve(),
};

function makeStarter() {
  const clock = manualClock();
  const catalog = createCatalog(memoryRecordStore(), clock);
  let made = 0;
  const randomHex = (): string => String(++made).padStart(8, '0');
  return { clock, catalog, starter: createJobStarter({ catalog, orchestrations: idle, clock, randomHex }) };
}
const machine = sampleMachine('web');

test('starts at the same time make one job, and all others learn its id', async () => {
  const { starter, catalog } = makeStarter();
  const answers = await Promise.all(
    Array.from({ length: 6 }, () => starter.startBackup({ machine, trigger: 'request' })),
  );
  expect(answers.filter(({ outcome }) => outcome === 'started')).toHaveLength(1);
  expect(new Set(answers.map(({ jobId }) => jobId)).size).toBe(1);
  expect((await catalog.jobs.list({ limit: 10 })).items).toHaveLength(1);
});

test('a lease whose job has no record yet is respected for a minute, then taken over', async () => {
  const { starter, catalog, clock } = makeStarter();
  await catalog.leases.acquire(resourceKey(machine.id), 'b-20261122-120000-ffffffff');
  const early = await starter.startBackup({ machine, trigger: 'request' });
  expect(early).toEqual({ outcome: 'running', jobId: 'b-20261122-120000-ffffffff' });
  clock.advance(61_000);
  expect(await starter.startBackup({ machine, trigger: 'request' })).toMatchObject({ outcome: 'started' });
});

test('a cancel that comes while the job enters its last phase is not accepted', async () => {
  const { starter, catalog } = makeStarter();
  const { jobId } = await starter.startBackup({ machine, trigger: 'request' });
  await catalog.jobs.update(jobId, (job) => ({ ...job, phase: 'finishing' }));
  expect(await starter.cancel(jobId)).toBe('ended');
  expect((await catalog.jobs.read(jobId))?.cancelRequested).toBe(false);
  await catalog.jobs.create(sampleJob('b-20261122-120000-aaaaaaaa'));
  expect(await starter.cancel('b-20261122-120000-aaaaaaaa')).toBe('requested');
  expect(await starter.cancel('b-20261122-120000-bbbbbbbb')).toBe('unknown');
});
