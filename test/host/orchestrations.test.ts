/** Durable orchestrations on the embedded host, seen through the HTTP API only. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type HostProcess, notes, startHost, temporaryDir, until } from './host-process';

const scratch = temporaryDir();
let host: HostProcess;

beforeAll(async () => {
  host = await startHost({ dir: scratch.dir });
});
afterAll(async () => {
  await host?.stop();
  scratch.remove();
});

test('activities run one after the other, values come back as they were', async () => {
  expect(await host.run('chain', 3)).toMatchObject({ runtimeStatus: 'Completed', output: 24, input: 3, name: 'chain' });
  expect((await host.run('values', { Timestamp: 1, text: 'x' })).output).toEqual({
    text: 'plain text',
    list: [1, { a: null }],
    nothing: null,
    input: { Timestamp: 1, text: 'x' },
    replaying: false,
  });
});

test('a fan-out of 300 comes together', async () => {
  expect((await host.run('fanOut', 300)).output).toBe(300 * 299);
});

test('a failed activity fails its orchestration with the original message', async () => {
  const status = await host.run('failing');
  expect(status.runtimeStatus).toBe('Failed');
  expect(status.output).toContain('told to fail: on purpose');
});

test('exception properties reach the orchestrator, and the parent of one that passes them on', async () => {
  expect((await host.run('typedFailure')).output).toEqual({
    errorType: 'DiskError',
    errorMessage: '[disk.gone] the disk is gone',
    properties: { code: 'disk.gone', retryable: false },
  });
  expect((await host.run('typedParent')).output).toEqual({ code: 'disk.gone', retryable: false });
});

test('retries heal, also inside Task.all, and ids stay right after them', async () => {
  const output = (await host.run('retrying', { key: 'heals', failures: 2, attempts: 4 })).output;
  expect(output).toEqual({ all: [3, 42, 3], after: 84 });
});

test('retries that are used up throw into the orchestrator', async () => {
  const { output } = await host.run('retrying', { key: 'spent', failures: 99, attempts: 2 });
  expect(output).toMatchObject({ after: 2, error: expect.stringContaining('attempt 2 of spent') });
});

test('sub-orchestrations: named, unnamed, parallel, failing with retry', async () => {
  const { output, instanceId } = await host.run('parent');
  expect(output).toMatchObject({ named: 8, both: [16, 6], error: expect.stringContaining('told to fail') });
  expect((await host.status(`${instanceId}-child`)).output).toBe(8);
});

test('timers fire in order and a cancelled one does not hold the orchestration', async () => {
  expect((await host.run('timers')).output).toEqual({ quickWon: true, waited: true });
});

test('events are waited for, buffered when early, and seen in the custom status', async () => {
  const id = await host.start('events');
  await until(async () => ((await host.status(id)).customStatus === null ? undefined : true));
  expect((await host.status(id)).customStatus).toEqual({ waitingFor: 'first' });
  expect(await host.raise(id, 'second', 'early')).toBe(202);
  expect(await host.raise(id, 'third', [3])).toBe(202);
  expect(await host.raise(id, 'first', { value: 1 })).toBe(202);
  const status = await host.ended(id);
  expect(status.output).toEqual({ first: { value: 1 }, second: 'early', third: [3] });
  expect(status.customStatus).toEqual({ waitingFor: 'second' });
  expect(await host.raise(id, 'first', 1)).toBe(410);
  expect(await host.raise('unheard-of', 'first', 1)).toBe(404);
});

test('continue-as-new keeps every event that was not consumed, in order', async () => {
  const wanted = 12;
  const id = await host.start('eternal', { seen: [], wanted });
  for (let item = 0; item < wanted; item += 1) {
    await host.raise(id, 'item', item);
  }
  expect((await host.ended(id)).output).toEqual(Array.from({ length: wanted }, (_, item) => item));
});

test('a living id is refused with 409, an ended one may start again', async () => {
  await host.start('wait', 1, 'single');
  const again = await host.durable('orchestrators/wait/single', { method: 'POST', body: '2' });
  expect(again.status).toBe(409);
  await host.raise('single', 'go', 'done');
  expect((await host.ended('single')).output).toBe('done');
  await host.start('wait', 3, 'single');
  expect((await host.status('single')).input).toBe(3);
  expect(await host.command('single', 'terminate')).toBe(202);
});

test('an unknown orchestrator is refused, malformed bodies are 400', async () => {
  expect((await host.durable('orchestrators/nobody', { method: 'POST' })).status).toBe(400);
  expect((await host.durable('orchestrators/chain', { method: 'POST', body: '{' })).status).toBe(400);
  const id = await host.start('wait');
  expect((await host.durable(`instances/${id}/raiseEvent/go`, { method: 'POST', body: '{' })).status).toBe(400);
  await host.command(id, 'terminate');
});

test('terminate ends at once and tells the reason', async () => {
  const id = await host.start('wait');
  expect(await host.command(id, 'terminate')).toBe(202);
  expect(await host.status(id)).toMatchObject({ runtimeStatus: 'Terminated', output: 'test' });
  expect(await host.command(id, 'terminate')).toBe(410);
  expect(await host.command('unheard-of', 'terminate')).toBe(404);
});

test('a suspended orchestration collects events and goes on when resumed', async () => {
  const id = await host.start('wait');
  expect(await host.command(id, 'suspend')).toBe(202);
  expect((await host.status(id)).runtimeStatus).toBe('Suspended');
  await host.raise(id, 'go', 5);
  expect((await host.status(id)).runtimeStatus).toBe('Suspended');
  expect(await host.command(id, 'resume')).toBe(202);
  expect((await host.ended(id)).output).toBe(5);
});

test('rewind repeats only what failed, down into a failed child', async () => {
  const id = await host.start('rewindable', { file: 'healed' });
  expect((await host.ended(id)).runtimeStatus).toBe('Failed');
  expect(await host.command(id, 'rewind')).toBe(202);
  expect((await host.ended(id)).runtimeStatus).toBe('Failed');
  writeFileSync(join(scratch.dir, 'healed'), '');
  expect(await host.command(id, 'rewind')).toBe(202);
  expect(await host.ended(id)).toMatchObject({
    runtimeStatus: 'Completed',
    output: { before: 'before', both: [['first', 'healed'], 'kept'] },
  });
  const ran = notes(scratch.dir, 'activities');
  expect(ran.filter((line) => ['echo "before"', 'echo "first"', 'echo "kept"'].includes(line))).toHaveLength(3);
  expect(await host.command(id, 'rewind')).toBe(412);
});

test('restart runs the same again under a new id', async () => {
  const id = await host.start('chain', 5);
  await host.ended(id);
  const response = await host.durable(`instances/${id}/restart`, { method: 'POST' });
  const body = (await response.json()) as { id: string };
  expect(body.id).not.toBe(id);
  expect((await host.ended(body.id)).output).toBe(40);
});

test('the history names what ran', async () => {
  const id = (await host.run('chain', 1)).instanceId;
  const { historyEvents = [] } = await host.status(id, '?showHistory=true&showHistoryOutput=true');
  expect(historyEvents.map((item) => item.EventType)).toEqual([
    'ExecutionStarted',
    'TaskCompleted',
    'TaskCompleted',
    'TaskCompleted',
    'ExecutionCompleted',
  ]);
  expect(historyEvents[1]).toMatchObject({ FunctionName: 'double', Result: 2 });
});

test('lists filter and page; purge takes one, many, and only what has ended', async () => {
  const ids: string[] = [];
  for (let index = 0; index < 5; index += 1) {
    ids.push(await host.start('chain', index, `page-${index}`));
  }
  const living = await host.start('wait', undefined, 'page-living');
  await Promise.all(ids.map((id) => host.ended(id)));
  const seen: string[] = [];
  let token = '';
  do {
    const headers = { 'x-ms-continuation-token': token };
    const page = await host.durable('instances?instanceIdPrefix=page-&runtimeStatus=Completed&top=2', { headers });
    const rows = (await page.json()) as { instanceId: string }[];
    expect(rows.length).toBeLessThanOrEqual(2);
    seen.push(...rows.map((row) => row.instanceId));
    token = page.headers.get('x-ms-continuation-token') ?? '';
  } while (token !== '');
  expect(seen.sort()).toEqual(ids);

  const future = await host.durable('instances?createdTimeFrom=2100-01-01T00:00:00Z');
  expect(await future.json()).toEqual([]);
  expect((await host.durable('instances?createdTimeFrom=nonsense')).status).toBe(400);
  for (const top of ['0', '-3', '1.5', 'x']) {
    expect((await host.durable(`instances?top=${top}`)).status).toBe(400);
  }
  expect((await host.durable('instances?top=1', { headers: { 'x-ms-continuation-token': 'zz' } })).status).toBe(400);

  expect((await host.durable('instances/page-0', { method: 'DELETE' })).status).toBe(200);
  expect((await host.durable('instances/page-0')).status).toBe(404);
  expect((await host.durable(`instances/${living}`, { method: 'DELETE' })).status).toBe(404);
  const many = await host.durable('instances?instanceIdPrefix=page-', { method: 'DELETE' });
  expect(await many.json()).toEqual({ instancesDeleted: 4 });
  expect((await host.status(living)).runtimeStatus).toBe('Running');
  await host.command(living, 'terminate');
});

test('a task yielded twice fails the orchestration with a clear message', async () => {
  const status = await host.run('reusing');
  expect(status.runtimeStatus).toBe('Failed');
  expect(status.output).toContain('the call of pause');
});

test('an orchestrator that asks for other calls when replayed fails as non-deterministic', async () => {
  const status = await host.run('random');
  expect([status.runtimeStatus, status.output]).toEqual(['Failed', expect.stringContaining('Non-deterministic')]);
});

test('callHttp brings the answer back', async () => {
  const status = await host.run('calling', `${host.url}/api/items/7`);
  expect(status.output).toEqual({ status: 200, content: '{"kind":"item","id":"7"}', after: 6 });
});

test('an activity whose worker dies is delivered again', async () => {
  expect((await host.run('surviving', { flag: 'died' })).output).toBe('survived');
});

test('an activity past functionTimeout fails, and the engine goes on', async () => {
  const status = await host.run('tooLong');
  expect([status.runtimeStatus, status.output]).toEqual(['Failed', expect.stringContaining('Timeout value of 2 s')]);
  expect((await host.run('chain', 1)).output).toBe(8);
});

test('a turn past functionTimeout is tried again with a new worker', async () => {
  expect((await host.run('hangingOnce', { flag: 'hung' })).output).toBe('went on');
});

test('an orchestrator that asks for what cannot be scheduled fails and does not hang', async () => {
  const { runtimeStatus, output } = await host.run('patient');
  expect([runtimeStatus, output]).toEqual(['Failed', expect.stringContaining('cannot be scheduled')]);
});
